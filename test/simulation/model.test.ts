/**
 * Shows that the simulation's oracle says what SYSTEM.md §3 says, by examples worked out by hand, one for
 * each rule.
 */
import { expect, test } from 'vitest';
import { bytesOfStamps, describeSector, firstWrongSector, SECTOR_BYTES } from './content.ts';
import { Model } from './model.ts';

const BLOCK = 8;

function stampsFrom(first: number, sectors: number): Uint32Array {
  return Uint32Array.from({ length: sectors }, (_, i) => first + i);
}

/** V1 of four pool blocks with stamps 101… in all its sectors, and V2 that tracks it. */
function tracked(): Model {
  const model = new Model();
  model.create('v1', 4 * 4096, 512);
  model.write('v1', 0, stampsFrom(101, 4 * BLOCK));
  model.preserve('v1', 'v2');
  return model;
}

function sectors(model: Model, name: string, first: number, count: number): number[] {
  return [...model.vlun(name).stamps.subarray(first, first + count)];
}

test('P2, P9: from preserve on V2 reads what V1 reads, and has no entry', () => {
  const model = tracked();
  expect([...model.vlun('v2').stamps]).toEqual([...model.vlun('v1').stamps]);
  expect(model.vlun('v2').own.size).toBe(0);
});

test('P4, P6: a write to V2 makes an entry there, and V1 never sees it', () => {
  const model = tracked();
  model.write('v2', BLOCK + 2, stampsFrom(901, 2));
  expect(sectors(model, 'v2', BLOCK + 1, 4)).toEqual([110, 901, 902, 113]);
  expect(sectors(model, 'v1', BLOCK + 1, 4)).toEqual([110, 111, 112, 113]);
  expect([...model.vlun('v2').own]).toEqual([1]);
});

test('P5: a write of a whole block to V1 deletes the entry, and the latest writer wins on V2', () => {
  const model = tracked();
  model.write('v2', BLOCK, stampsFrom(901, BLOCK));
  model.write('v1', BLOCK, stampsFrom(801, BLOCK));
  expect(sectors(model, 'v2', BLOCK, BLOCK)).toEqual([801, 802, 803, 804, 805, 806, 807, 808]);
  expect(model.vlun('v2').own.size).toBe(0);
});

test('P10: a write to V1 goes down the tree, past a tracker that has an entry', () => {
  const model = tracked();
  model.preserve('v2', 'v3');
  model.preserve('v1', 'v4');
  model.write('v3', 0, stampsFrom(901, BLOCK));
  model.write('v2', 0, stampsFrom(801, BLOCK));
  expect(sectors(model, 'v3', 0, 2)).toEqual([801, 802]);
  expect(sectors(model, 'v4', 0, 2)).toEqual([101, 102]);
  model.write('v1', 0, stampsFrom(701, BLOCK));
  for (const name of ['v1', 'v2', 'v3', 'v4']) expect(sectors(model, name, 0, 2)).toEqual([701, 702]);
  expect(model.vlun('v3').own.size).toBe(0);
});

test('P11: a partial write to V1 keeps the entry of V2 and puts the same sectors into it', () => {
  const model = tracked();
  model.write('v2', BLOCK, stampsFrom(901, BLOCK));
  model.write('v1', BLOCK + 3, stampsFrom(801, 1));
  expect(sectors(model, 'v2', BLOCK, 5)).toEqual([901, 902, 903, 801, 905]);
  expect(sectors(model, 'v1', BLOCK, 5)).toEqual([109, 110, 111, 801, 113]);
  expect([...model.vlun('v2').own]).toEqual([1]);
});

test('P11: a write of blocks with partial ends deletes the entries it covers and keeps those at its ends', () => {
  const model = tracked();
  model.write('v2', 0, stampsFrom(901, 4 * BLOCK));
  model.write('v1', BLOCK - 1, stampsFrom(801, BLOCK + 2));
  expect([...model.vlun('v2').own].sort()).toEqual([0, 2, 3]);
  expect(sectors(model, 'v2', BLOCK - 2, 2)).toEqual([907, 801]);
  expect(sectors(model, 'v2', 2 * BLOCK, 2)).toEqual([810, 918]);
});

