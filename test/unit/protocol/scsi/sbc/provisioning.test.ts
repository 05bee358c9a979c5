// UNMAP, WRITE SAME, COMPARE AND WRITE, ORWRITE, GET LBA STATUS, PRE-FETCH and SYNCHRONIZE CACHE.
import { describe, expect, test } from 'vitest';
import { cdb10, cdb16, filled, fixedSense, hexOf, ready, u16, u32, u64, verdict } from '../harness.ts';

const CAPACITY = 4096;
const BLOCK = 512;
const setUp = (options = {}) => ready({ capacityBlocks: CAPACITY, ...options });
type Setting = Awaited<ReturnType<typeof setUp>>;

async function fill(a: Setting['a'], lba: number, blocks: number, byte: number): Promise<void> {
  expect(verdict(await a.run(cdb10(0x2a, lba, blocks), { dataOut: filled(blocks * BLOCK, byte) }))).toBe(
    'good',
  );
}

/** The first byte of each block. */
async function firsts(a: Setting['a'], lba: number, blocks: number): Promise<number[]> {
  const { dataIn = new Uint8Array(0) } = await a.run(cdb10(0x28, lba, blocks));
  return Array.from({ length: blocks }, (_, i) => dataIn[i * BLOCK] as number);
}

describe('UNMAP', () => {
  const list = (...descriptors: readonly (readonly [lba: number | bigint, blocks: number])[]): Uint8Array => {
    const body = descriptors.flatMap(([lba, blocks]) => [...u64(lba), ...u32(blocks), 0, 0, 0, 0]);
    return Uint8Array.from([...u16(6 + body.length), ...u16(body.length), 0, 0, 0, 0, ...body]);
  };
  const unmap = (a: Setting['a'], dataOut: Uint8Array, stated = dataOut.length, flags = 0) =>
    a.run([0x42, flags, 0, 0, 0, 0, 0, ...u16(stated), 0], { dataOut });

  test('takes all descriptors of a list', async () => {
    const { a } = await setUp();
    await fill(a, 0, 8, 7);
    const done = await unmap(a, list([1, 2], [6, 1]));
    expect([verdict(done), done.transferBytes]).toEqual(['good', 40]);
    expect(await firsts(a, 0, 8)).toEqual([7, 0, 0, 7, 7, 7, 0, 7]);
  });

  test('of nothing: no list, no descriptor, no block, up to the end', async () => {
    const { a } = await setUp();
    expect(verdict(await unmap(a, new Uint8Array(0)))).toBe('good');
    expect(verdict(await unmap(a, list()))).toBe('good');
    expect(verdict(await unmap(a, list([0, 0], [CAPACITY, 0])))).toBe('good');
  });

  test('past the end unmaps nothing at all', async () => {
    const { a } = await setUp();
    await fill(a, 0, 1, 7);
    for (const [lba, blocks] of [
      [CAPACITY, 1],
      [CAPACITY + 1, 0],
      [-1n, 1],
    ] as const) {
      expect(verdict(await unmap(a, list([0, 1], [lba, blocks])))).toBe('5/21/00');
    }
    expect(await firsts(a, 0, 1)).toEqual([7]);
  });

  test('a list shorter than its header, and one that ends within a descriptor', async () => {
    const { a } = await setUp();
    await fill(a, 0, 4, 7);
    expect(verdict(await unmap(a, list([0, 1]).subarray(0, 7)))).toBe('5/1a/00');
    expect(verdict(await unmap(a, list([0, 1], [2, 1]).subarray(0, 30)))).toBe('good');
    expect(await firsts(a, 0, 4)).toEqual([0, 7, 7, 7]);
  });

  test('limits: descriptors, blocks of all of them, ANCHOR', async () => {
    const { a } = await ready({ capacityBlocks: 1 << 24 });
    const many = Array.from({ length: 257 }, (_, i) => [i, 1] as const);
    expect(verdict(await unmap(a, list(...many.slice(1))))).toBe('good');
    const tooMany = await unmap(a, list(...many));
    expect([verdict(tooMany), fixedSense(tooMany).special]).toEqual(['5/26/00', [0x80, 0, 2]]);
    expect(verdict(await unmap(a, list([0, 1 << 19], [1 << 20, 1 << 19])))).toBe('good');
    const tooLarge = await unmap(a, list([0, 1 << 19], [1 << 20, (1 << 19) + 1]));
    expect([verdict(tooLarge), fixedSense(tooLarge).special]).toEqual(['5/26/00', [0x80, 0, 32]]);
    const anchored = await unmap(a, list([0, 1]), 24, 1);
    expect([verdict(anchored), fixedSense(anchored).special]).toEqual(['5/24/00', [0xc8, 0, 1]]);
  });
});

