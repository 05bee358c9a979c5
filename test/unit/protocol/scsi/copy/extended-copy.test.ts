// EXTENDED COPY(LID1) and what is told of it (SPC-4 §5.16, §6.4, §6.20 … §6.24): golden bytes, what is
// refused in which words, and whose access it obeys.
import { expect, test } from 'vitest';
import { StoreError } from '../../../../../lun/errors.ts';
import { type MemoryUnitOptions, memoryUnit } from '../../../../../lun/memory-device.ts';
import { bench, cdb10, cdb16, filled, fixedSense, hexOf, Initiator, ready, verdict } from '../harness.ts';
import { clear, register, release, reserve } from '../pr/pr-cdbs.ts';
import { copyList, cscd, extendedCopy, type List, NAA, receiveCopy, segment } from './copy-lists.ts';

const copy = (who: Initiator, list: List | Uint8Array, lun = 0) => {
  const dataOut = list instanceof Uint8Array ? list : copyList(list);
  return who.run(extendedCopy(dataOut), { dataOut, lun });
};
const write = (who: Initiator, lba: number, bytes: Uint8Array, lun = 0) =>
  who.run(cdb10(0x2a, lba, bytes.length / 512), { dataOut: bytes, lun });
const read = async (who: Initiator, lba: number, blocks: number, lun = 0) =>
  (await who.run(cdb16(0x88, lba, blocks), { lun })).dataIn;

const OTHER_NAA = [...NAA.slice(0, 15), 0xee];

/** Two units at LUN 0 and LUN 1. */
async function two(options: MemoryUnitOptions = {}) {
  const made = bench();
  const other = memoryUnit({
    ...options,
    identity: { naa: Uint8Array.from(OTHER_NAA), serial: 'MEMORY0000000002', name: 'memory1' },
  });
  made.units.units.set(1, other);
  made.units.changed();
  const a = await made.initiator('a').settle();
  await a.settle(1);
  return { ...made, a };
}

/** A list written out, so that what makes lists in these tests has a witness. */
const GOLDEN =
  '01000020' +
  '00000000' +
  '0000001c' +
  '00000000' +
  'e4000000' +
  '01030010' +
  '6001405001020304' +
  '05060708090a0b0c' +
  '00000000' +
  '00000200' +
  '02000018' +
  '00000000' +
  '00000008' +
  '0000000000000010' +
  '0000000000000200';

test('a segment is copied as its bytes say', async () => {
  const { a } = await ready();
  const golden = Uint8Array.from(Buffer.from(GOLDEN, 'hex'));
  expect(copyList({ segments: [segment({ blocks: 8, from: 16, to: 512 })] })).toEqual(golden);
  const data = Uint8Array.from({ length: 8 * 512 }, (_, at) => (at * 7) & 0xff);
  await write(a, 16, data);
  const result = await copy(a, golden);
  expect([verdict(result), result.transferBytes]).toEqual(['good', golden.length]);
  expect(await read(a, 512, 8)).toEqual(data);
  expect(await read(a, 520, 1)).toEqual(filled(512, 0));
});

test('segments come one after the other, and what they overlap with is read first', async () => {
  const { a } = await ready();
  const data = Uint8Array.from({ length: 16 * 512 }, (_, at) => at >> 9);
  await write(a, 0, data);
  const up = segment({ blocks: 16, from: 0, to: 4 });
  const on = segment({ blocks: 8, from: 4, to: 100 });
  expect(verdict(await copy(a, { segments: [up, on] }))).toBe('good');
  expect(await read(a, 4, 16)).toEqual(data);
  expect(await read(a, 100, 8)).toEqual(data.subarray(0, 8 * 512));
});

