// WRITE ATOMIC(16): whole physical blocks, all of them or none, as one atomic call of the device; and READ
// DEFECT DATA, whose lists are empty in every format. Expected values follow SBC-4 §5.50 and SBC-3 §5.17.
import { describe, expect, test } from 'vitest';
import type { WriteOptions } from '../../../../../lun/block-device.ts';
import { cdb10, filled, fixedSense, hexOf, ready, u16, u32, u64, verdict } from '../harness.ts';

const writeAtomic = (lba: number | bigint, blocks: number, { flags = 0, boundary = 0 } = {}): number[] => [
  0x9c,
  flags,
  ...u64(lba),
  ...u16(boundary),
  ...u16(blocks),
  0,
  0,
];

describe('WRITE ATOMIC(16)', () => {
  test('stores what was sent, and asks the device for one atomic step', async () => {
    const { a, unit } = await ready();
    const asked: WriteOptions[] = [];
    const { write } = unit.device;
    unit.device.write = (range, from, options) => {
      asked.push(options);
      return write.call(unit.device, range, from, options);
    };
    expect(verdict(await a.run(writeAtomic(8, 16), { dataOut: filled(8192, 0x5a) }))).toBe('good');
    expect(verdict(await a.run(writeAtomic(8, 8, { flags: 0x18 }), { dataOut: filled(4096, 1) }))).toBe(
      'good',
    );
    expect(asked).toEqual([
      { fua: false, atomic: true },
      { fua: true, atomic: true },
    ]);
    const { dataIn } = await a.run(cdb10(0x28, 8, 16));
    expect(dataIn).toEqual(Uint8Array.from([...filled(4096, 1), ...filled(4096, 0x5a)]));
  });

  test('what is not whole physical blocks is refused at its field', async () => {
    const { a } = await ready();
    for (const [cdb, special] of [
      [writeAtomic(1, 8), [0xc0, 0, 2]],
      [writeAtomic(0, 1), [0xc0, 0, 12]],
      [writeAtomic(0, 9), [0xc0, 0, 12]],
      [writeAtomic(0, 0x8008), [0xc0, 0, 12]],
      [writeAtomic(0, 8, { boundary: 8 }), [0xcf, 0, 10]],
      [writeAtomic(0, 8, { flags: 0x20 }), [0xcf, 0, 1]],
    ] as const) {
      const result = await a.run(cdb, { dataOut: filled(4096, 1) });
      expect([verdict(result), fixedSense(result).special]).toEqual(['5/24/00', special]);
    }
  });

  test('any block will do where a logical block is a physical one', async () => {
    const { a } = await ready({ blockBytes: 4096, capacityBlocks: 64 });
    expect(verdict(await a.run(writeAtomic(63, 1), { dataOut: filled(4096, 1) }))).toBe('good');
    expect(verdict(await a.run(writeAtomic(63, 2), { dataOut: filled(8192, 1) }))).toBe('5/21/00');
  });

  test('zero blocks write nothing; past the end is past the end', async () => {
    const { a } = await ready({ capacityBlocks: 64 });
    for (const lba of [0, 64]) expect(verdict(await a.run(writeAtomic(lba, 0)))).toBe('good');
    for (const lba of [72, 1n << 63n, -8n]) expect(verdict(await a.run(writeAtomic(lba, 0)))).toBe('5/21/00');
    expect(verdict(await a.run(writeAtomic(56, 16), { dataOut: filled(8192, 1) }))).toBe('5/21/00');
  });

  test('less data than the CDB wants writes nothing at all', async () => {
    const { a } = await ready();
    const short = await a.run(writeAtomic(0, 16), { dataOut: filled(4096, 1) });
    expect([verdict(short), short.transferBytes]).toEqual(['5/0e/03', 8192]);
    expect((await a.run(cdb10(0x28, 0, 8))).dataIn).toEqual(filled(4096, 0));
  });
});

describe('READ DEFECT DATA', () => {
  const of10 = (byte2: number, allocation = 32): number[] => [
    0x37,
    0,
    byte2,
    0,
    0,
    0,
    0,
    ...u16(allocation),
    0,
  ];
  const of12 = (byte1: number, index = 0): number[] => [0xb7, byte1, ...u32(index), ...u32(32), 0, 0];

  test('both lists are valid and empty, in the format that was asked for', async () => {
    const { a } = await ready();
    expect(hexOf((await a.run(of10(0))).dataIn)).toBe('00000000');
    expect(hexOf((await a.run(of10(0x1d))).dataIn)).toBe('001d0000');
    expect(hexOf((await a.run(of10(0x1d, 2))).dataIn)).toBe('001d');
    expect(hexOf((await a.run(of12(0x0b))).dataIn)).toBe('000b000000000000');
    expect(hexOf((await a.run(of12(0x10, 9))).dataIn)).toBe('0010000000000000');
  });

  test('formats that the standard does not have are refused', async () => {
    const { a } = await ready();
    const short = await a.run(of10(6));
    expect([verdict(short), fixedSense(short).special]).toEqual(['5/24/00', [0xca, 0, 2]]);
    const long = await a.run(of12(7));
    expect([verdict(long), fixedSense(long).special]).toEqual(['5/24/00', [0xca, 0, 1]]);
  });
});
