// A full copy as VMware's hosts offload it (VAAI "clone blocks"): limits are asked for, the unit is named
// by its NAA designator, and segments go by EXTENDED COPY, within a datastore and between two. It is taken
// from VMware's and T10's documents, and was not run against ESXi.
//
// Here both lie in one pool, so nothing may be stored for it: the pool's own account is looked at, and its
// check counts the entries of every place.
import { expect, test } from 'vitest';
import { firstDifference } from '../../../lun/bytes.ts';
import { seededRandom } from '../../support/random.ts';
import type { WholeTarget } from '../../support/whole-target.ts';
import {
  copyList,
  cscd as descriptor,
  extendedCopy,
  receiveCopy,
  segment,
} from '../../unit/protocol/scsi/copy/copy-lists.ts';
import { BLOCK_BYTES, filled, Host, u32, u64, wholeTarget } from './host.ts';

/** Blocks of a segment; hosts take 4 MiB. */
const STEP_BLOCKS = (256 << 10) / BLOCK_BYTES;
/** Bytes that are copied: two segments. */
const BYTES = 2 * STEP_BLOCKS * BLOCK_BYTES;
const TO = (32 << 20) / BLOCK_BYTES;

async function naaOf(host: Host, lun = 0): Promise<readonly number[]> {
  const { dataIn } = await host.run([0x12, 1, 0x83, 2, 0], { room: 512, lun });
  return [...dataIn.subarray(8, 24)];
}

async function sound(target: WholeTarget): Promise<void> {
  expect((await target.world.pool.check({ data: true })).errors).toEqual([]);
}

const usedBytes = (target: WholeTarget): number => target.world.pool.status().usedBytes;

/** What is written at the start of the disk. */
async function fill(host: Host): Promise<Uint8Array> {
  const contents = seededRandom(7).bytes(BYTES);
  expect(await host.write(0, contents)).toBe('good');
  return contents;
}

/** Says where they differ, since a matcher that compares megabytes takes minutes. */
async function expectAt(host: Host, lba: number, contents: Uint8Array, lun = 0): Promise<void> {
  const cdb = [0x88, 0, ...u64(lba), ...u32(contents.length / BLOCK_BYTES)];
  const { dataIn } = await host.run(cdb, { room: contents.length, lun });
  expect([dataIn.length, firstDifference(contents, dataIn)]).toEqual([contents.length, undefined]);
}

test('the host learns that it may, and how much at a time', async () => {
  const host = await Host.open(await wholeTarget(), 'a');
  expect((await host.run([0x12, 0, 0, 0, 96], { room: 96 })).dataIn[5] ?? 0).toBe(0x38);
  const { dataIn } = await host.run(receiveCopy(3), { room: 1024 });
  const view = new DataView(dataIn.buffer, dataIn.byteOffset);
  expect(view.getUint16(8)).toBeGreaterThanOrEqual(2);
  expect(view.getUint32(16)).toBeGreaterThanOrEqual(4 << 20);
  expect([...dataIn.subarray(44)]).toEqual([0x02, 0xe4]);
});

test('a clone within a datastore stores nothing, and both go their own ways', async () => {
  const target = await wholeTarget();
  const host = await Host.open(target, 'a');
  const contents = await fill(host);
  const before = usedBytes(target);
  const cscds = [descriptor(await naaOf(host))];
  for (let done = 0; done < 2; done += 1) {
    const from = done * STEP_BLOCKS;
    const dataOut = copyList({ cscds, segments: [segment({ blocks: STEP_BLOCKS, from, to: TO + from })] });
    expect(await host.say(extendedCopy(dataOut), { dataOut })).toBe('good');
  }
  expect(usedBytes(target)).toBe(before);
  await expectAt(host, TO, contents);
  await sound(target);
  expect(await host.write(0, filled(256, 1))).toBe('good');
  await expectAt(host, TO, contents);
  expect(usedBytes(target)).toBe(before + 256 * BLOCK_BYTES);
  await sound(target);
});

test('a clone between datastores that begins and ends within a block of the pool', async () => {
  const target = await wholeTarget();
  await target.createLun({ name: 'disk1', sizeBytes: 64 << 20, blockBytes: BLOCK_BYTES });
  const host = await Host.open(target, 'a');
  for (let i = 0; i < 3; i += 1) await host.say([0], { lun: 1 });
  const contents = await fill(host);
  const before = usedBytes(target);
  const cscds = [descriptor(await naaOf(host)), descriptor(await naaOf(host, 1))];
  const blocks = 2 * STEP_BLOCKS - 6;
  const segments = [segment({ source: 0, destination: 1, blocks, from: 3, to: 11 })];
  const dataOut = copyList({ cscds, segments });
  expect(await host.say(extendedCopy(dataOut), { dataOut, lun: 1 })).toBe('good');
  await expectAt(host, 11, contents.subarray(3 * BLOCK_BYTES, (3 + blocks) * BLOCK_BYTES), 1);
  await expectAt(host, 0, filled(11, 0), 1);
  await expectAt(host, 11 + blocks, filled(11, 0), 1);
  // The two ends are merged into blocks of their own.
  expect(usedBytes(target)).toBe(before + 2 * 4096);
  await sound(target);
});

test('a host that is lost during a copy disturbs nobody', async () => {
  const target = await wholeTarget();
  const host = await Host.open(target, 'a');
  const contents = await fill(host);
  const cscds = [descriptor(await naaOf(host))];
  const segments = [0, 1].map((n) =>
    segment({ blocks: STEP_BLOCKS, from: n * STEP_BLOCKS, to: TO + n * STEP_BLOCKS }),
  );
  const dataOut = copyList({ cscds, segments });
  const copying = host.run(extendedCopy(dataOut), { dataOut });
  host.lose();
  await expect(copying).rejects.toThrow();
  const other = await Host.open(target, 'b');
  await sound(target);
  await expectAt(other, 0, contents);
});