test('goes between units of other block lengths, counted in blocks of either', async () => {
  const { a } = await two({ blockBytes: 4096, capacityBlocks: 1000 });
  await write(a, 0, filled(32 * 512, 0x5a));
  const cscds = [cscd(), cscd(OTHER_NAA, 4096)];
  const ends = { source: 0, destination: 1, from: 0 };
  const counted = [segment({ ...ends, blocks: 16, to: 3 }), segment({ ...ends, blocks: 2, to: 7, dc: true })];
  expect(verdict(await copy(a, { cscds, segments: counted }))).toBe('good');
  expect(await read(a, 3, 2, 1)).toEqual(filled(8192, 0x5a));
  expect(await read(a, 7, 2, 1)).toEqual(filled(8192, 0x5a));
  const inexact = await copy(a, { cscds, segments: [segment({ ...ends, blocks: 9, to: 20 })] });
  expect(verdict(inexact)).toBe('a/26/0a');
});

test('the unit that got the command is FFFFh, whatever the descriptors say', async () => {
  const { a } = await two();
  await write(a, 0, filled(512, 9), 1);
  const segments = [segment({ source: 0xffff, destination: 0xffff, blocks: 1, from: 0, to: 5 })];
  expect(verdict(await copy(a, copyList({ cscds: [], segments }), 1))).toBe('good');
  expect(await read(a, 5, 1, 1)).toEqual(filled(512, 9));
});

test('what cannot be read as a list is refused before anything is copied', async () => {
  const { a } = await ready();
  const one = segment({ blocks: 1, from: 0, to: 9 });
  await write(a, 0, filled(512, 3));
  const whole = copyList({ segments: [one] });
  const changed = (at: number, byte: number) => whole.map((before, i) => (i === at ? byte : before));
  const cases: [List | Uint8Array, string][] = [
    [whole.subarray(0, 15), '5/1a/00'],
    [whole.subarray(0, 47), '5/1a/00'],
    [whole.subarray(0, 75), '5/1a/00'],
    [{ cscds: new Array(65).fill(cscd()), segments: [one] }, '5/26/06'],
    [{ segments: new Array(513).fill(one) }, '5/26/08'],
    [{ cscds: new Array(65).fill(cscd()), segments: new Array(512).fill(one) }, '5/1a/00'],
    [changed(16, 0xe0), '5/26/07'],
    [changed(48, 0x03), '5/26/09'],
    [changed(1, 0x08), '5/26/00'],
    [changed(1, 0x18), '5/26/00'],
    [changed(3, 0x21), '5/26/00'],
    [changed(15, 0x01), '5/26/0b'],
    [changed(51, 0x14), '5/26/00'],
    [changed(23, 0x15), '5/26/00'],
  ];
  for (const [list, words] of cases) expect(verdict(await copy(a, list)), words).toBe(words);
  expect(await read(a, 9, 1)).toEqual(filled(512, 0));
  expect(verdict(await copy(a, new Uint8Array(0)))).toBe('good');
});

test('what ends a copy says in which segment and where in it', async () => {
  const { a, unit } = await ready();
  const good = segment({ blocks: 1, from: 0, to: 9 });
  const cases: [number[], string, number][] = [
    [segment({ destination: 1, blocks: 1, from: 0, to: 9 }), 'a/08/04', 6],
    [segment({ source: 1, blocks: 1, from: 0, to: 9 }), 'a/08/04', 4],
    [segment({ blocks: 8, from: 131065, to: 9 }), 'a/00/00', 12],
    [segment({ blocks: 8, from: 0, to: 131065 }), 'a/00/00', 20],
  ];
  for (const [bad, words, byte] of cases) {
    const result = await copy(a, { segments: [good, bad] });
    const { special } = fixedSense(result);
    expect([verdict(result), ...special, ...(result.sense?.subarray(8, 12) ?? [])]).toEqual([
      ...[words, 0xa0, 0, byte],
      ...[0, 0, 0, 1],
    ]);
  }
  const unknown = await copy(a, { cscds: [cscd(OTHER_NAA)], segments: [good] });
  expect(verdict(unknown)).toBe('a/0d/02');
  expect(verdict(await copy(a, { cscds: [cscd(NAA, 4096)], segments: [good] }))).toBe('a/0d/03');
  unit.device.nextFault = { code: 'IO' };
  expect(verdict(await copy(a, { segments: [good] }))).toBe('a/0d/01');
});

