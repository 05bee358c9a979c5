// READ, WRITE, VERIFY and WRITE AND VERIFY in all lengths, by the list that libiscsi uses: simple, zero
// blocks,
// beyond the end, flags, protection fields, residuals. The oracle is the device's own memory.
import { describe, expect, test } from 'vitest';
import { cdb10, cdb12, cdb16, filled, fixedSense, ready, verdict } from '../harness.ts';

const CAPACITY = 2048;
const BLOCK = 512;

type Cdb = (lba: number, blocks: number, flags?: number) => number[];

const form =
  (make: (o: number, l: number, b: number, f?: number) => number[], opcode: number): Cdb =>
  (lba, blocks, flags) =>
    make(opcode, lba, blocks, flags);
const cdb6 =
  (opcode: number): Cdb =>
  (lba, blocks) => [opcode, lba >> 16, (lba >> 8) & 0xff, lba & 0xff, blocks, 0];

const READS: [string, Cdb][] = [
  ['READ(10)', form(cdb10, 0x28)],
  ['READ(12)', form(cdb12, 0xa8)],
  ['READ(16)', form(cdb16, 0x88)],
];
const WRITES: [string, Cdb][] = [
  ['WRITE(10)', form(cdb10, 0x2a)],
  ['WRITE(12)', form(cdb12, 0xaa)],
  ['WRITE(16)', form(cdb16, 0x8a)],
];
const WRITE_AND_VERIFYS: [string, Cdb][] = [
  ['WRITE AND VERIFY(10)', form(cdb10, 0x2e)],
  ['WRITE AND VERIFY(12)', form(cdb12, 0xae)],
  ['WRITE AND VERIFY(16)', form(cdb16, 0x8e)],
];
const VERIFYS: [string, Cdb][] = [
  ['VERIFY(10)', form(cdb10, 0x2f)],
  ['VERIFY(12)', form(cdb12, 0xaf)],
  ['VERIFY(16)', form(cdb16, 0x8f)],
];

const setUp = () => ready({ capacityBlocks: CAPACITY });

async function stored(unit: Awaited<ReturnType<typeof setUp>>['unit'], lba: number, blocks: number) {
  const into = filled(blocks * BLOCK, 0xee);
  await unit.device.read({ lba, blocks } as Parameters<typeof unit.device.read>[0], into);
  return into;
}

describe.each([...READS, ...WRITES, ...WRITE_AND_VERIFYS, ...VERIFYS])('%s', (_name, cdb) => {
  test('of zero blocks: good up to the end, out of range past it', async () => {
    const { a } = await setUp();
    expect(verdict(await a.run(cdb(0, 0)))).toBe('good');
    expect(verdict(await a.run(cdb(CAPACITY, 0)))).toBe('good');
    expect(verdict(await a.run(cdb(CAPACITY + 1, 0)))).toBe('5/21/00');
    expect(verdict(await a.run(cdb(0x80000000, 0)))).toBe('5/21/00');
    expect(verdict(await a.run(cdb(0xffffffff, 0)))).toBe('5/21/00');
  });

  test('past the end is out of range', async () => {
    const { a } = await setUp();
    for (const blocks of [1, 2, 256]) {
      const dataOut = filled(blocks * BLOCK, 1);
      expect(verdict(await a.run(cdb(CAPACITY + 1 - blocks, blocks), { dataOut }))).toBe('5/21/00');
      expect(verdict(await a.run(cdb(0xffffffff, blocks), { dataOut }))).toBe('5/21/00');
    }
  });

  test('with a protection field points at it', async () => {
    const { a } = await setUp();
    for (let protect = 1; protect < 8; protect += 1) {
      const result = await a.run(cdb(0, 1, protect << 5), { dataOut: filled(BLOCK, 0) });
      expect([verdict(result), fixedSense(result).special]).toEqual(['5/24/00', [0xcf, 0, 1]]);
    }
  });

  test('with DPO is good', async () => {
    const { a } = await setUp();
    expect(verdict(await a.run(cdb(0, 1, 0x10), { dataOut: filled(BLOCK, 0) }))).toBe('good');
  });
});

