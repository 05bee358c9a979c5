// SANITIZE (SBC-3 §4.11, §5.24): what is left of the data, what others are answered meanwhile and after a
// failure, what lives through resets and restarts, and what a parameter list may ask for.
import { describe, expect, test } from 'vitest';
import { StoreError } from '../../../../../lun/errors.ts';
import { MemoryState } from '../../../../../lun/memory-device.ts';
import {
  bench,
  cdb10,
  filled,
  fixedSense,
  hexOf,
  type Initiator,
  ready,
  task,
  u16,
  verdict,
} from '../harness.ts';
import { stepping } from './stepping.ts';

const IMMED = 0x80;
const AUSE = 0x20;
const TUR = [0, 0];
const REQUEST_SENSE = [0x03, 0, 0, 0, 18, 0];
const erase = (flags = 0): number[] => [0x48, 0x02 | flags, 0, 0, 0, 0, 0, 0, 0, 0];
const exitFailure = [0x48, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0];
const read = (a: Initiator, lba: number) => a.run(cdb10(0x28, lba, 1));
const write = (a: Initiator, lba: number, byte: number) =>
  a.run(cdb10(0x2a, lba, 1), { dataOut: filled(512, byte) });

const overwrite = (a: Initiator, list: readonly number[], { flags = 0, length = list.length } = {}) =>
  a.run([0x48, 0x01 | flags, 0, 0, 0, 0, 0, ...u16(length), 0], { dataOut: Uint8Array.from(list) });

const BLOCKS = 2 * 1024 * 1024 + 5;

describe('what it does', () => {
  test('BLOCK ERASE leaves zeroes and nothing stored, and B1h says that reads go on (WABEREQ 01b)', async () => {
    const { a, unit } = await ready({ capacityBlocks: BLOCKS });
    for (const lba of [0, 1024 * 1024, BLOCKS - 1]) expect(verdict(await write(a, lba, 7))).toBe('good');
    expect(verdict(await a.run(erase()))).toBe('good');
    for (const lba of [0, 1024 * 1024, BLOCKS - 1])
      expect((await read(a, lba)).dataIn).toEqual(filled(512, 0));
    const status = await a.run([0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0]);
    expect(hexOf(status.dataIn)).toBe(`0000001400000000${'00'.repeat(8)}0020000501000000`);
    expect(unit.device.flushes).toBe(1);
    expect((await a.run([0x12, 1, 0xb1, 0, 64, 0])).dataIn?.[7]).toBe(0x40);
  });

  test('OVERWRITE leaves its pattern in every block, inverted where the last pass is', async () => {
    const { a } = await ready({ capacityBlocks: 100_000 });
    await write(a, 5, 7);
    const pattern = [0xa5, 0x0f, 0x01];
    const repeated = (bytes: readonly number[]) =>
      Uint8Array.from({ length: 512 }, (_, at) => bytes[at % bytes.length] as number);
    const last = async (): Promise<void> => {
      for (const lba of [0, 5, 32_768, 99_999])
        expect((await read(a, lba)).dataIn).toEqual(repeated(pattern));
    };
    expect(verdict(await overwrite(a, [0x01, 0, 0, 3, ...pattern]))).toBe('good');
    await last();
    const inverse = pattern.map((byte) => ~byte & 0xff);
    expect(verdict(await overwrite(a, [0x82, 0, 0, 3, ...inverse]))).toBe('good');
    await last();
    expect(verdict(await overwrite(a, [0x81, 0, 0, 1, 0]))).toBe('good');
    expect((await read(a, 5)).dataIn).toEqual(filled(512, 0));
  });

  test('what a list and a CDB may not say is refused in place', async () => {
    const { a } = await ready();
    await write(a, 0, 7);
    const cases: [list: number[], words: string, special: number[]][] = [
      [[], '5/24/00', [0xc0, 0, 7]],
      [[1, 0, 0, 0], '5/24/00', [0xc0, 0, 7]],
      [[1, 0, 2, 1, ...new Array<number>(513).fill(9)], '5/24/00', [0xc0, 0, 7]],
      [[0x20 | 1, 0, 0, 1, 9], '5/26/00', [0x8e, 0, 0]],
      [[0, 0, 0, 1, 9], '5/26/00', [0x8c, 0, 0]],
      [[1, 1, 0, 1, 9], '5/26/00', [0x80, 0, 1]],
      [[1, 0, 0, 0, 9], '5/26/00', [0x80, 0, 2]],
      [[1, 0, 0, 2, 9], '5/26/00', [0x80, 0, 2]],
    ];
    for (const [list, words, special] of cases) {
      const result = await overwrite(a, list);
      expect([verdict(result), fixedSense(result).special], list.slice(0, 5).join()).toEqual([
        words,
        special,
      ]);
    }
    for (const action of [0x02, 0x1f]) {
      const result = await a.run([0x48, action, 0, 0, 0, 0, 0, 0, 8, 0], { dataOut: filled(8, 0) });
      expect([verdict(result), fixedSense(result).special]).toEqual(['5/24/00', [0xcf, 0, 7]]);
    }
    // CRYPTOGRAPHIC ERASE: nothing is encrypted.
    expect(verdict(await a.run([0x48, 0x03, 0, 0, 0, 0, 0, 0, 0, 0]))).toBe('5/24/00');
    expect((await read(a, 0)).dataIn).toEqual(filled(512, 7));
  });
});