test('in descriptor format the segment has a descriptor of its own (SPC-4 §4.5.2.3)', async () => {
  const { a } = await ready();
  const page = [0x0a, 0x0a, 0x04, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0];
  const selected = await a.run([0x15, 0x10, 0, 0, 16, 0], { dataOut: Uint8Array.of(0, 0, 0, 0, ...page) });
  expect(verdict(selected)).toBe('good');
  const result = await copy(a, { segments: [segment({ blocks: 8, from: 0, to: 131065 })] });
  expect(hexOf(result.sense)).toBe('720a000000000014' + '010a00000000000000000000' + '02060000a0001400');
});

test('reads and writes only where its nexus may', async () => {
  const { a, unit, units, target, initiator } = await two();
  const b = await initiator('b').settle();
  const cscds = [cscd(), cscd(OTHER_NAA)];
  const into = { cscds, segments: [segment({ source: 1, blocks: 1, from: 0, to: 9 })] };
  const outOf = { cscds, segments: [segment({ destination: 1, blocks: 1, from: 0, to: 9 })] };
  // The command goes to LUN 1, what it is about is LUN 0.
  const both = async (who = a) => [verdict(await copy(who, into, 1)), verdict(await copy(who, outOf, 1))];
  expect(await both()).toEqual(['good', 'good']);

  // Write Exclusive of another: reads go on. Exclusive Access: nothing does. Registered: everything does.
  await register(b, 0n, 1n);
  await reserve(b, 1n, 1);
  expect(await both()).toEqual(['a/0d/01', 'good']);
  await release(b, 1n, 1);
  await reserve(b, 1n, 3);
  expect(await both()).toEqual(['a/0d/01', 'a/0d/01']);
  await release(b, 1n, 3);
  await register(a, 0n, 2n);
  await reserve(b, 1n, 5);
  expect(await both()).toEqual(['good', 'good']);
  await clear(b, 1n);
  await a.settle();

  unit.readOnly = true;
  expect(await both()).toEqual(['a/27/00', 'good']);
  unit.readOnly = false;

  // A nexus that is not shown LUN 0 has no such copy target, by whatever name.
  const port = { portName: 'iqn.2026-11.example:c,i,0x1', deviceName: 'iqn.2026-11.example:c' };
  const c = await new Initiator(target.openNexus(port, { sees: (lun) => lun === 1 })).settle(1);
  expect(await both(c)).toEqual(['a/0d/02', 'a/0d/02']);
  units.units.delete(0);
  units.changed();
  await a.settle(1);
  expect(await both()).toEqual(['a/0d/02', 'a/0d/02']);
});

test('a reservation of LUN 0 keeps the command itself out (SPC-4 Table 69)', async () => {
  const { a, initiator } = await ready();
  const b = await initiator('b').settle();
  expect(verdict(await b.run([0x16, 0, 0, 0, 0, 0]))).toBe('good');
  const one = { segments: [segment({ blocks: 1, from: 0, to: 9 })] };
  expect(verdict(await copy(a, one))).toBe('conflict');
  expect(verdict(await a.run(receiveCopy(0, 1)))).toBe('conflict');
});