describe.each(READS)('%s', (_name, cdb) => {
  test('reads what is stored', async () => {
    const { a, unit } = await setUp();
    unit.device.write({ lba: 7, blocks: 1 } as never, filled(BLOCK, 0x77), { fua: false });
    const { dataIn, transferBytes } = await a.run(cdb(6, 3));
    expect(transferBytes).toBe(3 * BLOCK);
    expect(dataIn).toEqual(await stored(unit, 6, 3));
  });

  test('FUA and FUA_NV are understood', async () => {
    const { a } = await setUp();
    for (const flags of [0x08, 0x02, 0x0a, 0x1a]) expect(verdict(await a.run(cdb(0, 1, flags)))).toBe('good');
  });

  test('residuals: the wish is told, and no more is fetched than there is room for', async () => {
    const { a } = await setUp();
    for (const [blocks, room, fetched] of [
      [1, 0, 0],
      [1, 200, BLOCK],
      [2, BLOCK, BLOCK],
      [1, 10000, BLOCK],
    ] as const) {
      const result = await a.run(cdb(0, blocks), { room });
      expect(verdict(result)).toBe('good');
      expect([result.transferBytes, result.dataIn?.byteLength]).toEqual([blocks * BLOCK, fetched]);
    }
  });
});

describe.each([...WRITES, ...WRITE_AND_VERIFYS])('%s', (name, cdb) => {
  const byteCheck = name.includes('VERIFY') ? 0x02 : 0;

  test('stores what was sent, and nothing beside it', async () => {
    const { a, unit } = await setUp();
    const result = await a.run(cdb(CAPACITY - 2, 2, byteCheck), { dataOut: filled(2 * BLOCK, 0x5a) });
    expect([verdict(result), result.transferBytes]).toEqual(['good', 2 * BLOCK]);
    expect(await stored(unit, CAPACITY - 3, 3)).toEqual(
      Uint8Array.of(...filled(BLOCK, 0), ...filled(2 * BLOCK, 0x5a)),
    );
  });

  test('with more data than wanted stores what was wanted', async () => {
    const { a, unit } = await setUp();
    const result = await a.run(cdb(0, 1, byteCheck), { dataOut: filled(10000, 0x11) });
    expect([verdict(result), result.transferBytes]).toEqual(['good', BLOCK]);
    expect(await stored(unit, 1, 1)).toEqual(filled(BLOCK, 0));
  });

  test('with less data stores whole blocks and tells the wish', async () => {
    const { a, unit } = await setUp();
    const none = await a.run(cdb(0, 1, byteCheck));
    expect([verdict(none), none.transferBytes]).toEqual(['good', BLOCK]);
    const half = await a.run(cdb(0, 2, byteCheck), { dataOut: filled(BLOCK, 0x22) });
    expect([verdict(half), half.transferBytes]).toEqual(['good', 2 * BLOCK]);
    expect(await stored(unit, 0, 2)).toEqual(Uint8Array.of(...filled(BLOCK, 0x22), ...filled(BLOCK, 0)));
    const torn = await a.run(cdb(0, 1, byteCheck), { dataOut: filled(200, 0x33) });
    expect([verdict(torn), torn.transferBytes]).toEqual(['5/0e/03', BLOCK]);
    expect(await stored(unit, 0, 1)).toEqual(filled(BLOCK, 0x22));
  });
});

test('FUA makes a WRITE durable; DPO and FUA_NV do not', async () => {
  const { a, unit } = await setUp();
  for (const flags of [0x08, 0x00, 0x10, 0x02, 0x1a]) {
    await a.run(cdb10(0x2a, 0, 1, flags), { dataOut: filled(BLOCK, 1) });
  }
  expect(unit.device.fuaWrites).toBe(2);
});

describe('READ(6) and WRITE(6)', () => {
  test('a length of zero means 256 blocks', async () => {
    const { a, unit } = await setUp();
    expect((await a.run(cdb6(0x0a)(3, 0), { dataOut: filled(256 * BLOCK, 9) })).transferBytes).toBe(
      256 * BLOCK,
    );
    expect(await stored(unit, 258, 1)).toEqual(filled(BLOCK, 9));
    expect(await stored(unit, 259, 1)).toEqual(filled(BLOCK, 0));
    expect((await a.run(cdb6(0x08)(3, 0))).dataIn).toEqual(filled(256 * BLOCK, 9));
  });

  test('bits of the LBA are no flags', async () => {
    const { a, unit } = await ready({ capacityBlocks: 0x200000 });
    expect(verdict(await a.run(cdb6(0x0a)(0x1fffff, 1), { dataOut: filled(BLOCK, 9) }))).toBe('good');
    expect(unit.device.fuaWrites).toBe(0);
    expect((await a.run(cdb6(0x08)(0x1fffff, 1))).dataIn).toEqual(filled(BLOCK, 9));
    expect(verdict(await a.run(cdb6(0x08)(0x1fffff, 2)))).toBe('5/21/00');
  });
});