describe.each([
  ['WRITE SAME(10)', cdb10, 0x41],
  ['WRITE SAME(16)', cdb16, 0x93],
] as const)('%s', (_name, make, opcode) => {
  test('stores one block everywhere', async () => {
    const { a } = await setUp();
    const done = await a.run(make(opcode, 2, 3), { dataOut: filled(BLOCK, 8) });
    expect([verdict(done), done.transferBytes]).toEqual(['good', BLOCK]);
    expect(await firsts(a, 1, 5)).toEqual([0, 8, 8, 8, 0]);
  });

  test('zero blocks mean up to the end', async () => {
    const { a } = await setUp();
    expect(verdict(await a.run(make(opcode, CAPACITY - 2, 0), { dataOut: filled(BLOCK, 8) }))).toBe('good');
    expect(await firsts(a, CAPACITY - 3, 3)).toEqual([0, 8, 8]);
    expect(verdict(await a.run(make(opcode, CAPACITY + 1, 0), { dataOut: filled(BLOCK, 8) }))).toBe(
      '5/21/00',
    );
  });

  test('is bounded by MAXIMUM WRITE SAME LENGTH, zero blocks too', async () => {
    const { a } = await ready({ capacityBlocks: 32768 + 1 });
    const dataOut = filled(BLOCK, 0);
    expect(verdict(await a.run(make(opcode, 0, 32768), { dataOut }))).toBe('good');
    expect(verdict(await a.run(make(opcode, 0, 32769), { dataOut }))).toBe('5/24/00');
    expect(verdict(await a.run(make(opcode, 0, 0), { dataOut }))).toBe('5/24/00');
    expect(verdict(await a.run(make(opcode, 1, 0), { dataOut }))).toBe('good');
  });

  test('with UNMAP gives the blocks back, whatever block was sent', async () => {
    const { a, unit } = await setUp();
    await fill(a, 0, 8, 7);
    expect(verdict(await a.run(make(opcode, 0, 4, 0x08), { dataOut: filled(BLOCK, 0) }))).toBe('good');
    expect(await firsts(a, 0, 5)).toEqual([0, 0, 0, 0, 7]);
    expect(await unit.device.allocation({ lba: 0, blocks: 8 } as never, 8)).toEqual([
      { lba: 0, blocks: 4, mapped: false },
      { lba: 4, blocks: 4, mapped: true },
    ]);
    expect(verdict(await a.run(make(opcode, 4, 1, 0x08), { dataOut: filled(BLOCK, 3) }))).toBe('good');
    expect(await firsts(a, 3, 3)).toEqual([0, 0, 7]);
  });

  test('refuses data of another size, ANCHOR, and UNMAP where the unit is not thin', async () => {
    const { a } = await setUp();
    for (const bytes of [0, BLOCK / 2, 2 * BLOCK]) {
      expect(verdict(await a.run(make(opcode, 0, 1, 0x08), { dataOut: filled(bytes, 0) }))).toBe('5/0e/03');
    }
    for (const flags of [0x10, 0x18]) {
      const result = await a.run(make(opcode, 0, 1, flags), { dataOut: filled(BLOCK, 0) });
      expect([verdict(result), fixedSense(result).special]).toEqual(['5/24/00', [0xcc, 0, 1]]);
    }
    const thick = await setUp({ thin: false });
    expect(verdict(await thick.a.run(make(opcode, 0, 1, 0x08), { dataOut: filled(BLOCK, 0) }))).toBe(
      '5/24/00',
    );
  });
});

test('WRITE SAME(16) with NDOB wants no data and stores zeroes', async () => {
  const { a } = await setUp();
  await fill(a, 0, 3, 7);
  const done = await a.run(cdb16(0x93, 0, 2, 0x01));
  expect([verdict(done), done.transferBytes]).toEqual(['good', 0]);
  expect(await firsts(a, 0, 3)).toEqual([0, 0, 7]);
});

describe('COMPARE AND WRITE', () => {
  const caw = (a: Setting['a'], lba: number, blocks: number, dataOut: Uint8Array, flags = 0) =>
    a.run([0x89, flags, ...u64(lba), 0, 0, 0, blocks, 0, 0], { dataOut });
  const halves = (blocks: number, expected: number, replacement: number): Uint8Array => {
    const both = filled(2 * blocks * BLOCK, expected);
    return both.fill(replacement, blocks * BLOCK);
  };

  test('stores on equality', async () => {
    const { a, unit } = await setUp();
    await fill(a, 0, 4, 1);
    const done = await caw(a, 1, 2, halves(2, 1, 2), 0x08);
    expect([verdict(done), done.transferBytes]).toEqual(['good', 4 * BLOCK]);
    expect(await firsts(a, 0, 4)).toEqual([1, 2, 2, 1]);
    expect(unit.device.fuaWrites).toBe(1);
  });

  test('otherwise says where it first differs, and stores nothing', async () => {
    const { a } = await setUp();
    const dataOut = halves(2, 0, 2);
    dataOut[BLOCK + 9] = 1;
    const result = await caw(a, 1, 2, dataOut);
    expect([verdict(result), fixedSense(result).information]).toEqual(['e/1d/00', BLOCK + 9]);
    expect(await firsts(a, 1, 2)).toEqual([0, 0]);
  });

  test('zero blocks, the end, another amount of data', async () => {
    const { a } = await setUp();
    expect(verdict(await caw(a, 0, 0, new Uint8Array(0)))).toBe('good');
    expect(verdict(await caw(a, CAPACITY, 0, new Uint8Array(0)))).toBe('good');
    const unnamed = await caw(a, 0, 0, halves(256, 0, 0));
    expect([verdict(unnamed), fixedSense(unnamed).special]).toEqual(['5/24/00', [0xc0, 0, 13]]);
    expect(verdict(await caw(a, CAPACITY, 1, halves(1, 0, 0)))).toBe('5/21/00');
    for (const blocks of [1, 3]) expect(verdict(await caw(a, 0, blocks, halves(2, 0, 0)))).toBe('5/0e/03');
    expect(verdict(await caw(a, 0, 255, halves(255, 0, 0)))).toBe('good');
  });
});