describe('while it runs', () => {
  test('everyone is answered SANITIZE IN PROGRESS, with how far it is; few commands run', async () => {
    const { a, initiator, step } = await stepping(BLOCKS);
    const b = await initiator('b').settle();
    const erasing = a.run(erase());
    await step();
    const busy = async () => {
      const result = await b.run(TUR);
      const sense = (await b.run(REQUEST_SENSE)).dataIn ?? new Uint8Array(18);
      return [verdict(result), ...fixedSense(result).special, sense[2], ...sense.subarray(12, 18)];
    };
    expect(await busy()).toEqual(['2/04/1b', 0x80, 0, 0, 2, 4, 0x1b, 0, 0x80, 0, 0]);
    await step();
    const half = Math.floor((1024 * 1024 * 0.9 * 65536) / BLOCKS);
    expect((await busy()).slice(-2)).toEqual([half >> 8, half & 0xff]);
    for (const cdb of [
      [0x1b, 0, 0, 0, 1, 0],
      cdb10(0x28, 0, 1),
      [0x1a, 0, 0x3f, 0, 255, 0],
      [0x25, 0],
      erase(),
      exitFailure,
    ])
      expect(verdict(await b.run(cdb)), hexOf(Uint8Array.from(cdb))).toBe('2/04/1b');
    for (const cdb of [
      [0x12, 0, 0, 0, 96, 0],
      [0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0],
      [0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0],
      [0x4d, 0, 0x40, 0, 0, 0, 0, 0, 64, 0],
    ])
      expect(verdict(await b.run(cdb)), hexOf(Uint8Array.from(cdb))).toBe('good');
    for (let i = 0; i < 3; i += 1) await step();
    expect(verdict(await erasing)).toBe('good');
    expect(verdict(await b.run(TUR))).toBe('good');
  });

  test('with IMMED the answer comes first; a reset and the loss of its nexus do not end it', async () => {
    const { a, target, initiator, step } = await stepping(BLOCKS);
    expect(verdict(await a.run(erase(IMMED)))).toBe('good');
    target.resetTarget(undefined);
    a.nexus.close();
    const b = await initiator('b').settle();
    expect(verdict(await b.run(TUR))).toBe('2/04/1b');
    for (let i = 0; i < 4; i += 1) await step();
    expect(verdict(await b.run(TUR))).toBe('good');
  });

  test('a restart goes on with it, in the same words', async () => {
    const state = new MemoryState();
    const first = await ready({ capacityBlocks: 100_000, state });
    first.unit.device.unmap = () => new Promise<never>(() => undefined);
    expect(verdict(await overwrite(first.a, [1, 0, 0, 1, 0x3c], { flags: IMMED }))).toBe('good');
    const b = bench({ capacityBlocks: 100_000, state }).initiator('b');
    const said: string[] = [];
    for (let i = 0; i < 2; i += 1) b.nexus.execute(task(TUR), (result) => said.push(verdict(result)));
    expect(said).toEqual(['6/29/00', '2/04/1b']);
    while (verdict(await b.run(TUR)) !== 'good') await new Promise((resolve) => setImmediate(resolve));
    expect((await read(b, 99_999)).dataIn).toEqual(filled(512, 0x3c));
    expect(state.values.size).toBe(0);
  });
});

describe('after a failure', () => {
  async function failed(flags: number) {
    const state = new MemoryState();
    const made = await ready({ state });
    const { unmap } = made.unit.device;
    made.unit.device.unmap = () => Promise.reject(new StoreError('IO', 'the medium fails'));
    expect(verdict(await made.a.run(erase(flags)))).toBe('3/31/03');
    made.unit.device.unmap = unmap;
    return { ...made, state };
  }

  test('nothing runs but another SANITIZE, also after a restart', async () => {
    const { a, state } = await failed(0);
    expect([verdict(await a.run(TUR)), verdict(await read(a, 0))]).toEqual(['3/31/03', '3/31/03']);
    expect(verdict(await a.run([0x12, 0, 0, 0, 96, 0]))).toBe('good');
    expect(verdict(await a.run(exitFailure))).toBe('5/24/00');
    expect(verdict(await a.run(erase(AUSE)))).toBe('5/24/00');
    const b = (await ready({ state })).initiator('b');
    await b.run(TUR);
    expect(verdict(await b.run(TUR))).toBe('3/31/03');
    expect(verdict(await b.run(erase()))).toBe('good');
    expect(verdict(await b.run(TUR))).toBe('good');
  });

  test('that was allowed to be left, EXIT FAILURE MODE leaves it; without one it does nothing', async () => {
    const { a } = await failed(AUSE);
    expect(verdict(await a.run(TUR))).toBe('3/31/03');
    expect(verdict(await a.run(exitFailure))).toBe('good');
    expect([verdict(await a.run(TUR)), verdict(await read(a, 0))]).toEqual(['good', 'good']);
    expect(verdict(await a.run(exitFailure))).toBe('good');
  });

  test('a store that was closed is no failure: the next life goes on', async () => {
    const state = new MemoryState();
    const { a, unit } = await ready({ state });
    unit.device.unmap = () => Promise.reject(new StoreError('CLOSED', 'the server stops'));
    await a.run(erase(IMMED));
    const b = (await ready({ state })).initiator('b');
    await b.run(TUR);
    expect(verdict(await b.run(TUR))).toBe('good');
  });
});