test('RECEIVE COPY STATUS counts segments and bytes, also of a copy that runs', async () => {
  const { a, unit, initiator } = await ready();
  expect(verdict(await a.run(receiveCopy(0, 7)))).toBe('5/24/00');
  const segments = [segment({ blocks: 8, from: 0, to: 64 }), segment({ blocks: 4, from: 0, to: 128 })];
  await copy(a, { id: 7, segments });
  expect(hexOf((await a.run(receiveCopy(0, 7))).dataIn)).toBe('00000008' + '01' + '0002' + '00' + '00001800');
  expect(hexOf((await a.run(receiveCopy(0, 7, 4))).dataIn)).toBe('00000008');
  const b = await initiator('b').settle();
  expect(verdict(await b.run(receiveCopy(0, 7)))).toBe('5/24/00');

  let go = (): void => undefined;
  const { write: stored } = unit.device;
  unit.device.write = async (...what) => {
    await new Promise<void>((resume) => {
      go = resume;
    });
    return stored.apply(unit.device, what);
  };
  const running = copy(a, { id: 7, segments });
  await new Promise((resolve) => setImmediate(resolve));
  expect(hexOf((await a.run(receiveCopy(0, 7))).dataIn)).toBe('00000008' + '00' + '0000' + '00' + '00000000');
  expect(verdict(await copy(a, { id: 7, segments }))).toBe('5/00/16');
  unit.device.write = stored;
  go();
  expect(verdict(await running)).toBe('good');
  // LIST ID USAGE 11b: nothing is kept.
  expect(verdict(await copy(a, { id: 0, usage: 3, segments }))).toBe('good');
  expect(verdict(await a.run(receiveCopy(0, 0)))).toBe('5/24/00');
});

test('a failed copy says once how it ended', async () => {
  const { a, unit } = await ready();
  const segments = [segment({ blocks: 8, from: 0, to: 64 }), segment({ blocks: 8, from: 0, to: 131071 })];
  expect(verdict(await a.run(receiveCopy(4, 2)))).toBe('5/24/00');
  const failure = await copy(a, { id: 2, segments });
  expect(verdict(failure)).toBe('a/00/00');
  expect(hexOf((await a.run(receiveCopy(0, 2))).dataIn)).toBe('00000008' + '02' + '0001' + '00' + '00001000');
  const details = hexOf((await a.run(receiveCopy(4, 2))).dataIn);
  expect(details).toBe(`0000004a${'00'.repeat(52)}02000012${hexOf(failure.sense)}`);
  expect(hexOf((await a.run(receiveCopy(4, 2))).dataIn)).toBe('00000000');
  unit.device.read = () => Promise.reject(new StoreError('CORRUPT', 'a bad block'));
  expect(verdict(await copy(a, { id: 2, segments }))).toBe('a/0d/01');
});

test('RECEIVE COPY OPERATING PARAMETERS and VPD page 8Fh say the same limits', async () => {
  const { a } = await ready();
  expect(hexOf((await a.run(receiveCopy(3))).dataIn)).toBe(
    '0000002a01000000' +
      '00400200' +
      '00004000' +
      '0ffff000' +
      '00000000'.repeat(3) +
      '0000' +
      '00ff' +
      'ff' +
      '000000' +
      '000000' +
      '02' +
      '02e4',
  );
  expect(hexOf((await a.run([0x12, 1, 0x8f, 4, 0, 0])).dataIn)).toBe(
    '008f0170' +
      // Block Device ROD Token Limits: 128 ranges, 600 and 60 s, 16 GiB and 1 GiB in blocks of 512.
      '00000020' +
      '00'.repeat(6) +
      '0080' +
      '000002580000003c' +
      '0000000002000000' +
      '0000000000200000' +
      '0001000c' +
      '0b8303001011840400030407' +
      '0004001c' +
      '0000000000400200' +
      '00004000' +
      '00'.repeat(16) +
      '00080004' +
      '0202e400' +
      '000c0004' +
      '0002ffff' +
      '0106005c' +
      '00'.repeat(20) +
      '00000258' +
      '00'.repeat(18) +
      '0030' +
      '0000002c00000000' +
      '0000000400000000' +
      '0000000040000000'.repeat(3) +
      '00'.repeat(8) +
      '01080084' +
      '00000080' +
      `0080000003${'00'.repeat(59)}` +
      `ffff000102${'00'.repeat(59)}` +
      '80010020' +
      '000000ff000000ff' +
      '0ffff000' +
      '00'.repeat(20),
  );
  expect((await a.run([0x12, 0, 0, 0, 96, 0])).dataIn?.[5]).toBe(0x38);
});
