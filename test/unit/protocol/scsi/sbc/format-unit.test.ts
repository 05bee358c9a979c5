// FORMAT UNIT (SBC-3 §5.4): what is left of the data, what others are answered meanwhile, and what a
// parameter list may ask for.
import { describe, expect, test } from 'vitest';
import { StoreError } from '../../../../../lun/errors.ts';
import { cdb10, filled, fixedSense, hexOf, ready, verdict } from '../harness.ts';
import { stepping } from './stepping.ts';

const TUR = [0, 0];
const FORMAT = [0x04, 0, 0, 0, 0, 0];
const WITH_LIST = [0x04, 0x10, 0, 0, 0, 0];
const WITH_LONG_LIST = [0x04, 0x30, 0, 0, 0, 0];
const REQUEST_SENSE = [0x03, 0, 0, 0, 18, 0];
const IMMEDIATE = Uint8Array.of(0, 0x02, 0, 0);
/** Three steps of the format: blocks of the unit. */
const BLOCKS = 2 * 1024 * 1024 + 5;

describe('FORMAT UNIT', () => {
  test('leaves zeroes and nothing stored, from the first block to the last', async () => {
    const { a, unit } = await ready({ capacityBlocks: BLOCKS });
    for (const lba of [0, 1024 * 1024, BLOCKS - 1])
      expect(verdict(await a.run(cdb10(0x2a, lba, 1), { dataOut: filled(512, 7) }))).toBe('good');
    expect(verdict(await a.run(FORMAT))).toBe('good');
    for (const lba of [0, 1024 * 1024, BLOCKS - 1])
      expect((await a.run(cdb10(0x28, lba, 1))).dataIn).toEqual(filled(512, 0));
    const status = await a.run([0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0]);
    expect(hexOf(status.dataIn)).toBe(`0000001400000000${'00'.repeat(8)}0020000501000000`);
    expect(unit.device.flushes).toBe(1);
  });

  test('everyone is answered FORMAT IN PROGRESS meanwhile, with how far it is', async () => {
    const { a, initiator, step } = await stepping(BLOCKS);
    const b = await initiator('b').settle();
    const formatting = a.run(FORMAT);
    const seen: unknown[] = [];
    for (let i = 0; i < 3; i += 1) {
      const result = await b.run(TUR);
      const sense = (await b.run(REQUEST_SENSE)).dataIn ?? new Uint8Array(18);
      seen.push([verdict(result), ...fixedSense(result).special, sense[2], ...sense.subarray(15, 18)]);
      expect(verdict(await b.run(cdb10(0x28, 0, 1)))).toBe('2/04/04');
      expect(verdict(await b.run([0x12, 0, 0, 0, 96, 0]))).toBe('good');
      await step();
    }
    const half = Math.floor((1024 * 1024 * 65536) / BLOCKS);
    expect(seen).toEqual(
      [0, half, 2 * half + 1].map((part) => {
        const progress = [0x80, part >> 8, part & 0xff];
        return ['2/04/04', ...progress, 2, ...progress];
      }),
    );
    expect(verdict(await formatting)).toBe('good');
    expect(verdict(await b.run(TUR))).toBe('good');
  });

  test('with IMMED the answer comes first, and a failure is told to who asked', async () => {
    const { a, initiator, unit, step } = await stepping(BLOCKS);
    const b = await initiator('b').settle();
    expect(verdict(await a.run(WITH_LIST, { dataOut: IMMEDIATE }))).toBe('good');
    expect(verdict(await a.run(TUR))).toBe('2/04/04');
    for (let i = 0; i < 3; i += 1) await step();
    expect([verdict(await a.run(TUR)), verdict(await b.run(TUR))]).toEqual(['good', 'good']);
    unit.device.unmap = () => Promise.reject(new StoreError('IO', 'the medium fails'));
    expect(verdict(await a.run(WITH_LIST, { dataOut: IMMEDIATE }))).toBe('good');
    await step();
    expect([verdict(await b.run(TUR)), verdict(await a.run(TUR)), verdict(await a.run(TUR))]).toEqual([
      ...['good', '3/31/01', 'good'],
    ]);
    expect(verdict(await a.run(FORMAT))).toBe('3/0c/00');
  });

  test('a unit that is made smaller meanwhile is formatted to where it ends by then', async () => {
    const { a, unit, step } = await stepping(BLOCKS);
    const formatting = a.run(FORMAT);
    unit.device.geometry = { blockBytes: 512, capacityBlocks: 1000 };
    unit.device.unmap = () => expect.fail('there is nothing behind the end');
    await step();
    expect(verdict(await formatting)).toBe('good');
  });

  test.each<[string, readonly number[], readonly number[], string]>([
    ['a list that is cut short', WITH_LIST, [0, 0, 0], '5/1a/00'],
    ['a long list that is cut short', WITH_LONG_LIST, [0, 0, 0, 0], '5/1a/00'],
    ['protection information in the CDB', [0x04, 0x90, 0, 0, 0, 0], [0, 0, 0, 0], '5/24/00'],
    ['a long list without a list', [0x04, 0x20, 0, 0, 0, 0], [], '5/24/00'],
    ['protection information in the list', WITH_LIST, [1, 0, 0, 0], '5/26/00'],
    ['options without FOV', WITH_LIST, [0, 0x40, 0, 0], '5/26/00'],
    ['an initialization pattern', WITH_LIST, [0, 0x88, 0, 0], '5/26/00'],
    ['a list of defects', WITH_LIST, [0, 0, 0, 4], '5/26/00'],
    ['a long list of defects', WITH_LONG_LIST, [0, 0, 0, 0, 0, 0, 0, 8], '5/26/00'],
    ['a protection interval', WITH_LONG_LIST, [0, 0, 0, 1, 0, 0, 0, 0], '5/26/00'],
    ['no certification, asked for with FOV', WITH_LIST, [0, 0xa0, 0, 0], 'good'],
    ['an empty long list', WITH_LONG_LIST, [0, 0, 0, 0, 0, 0, 0, 0], 'good'],
  ])('%s', async (_, cdb, list, expected) => {
    const { a } = await ready();
    await a.run(cdb10(0x2a, 0, 1), { dataOut: filled(512, 7) });
    expect(verdict(await a.run(cdb, { dataOut: Uint8Array.from(list) }))).toBe(expected);
    const kept = (await a.run(cdb10(0x28, 0, 1))).dataIn?.[0];
    expect(kept).toBe(expected === 'good' ? 0 : 7);
  });
});
