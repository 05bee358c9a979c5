// Small primary commands: self-tests and their results, the timestamp, identifying information and the echo
// buffer. Expected bytes follow the tables of SPC-4 that each command cites.
import { describe, expect, test } from 'vitest';
import { MemoryState } from '../../../../../lun/memory-device.ts';
import { filled, fixedSense, hexOf, type Initiator, ready, u16, u32, verdict } from '../harness.ts';

const HOUR_MS = 3_600_000;

describe('SEND DIAGNOSTIC', () => {
  const results = async (a: Initiator): Promise<string> =>
    hexOf((await a.run([0x4d, 0, 0x50, 0, 0, 0, 0, 4, 0, 0])).dataIn);
  const NO_LBA = 'f'.repeat(16);

  test('self-tests read both ends of the unit and leave their result in log page 10h', async () => {
    let nowMs = 1_000_000;
    const { a, unit } = await ready({}, { nowMs: () => nowMs });
    expect((await results(a)).slice(0, 48)).toBe(`50000190${'00010310'}${'0'.repeat(32)}`);
    nowMs += 3 * HOUR_MS;
    expect(verdict(await a.run([0x1d, 0x04]))).toBe('good');
    unit.device.nextFault = { code: 'CORRUPT', lba: 77 };
    expect(verdict(await a.run([0x1d, 0xa0]))).toBe('4/3e/03');
    expect(verdict(await a.run([0x1d, 0x20]))).toBe('good');
    await new Promise((resolve) => setImmediate(resolve));
    expect((await results(a)).slice(8, 8 + 3 * 40)).toBe(
      `00010310${`20000003${NO_LBA}00000000`}` +
        `00020310${'a7000003000000000000004d03110000'}` +
        `00030310${`00000003${NO_LBA}00000000`}`,
    );
  });

  test('a unit that is cut shorter while it is tested is read where it ends by then', async () => {
    const { a, unit } = await ready({ capacityBlocks: 8192 });
    const { read } = unit.device;
    const seen: [number, number][] = [];
    unit.device.read = async ({ lba, blocks }, into) => {
      seen.push([lba, blocks]);
      await Promise.resolve();
      unit.device.geometry = { blockBytes: 512, capacityBlocks: 3000 };
      return read.call(unit.device, { lba, blocks }, into);
    };
    expect(verdict(await a.run([0x1d, 0x04]))).toBe('good');
    expect(seen).toEqual([
      [0, 2048],
      [952, 2048],
    ]);
  });

  test('twenty results are kept', async () => {
    const { a } = await ready();
    for (let i = 0; i < 25; i += 1) await a.run([0x1d, 0xa0]);
    expect(await results(a)).toHaveLength(2 * (4 + 20 * 20));
  });

  test('what is not there is refused: extended tests, aborting none, parameters of a test', async () => {
    const { a } = await ready();
    const cases: [number[], number[]][] = [
      [
        [0x1d, 0x40],
        [0xcf, 0, 1],
      ],
      [
        [0x1d, 0x80],
        [0xcf, 0, 1],
      ],
      [
        [0x1d, 0x24],
        [0xcf, 0, 1],
      ],
      [
        [0x1d, 0x04, 0, 0, 4],
        [0xc0, 0, 3],
      ],
      [
        [0x1d, 0x00, 0, 0, 4],
        [0xcc, 0, 1],
      ],
    ];
    for (const [cdb, special] of cases) {
      const result = await a.run(cdb, { dataOut: filled(4, 0) });
      expect([verdict(result), fixedSense(result).special]).toEqual(['5/24/00', special]);
    }
  });

  test('page 00h asks for the list of pages, and RECEIVE DIAGNOSTIC RESULTS gives it', async () => {
    const { a } = await ready();
    expect(verdict(await a.run([0x1d, 0x10, 0, 0, 4], { dataOut: filled(4, 0) }))).toBe('good');
    expect(hexOf((await a.run([0x1c, 0, 0, 0, 64])).dataIn)).toBe('0000000100');
    expect(hexOf((await a.run([0x1c, 1, 0, 0, 64])).dataIn)).toBe('0000000100');
    expect(verdict(await a.run([0x1c, 1, 0x40, 0, 64]))).toBe('5/24/00');
    expect(verdict(await a.run([0x1d, 0x10, 0, 0, 4], { dataOut: filled(4, 0x40) }))).toBe('5/26/00');
    expect(verdict(await a.run([0x1d, 0x10, 0, 0, 3], { dataOut: filled(3, 0) }))).toBe('5/1a/00');
  });
});