test('an LBA of 64 bits does not wrap around', async () => {
  const { a } = await setUp();
  for (const lba of [-1n, 0x8000000000000000n, 0x100000000n, 2n ** 64n - 2n]) {
    expect(verdict(await a.run(cdb16(0x88, lba, 2)))).toBe('5/21/00');
  }
});

test('a length above MAXIMUM TRANSFER LENGTH is refused at its field', async () => {
  const { a } = await ready({ capacityBlocks: 1 << 20 });
  expect(verdict(await a.run(cdb16(0x88, 0, 32768), { room: BLOCK }))).toBe('good');
  for (const [cdb, byte] of [
    [cdb16(0x88, 0, 32769), 10],
    [cdb12(0xa8, 0, 32769), 6],
    [cdb10(0x2f, 0, 32769), 7],
  ] as const) {
    const result = await a.run(cdb);
    expect([verdict(result), fixedSense(result).special]).toEqual(['5/24/00', [0xc0, 0, byte]]);
  }
});

describe.each(VERIFYS)('%s', (_name, cdb) => {
  test('BYTCHK 0 reads the medium and wants no data', async () => {
    const { a, unit } = await setUp();
    expect((await a.run(cdb(0, 4))).transferBytes).toBe(0);
    unit.device.nextFault = { code: 'CORRUPT', lba: 2 };
    const bad = await a.run(cdb(0, 4));
    expect([verdict(bad), fixedSense(bad).information]).toEqual(['3/11/00', 2]);
  });

  test('BYTCHK 1 compares all of it', async () => {
    const { a } = await setUp();
    await a.run(cdb10(0x2a, 0, 2), { dataOut: filled(2 * BLOCK, 4) });
    const same = await a.run(cdb(0, 2, 0x02), { dataOut: filled(2 * BLOCK, 4) });
    expect([verdict(same), same.transferBytes]).toEqual(['good', 2 * BLOCK]);
    const other = filled(2 * BLOCK, 4);
    other[2 * BLOCK - 1] = 5;
    expect(verdict(await a.run(cdb(0, 2, 0x02), { dataOut: other }))).toBe('e/1d/00');
    expect(verdict(await a.run(cdb(0, 1, 0x02), { dataOut: other.subarray(0, 100) }))).toBe('5/0e/03');
  });

  test('BYTCHK 3 compares each block with one', async () => {
    const { a } = await setUp();
    await a.run(cdb10(0x2a, 0, 3), { dataOut: filled(3 * BLOCK, 4) });
    const same = await a.run(cdb(0, 3, 0x06), { dataOut: filled(BLOCK, 4) });
    expect([verdict(same), same.transferBytes]).toEqual(['good', BLOCK]);
    expect(verdict(await a.run(cdb(0, 4, 0x06), { dataOut: filled(BLOCK, 4) }))).toBe('e/1d/00');
    expect(verdict(await a.run(cdb(0, 3, 0x06)))).toBe('5/0e/03');
  });

  test('BYTCHK 2 is reserved', async () => {
    const { a } = await setUp();
    const result = await a.run(cdb(0, 1, 0x04), { dataOut: filled(BLOCK, 4) });
    expect([verdict(result), fixedSense(result).special]).toEqual(['5/24/00', [0xca, 0, 1]]);
  });
});

test('WRITE AND VERIFY has BYTCHK 0 and 1 only', async () => {
  const { a } = await setUp();
  for (const flags of [0x04, 0x06]) {
    expect(verdict(await a.run(cdb10(0x2e, 0, 1, flags), { dataOut: filled(BLOCK, 4) }))).toBe('5/24/00');
  }
});