describe('ORWRITE(16)', () => {
  test('stores what is there or what was sent', async () => {
    const { a } = await setUp();
    await fill(a, 0, 3, 0xa0);
    const done = await a.run(cdb16(0x8b, 0, 2), { dataOut: filled(2 * BLOCK, 0x05) });
    expect([verdict(done), done.transferBytes]).toEqual(['good', 2 * BLOCK]);
    expect(await firsts(a, 0, 3)).toEqual([0xa5, 0xa5, 0xa0]);
  });

  test('is not undone by a write that comes in between', async () => {
    const { a, unit } = await setUp();
    const { read } = unit.device;
    let reads = 0;
    unit.device.read = (range, into) => {
      read.call(unit.device, range, into);
      reads += 1;
      if (reads === 1) unit.device.write(range, filled(BLOCK, 0x40), { fua: false });
    };
    expect(verdict(await a.run(cdb16(0x8b, 0, 1), { dataOut: filled(BLOCK, 0x01) }))).toBe('good');
    expect(await firsts(a, 0, 1)).toEqual([0x41]);
  });

  test('zero blocks, the end, too little data', async () => {
    const { a } = await setUp();
    expect(verdict(await a.run(cdb16(0x8b, CAPACITY, 0)))).toBe('good');
    expect(verdict(await a.run(cdb16(0x8b, CAPACITY + 1, 0)))).toBe('5/21/00');
    expect(verdict(await a.run(cdb16(0x8b, CAPACITY, 1)))).toBe('5/21/00');
    expect(verdict(await a.run(cdb16(0x8b, 0, 2), { dataOut: filled(BLOCK, 1) }))).toBe('5/0e/03');
  });
});

describe('GET LBA STATUS', () => {
  const status = (lba: number | bigint, allocation: number): number[] => [
    0x9e,
    0x12,
    ...u64(lba),
    ...u32(allocation),
    0,
    0,
  ];

  test('tells runs from the starting LBA on', async () => {
    const { a } = await setUp();
    await fill(a, 8, 8, 1);
    const two = await a.run(status(10, 40));
    expect(hexOf(two.dataIn)).toBe(
      '0000002400000000' + '000000000000000a0000000600000000' + '000000000000001000000ff001000000',
    );
    expect(hexOf((await a.run(status(0, 24))).dataIn)).toBe(
      '0000001400000000' + '00000000000000000000000801000000',
    );
  });

  test('is cut at ALLOCATION LENGTH and ends at the end', async () => {
    const { a } = await setUp();
    expect((await a.run(status(0, 4))).dataIn).toHaveLength(4);
    expect(verdict(await a.run(status(CAPACITY, 24)))).toBe('5/21/00');
    expect(verdict(await a.run(status(-1n, 24)))).toBe('5/21/00');
  });

  test('of a unit that is not thin has everything mapped', async () => {
    const { a } = await setUp({ thin: false });
    expect(hexOf((await a.run(status(0, 64))).dataIn)).toBe(
      '0000001400000000' + '00000000000000000000100000000000',
    );
  });
});

describe('SYNCHRONIZE CACHE and PRE-FETCH', () => {
  const cases = [
    ['SYNCHRONIZE CACHE(10)', cdb10, 0x35],
    ['SYNCHRONIZE CACHE(16)', cdb16, 0x91],
    ['PRE-FETCH(10)', cdb10, 0x34],
    ['PRE-FETCH(16)', cdb16, 0x90],
  ] as const;
  test.each(cases)('%s: ranges and flags', async (name, make, opcode) => {
    const { a, unit } = await setUp();
    expect(verdict(await a.run(make(opcode, 0, 0)))).toBe('good');
    expect(verdict(await a.run(make(opcode, CAPACITY - 1, 1, 0x02)))).toBe('good');
    expect(verdict(await a.run(make(opcode, CAPACITY + 1, 0)))).toBe('5/21/00');
    expect(verdict(await a.run(make(opcode, CAPACITY, 1)))).toBe('5/21/00');
    expect(unit.device.flushes).toBe(name.startsWith('SYNC') ? 2 : 0);
  });
});