describe('timestamps', () => {
  const report = async (a: Initiator): Promise<string> =>
    hexOf((await a.run([0xa3, 0x0f, 0, 0, 0, 0, ...u32(64), 0, 0])).dataIn);
  const set = (bytes: number): number[] => [0xa4, 0x0f, 0, 0, 0, 0, ...u32(bytes), 0, 0];

  test('begin as the clock of the host and go on from what is set', async () => {
    let nowMs = 0x123456789a;
    const { a, initiator } = await ready({}, { nowMs: () => nowMs });
    const b = await initiator('b').settle();
    expect(await report(a)).toBe(`000a0300${'00123456789a'}0000`);
    const list = Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0);
    expect(verdict(await a.run(set(12), { dataOut: list }))).toBe('good');
    nowMs += 5;
    expect(await report(a)).toBe(`000a0200${'000100000005'}0000`);
    expect(verdict(await b.run([0, 0]))).toBe('6/2a/10');
    expect(verdict(await a.run(set(11), { dataOut: list }))).toBe('5/1a/00');
  });
});

describe('identifying information', () => {
  const report = async (a: Initiator, type: number): Promise<string> =>
    hexOf((await a.run([0xa3, 0x05, 0, 0, 0, 0, ...u32(512), type << 1, 0])).dataIn);
  const set = (a: Initiator, type: number, value: Uint8Array): ReturnType<Initiator['run']> =>
    a.run([0xa4, 0x06, 0, 0, 0, 0, ...u32(value.length), type << 1, 0], { dataOut: value });
  const TEXT = Buffer.from('disk of Ann\0');

  test('survives a restart, each type by itself', async () => {
    const state = new MemoryState();
    const { a, initiator } = await ready({ state });
    const b = await initiator('b').settle();
    expect(await report(a, 0)).toBe('00000000');
    expect(await report(a, 0x7f)).toBe(`00000008${'00000040'}04000100`);
    expect(verdict(await set(a, 0, Uint8Array.of(1, 2, 3)))).toBe('good');
    expect(verdict(await set(a, 2, TEXT))).toBe('good');
    expect(verdict(await b.run([0, 0]))).toBe('6/3f/05');
    const again = await ready({ state });
    expect(await report(again.a, 0)).toBe('00000003010203');
    expect(await report(again.a, 2)).toBe(`0000000c${hexOf(TEXT)}`);
    expect(verdict(await set(again.a, 2, new Uint8Array(0)))).toBe('good');
    expect(await report(again.a, 2)).toBe('00000000');
  });

  test('what is too long, of no type, or no text is refused', async () => {
    const { a } = await ready();
    const long = await set(a, 0, filled(65, 1));
    expect([verdict(long), fixedSense(long).special]).toEqual(['5/24/00', [0xc0, 0, 6]]);
    const type = await set(a, 1, filled(1, 1));
    expect([verdict(type), fixedSense(type).special]).toEqual(['5/24/00', [0xcf, 0, 10]]);
    expect(verdict(await set(a, 2, Buffer.from('no end')))).toBe('5/26/00');
    expect(verdict(await a.run([0xa3, 0x05, 0, 0, 0, 0, ...u32(512), 3 << 1, 0]))).toBe('5/24/00');
  });
});

describe('the echo buffer', () => {
  const write = (a: Initiator, data: Uint8Array, mode = 0x0a): ReturnType<Initiator['run']> =>
    a.run([0x3b, mode, 0, 0, 0, 0, 0, ...u16(data.length), 0], { dataOut: data });
  const read = (a: Initiator, mode = 0x0a): ReturnType<Initiator['run']> =>
    a.run([0x3c, mode, 0, 0, 0, 0, 0, 0x20, 0, 0]);

  test('gives a nexus what it wrote, and nobody else', async () => {
    const { a, initiator } = await ready();
    const b = await initiator('b').settle();
    expect(verdict(await read(a))).toBe('5/2c/00');
    expect(verdict(await write(a, filled(4096, 0x3c)))).toBe('good');
    expect((await read(a)).dataIn).toEqual(filled(4096, 0x3c));
    expect(verdict(await read(b))).toBe('5/2c/00');
    expect(hexOf((await read(a, 0x0b)).dataIn)).toBe('00001000');
  });

  test('other modes and longer data are refused', async () => {
    const { a } = await ready();
    const long = await write(a, filled(4097, 1));
    expect([verdict(long), fixedSense(long).special]).toEqual(['5/24/00', [0xc0, 0, 6]]);
    for (const mode of [0, 2, 5, 0x0b, 0x1c])
      expect(verdict(await write(a, filled(4, 1), mode))).toBe('5/24/00');
    for (const mode of [0, 2, 3, 0x1c]) expect(verdict(await read(a, mode))).toBe('5/24/00');
  });
});