test('P12: release leaves V2 what it reads, and it follows no more', () => {
  const model = tracked();
  model.write('v2', 0, stampsFrom(901, 1));
  model.release('v2');
  model.write('v1', 0, stampsFrom(801, 2));
  expect(sectors(model, 'v2', 0, 3)).toEqual([901, 102, 103]);
});

test('P13: after its snapshot V2 follows what V1 writes since, and the snapshot does not', () => {
  const model = tracked();
  model.write('v2', 0, stampsFrom(901, BLOCK));
  model.snapshot('v2', 's');
  model.write('v1', 2, stampsFrom(801, 1));
  expect(sectors(model, 'v2', 0, 4)).toEqual([901, 902, 801, 904]);
  expect([...(model.snapshots.get('v2@s')?.stamps.subarray(0, 4) ?? [])]).toEqual([901, 902, 903, 904]);
});

test('P14: deleting a tracked VLUN releases its trackers first', () => {
  const model = tracked();
  model.snapshot('v1', 's');
  model.deleteVlun('v1');
  expect(model.vlun('v2').tracks).toBeUndefined();
  expect(sectors(model, 'v2', 0, 1)).toEqual([101]);
  expect(model.snapshots.size).toBe(0);
});

test('P15: past the end of what it tracks a VLUN reads zeroes, and nothing comes down there', () => {
  const model = tracked();
  model.resize('v2', 5 * 4096 + 512);
  expect(sectors(model, 'v2', 4 * BLOCK - 1, 3)).toEqual([132, 0, 0]);
  model.write('v2', 5 * BLOCK, stampsFrom(901, 1));
  expect(model.vlun('v1').sectors).toBe(4 * BLOCK);
  expect(sectors(model, 'v1', 5 * BLOCK, 1)).toEqual([0]);
});

test('P3, P7: a shrink is an UNMAP of what is cut off, and a tracker that grows again reads what it follows', () => {
  const model = tracked();
  model.resize('v2', 2 * 4096);
  model.write('v1', 3 * BLOCK, stampsFrom(801, 2));
  model.resize('v2', 4 * 4096);
  expect(sectors(model, 'v2', 2 * BLOCK, 2)).toEqual([0, 0]);
  expect(sectors(model, 'v2', 3 * BLOCK, 3)).toEqual([801, 802, 0]);
  model.resize('v1', 3 * 4096);
  expect(sectors(model, 'v2', 3 * BLOCK, 3)).toEqual([0, 0, 0]);
});

test('P12: a VLUN that was released and then grows does not show what it did not have', () => {
  const model = tracked();
  model.resize('v2', 2 * 4096);
  model.write('v1', 3 * BLOCK, stampsFrom(801, 2));
  model.release('v2');
  model.resize('v2', 4 * 4096);
  expect(sectors(model, 'v2', 3 * BLOCK, 2)).toEqual([0, 0]);
});

test('a clone starts with the snapshot and goes its own way', () => {
  const model = tracked();
  model.snapshot('v1', 's');
  model.write('v1', 0, stampsFrom(801, 1));
  model.clonedFrom('v1', 's', 'c');
  model.write('c', 1, stampsFrom(901, 1));
  expect(sectors(model, 'c', 0, 3)).toEqual([101, 901, 103]);
  expect(sectors(model, 'v1', 0, 3)).toEqual([801, 102, 103]);
});

test('a write can be taken back, trackers included', () => {
  const model = tracked();
  const before = [...model.vlun('v2').stamps];
  const befores = model.write('v1', 3, stampsFrom(801, 10));
  model.undo(befores);
  expect([...model.vlun('v2').stamps]).toEqual(before);
  expect([...model.vlun('v1').stamps]).toEqual(before);
});

test('a changed byte anywhere in a sector is found, and the sector says what it is', () => {
  const stamps = Uint32Array.from([7, 0, 9]);
  const bytes = bytesOfStamps(stamps);
  expect(firstWrongSector(bytes, stamps)).toBeUndefined();
  expect(describeSector(bytes, 2)).toBe('stamp 9');
  for (const offset of [0, SECTOR_BYTES + 17, 3 * SECTOR_BYTES - 1]) {
    const changed = bytes.slice();
    changed[offset] = (changed[offset] ?? 0) ^ 1;
    expect(firstWrongSector(changed, stamps)).toBe(Math.floor(offset / SECTOR_BYTES));
    expect(describeSector(changed, Math.floor(offset / SECTOR_BYTES))).toMatch(/whole|stamp/);
  }
});
