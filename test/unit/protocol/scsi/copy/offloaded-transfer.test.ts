// POPULATE TOKEN, WRITE USING TOKEN and RECEIVE ROD TOKEN INFORMATION (SBC-3 §4.28, §5.7, §5.48, SPC-4
// §6.29): golden bytes, a token as a point in time, whom it serves and how it ends, and what is refused.
import { expect, test } from 'vitest';
import { memoryUnit } from '../../../../../lun/memory-device.ts';
import { ManualTimers } from '../../../../support/manual-timers.ts';
import {
  bench,
  cdb10,
  filled,
  fixedSense,
  hexOf,
  type Initiator,
  ready,
  testServers,
  verdict,
} from '../harness.ts';
import {
  type PopulateOptions,
  populateList,
  populateToken,
  type Range,
  rodTokenInformation,
  tokenIn,
  writeList,
  writeUsingToken,
  ZERO_TOKEN,
} from './odx-lists.ts';

const IMMED = 0x01;
const RTV = 0x02;
const DEL_TKN = 0x02;

const write = (who: Initiator, lba: number, bytes: Uint8Array, lun = 0) =>
  who.run(cdb10(0x2a, lba, bytes.length / 512), { dataOut: bytes, lun });
const read = async (who: Initiator, lba: number, blocks: number, lun = 0) =>
  (await who.run(cdb10(0x28, lba, blocks), { lun })).dataIn;
const populate = (who: Initiator, ranges: readonly Range[], options?: PopulateOptions, id = 1) => {
  const dataOut = populateList(ranges, options);
  return who.run(populateToken(id, dataOut), { dataOut });
};
const information = async (who: Initiator, id = 1, lun = 0): Promise<Uint8Array> =>
  (await who.run(rodTokenInformation(id), { lun })).dataIn ?? new Uint8Array(0);
const use = (
  who: Initiator,
  token: Uint8Array,
  ranges: readonly Range[],
  { lun = 0, id = 2, ...options }: { flags?: number; offset?: number; lun?: number; id?: number } = {},
) => {
  const dataOut = writeList(token, ranges, options);
  return who.run(writeUsingToken(id, dataOut), { dataOut, lun });
};
/** A token of these ranges. */
async function tokenOf(who: Initiator, ranges: readonly Range[], options?: PopulateOptions) {
  expect(verdict(await populate(who, ranges, options))).toBe('good');
  return tokenIn(await information(who));
}

test('a token in every byte, and what is told of both operations', async () => {
  const { a } = await ready();
  await write(a, 16, filled(8 * 512, 0x5a));
  const list = Uint8Array.from(
    Buffer.from(`001e000000000000${'00'.repeat(6)}0010${'00'.repeat(7)}100000000800000000`, 'hex'),
  );
  expect(populateList([[16, 8]])).toEqual(list);
  expect(verdict(await a.run(populateToken(0x01020304, list), { dataOut: list }))).toBe('good');
  const told = await information(a, 0x01020304);
  const head = `00000222${'10'}${'01'}0000fffffffe000000f1${'0000000000000008'}${'00'.repeat(8)}00000202`;
  expect(hexOf(told.subarray(0, 36))).toBe(head);
  const naa = '60014050010203040506070809' + '0a0b0c';
  expect(hexOf(told.subarray(36))).toBe(
    '0000' +
      '00800000000001f80000000000000001' +
      `e400000001030010${naa}00000000` +
      '00000200' +
      `${'00'.repeat(8)}0000000000001000` +
      '00'.repeat(32) +
      `00000200${'00'.repeat(28)}` +
      '00'.repeat(352) +
      '01'.repeat(32),
  );
  expect(
    verdict(
      await use(a, tokenIn(told), [
        [100, 3],
        [200, 5],
      ]),
    ),
  ).toBe('good');
  expect(hexOf(await information(a, 2))).toBe(
    `00000020${'11'}${'01'}0000fffffffe000000f1${'0000000000000008'}${'00'.repeat(8)}00000000`,
  );
  expect(await read(a, 100, 3)).toEqual(filled(3 * 512, 0x5a));
  expect(await read(a, 200, 5)).toEqual(filled(5 * 512, 0x5a));
  expect(await read(a, 205, 1)).toEqual(filled(512, 0));
  expect(hexOf((await a.run(rodTokenInformation(2, 4))).dataIn)).toBe('00000020');
});

test('a token is a point in time, of several ranges one behind the other', async () => {
  const { a } = await ready();
  for (let lba = 0; lba < 8; lba += 1) await write(a, lba, filled(512, lba + 1));
  const token = await tokenOf(a, [
    [6, 2],
    [0, 3],
  ]);
  await write(a, 0, filled(8 * 512, 0xff));
  expect(
    verdict(
      await use(
        a,
        token,
        [
          [50, 1],
          [60, 3],
        ],
        { offset: 1 },
      ),
    ),
  ).toBe('good');
  expect((await read(a, 50, 1))?.[0]).toBe(8);
  const rest = (await read(a, 60, 3)) ?? new Uint8Array(0);
  expect([rest[0], rest[512], rest[1024]]).toEqual([1, 2, 3]);
});

test('another nexus, another unit and another target may use it; bytes that nobody was given not', async () => {
  const servers = testServers();
  const first = await ready({}, { servers });
  const second = bench({}, { servers });
  const other = memoryUnit({
    identity: { naa: new Uint8Array(16).fill(0x66), serial: 'OTHER', name: 'other' },
  });
  second.units.units.set(1, other);
  second.units.changed();
  const b = await second.initiator('b').settle(1);
  await write(first.a, 0, filled(512, 7));
  const token = await tokenOf(first.a, [[0, 1]]);
  expect(verdict(await use(b, token, [[9, 1]], { lun: 1 }))).toBe('good');
  expect(await read(b, 9, 1, 1)).toEqual(filled(512, 7));
  const changed = (at: number, byte: number) => token.map((before, i) => (i === at ? byte : before));
  for (const [bad, words] of [
    [changed(511, 0), '5/23/05'],
    [changed(15, 9), '5/23/04'],
    [changed(7, 0), '5/23/0a'],
    [changed(1, 0x81), '5/23/01'],
  ] as const)
    expect(verdict(await use(b, bad, [[9, 1]], { lun: 1 }))).toBe(words);
});

test('a token ends unused for so long, by DEL_TKN, and when there are too many', async () => {
  const timers = new ManualTimers(0);
  const { a, unit } = await ready({}, { servers: testServers(timers) });
  await write(a, 0, filled(512, 7));
  const token = await tokenOf(a, [[0, 1]], { timeout: 10 });
  await timers.advance(9_000);
  expect(verdict(await use(a, token, [[9, 1]]))).toBe('good');
  await timers.advance(9_000);
  expect([verdict(await use(a, token, [[9, 1]])), unit.device.frozen]).toEqual(['good', 1]);
  await timers.advance(10_000);
  expect([verdict(await use(a, token, [[9, 1]])), unit.device.frozen]).toEqual(['5/23/04', 0]);
  const short = await tokenOf(a, [[0, 1]]);
  expect(verdict(await use(a, short, [[9, 1]], { flags: DEL_TKN }))).toBe('good');
  expect([verdict(await use(a, short, [[9, 1]])), unit.device.frozen]).toEqual(['5/23/04', 0]);
  const oldest = await tokenOf(a, [[0, 1]]);
  const younger = await tokenOf(a, [[0, 1]]);
  for (let i = 0; i < 255; i += 1) await populate(a, [[0, 1]]);
  expect(unit.device.frozen).toBe(256);
  expect(verdict(await use(a, oldest, [[9, 1]]))).toBe('5/23/04');
  expect(verdict(await use(a, younger, [[9, 1]]))).toBe('good');
});

test('the zero token gives blocks back', async () => {
  const { a } = await ready();
  await write(a, 0, filled(8 * 512, 7));
  expect(verdict(await use(a, ZERO_TOKEN, [[2, 4]]))).toBe('good');
  expect(await read(a, 2, 4)).toEqual(filled(4 * 512, 0));
  expect(await read(a, 6, 1)).toEqual(filled(512, 7));
});

test('with IMMED the answer comes first, and the end is told with its sense', async () => {
  const { a, unit } = await ready();
  const { freeze } = unit.device;
  let go = (): void => undefined;
  unit.device.freeze = async (ranges) => {
    await new Promise<void>((resume) => {
      go = resume;
    });
    return freeze.call(unit.device, ranges);
  };
  expect(verdict(await populate(a, [[0, 8]], { flags: IMMED }))).toBe('good');
  expect(hexOf((await information(a)).subarray(4, 12))).toBe('1012000000000064');
  expect(verdict(await populate(a, [[0, 8]]))).toBe('5/00/16');
  go();
  await new Promise((resolve) => setImmediate(resolve));
  expect(hexOf((await information(a)).subarray(4, 6))).toBe('1001');
  unit.device.freeze = freeze;
  unit.device.nextFault = { code: 'CORRUPT', lba: 5 };
  const failure = await populate(a, [[0, 8]], {}, 3);
  expect(verdict(failure)).toBe('3/11/00');
  const told = await information(a, 3);
  expect(hexOf(told.subarray(0, 16))).toBe('00000034' + '1002' + '0000' + 'fffffffe' + '02' + '1412f1');
  expect(told.subarray(32, 50)).toEqual(failure.sense);
});

test('what a list may not say is refused in place', async () => {
  const { a } = await ready();
  const cases: [list: Uint8Array, words: string, special?: number[]][] = [
    [populateList([[0, 1]]).subarray(0, 15), '5/1a/00'],
    [populateList([[0, 1]]).subarray(0, 31), '5/1a/00'],
    [populateList([]), '5/26/00', [0x80, 0, 14]],
    [populateList([[0, 0]]), '5/26/00', [0x80, 0, 16]],
    [populateList([[0, 1]], { timeout: 601 }), '5/26/00', [0x80, 0, 4]],
    [populateList([[0, 1]], { flags: RTV, type: 0x00010000 }), '5/26/00', [0x80, 0, 8]],
    [populateList([[131072, 1]]), '5/21/00'],
    [populateList(new Array(129).fill([0, 1])), '5/26/08'],
    [populateList(new Array(128).fill([0, 131072])), 'good'],
  ];
  for (const [dataOut, words, special] of cases) {
    const result = await a.run(populateToken(9, dataOut), { dataOut });
    expect(verdict(result)).toBe(words);
    if (special !== undefined) expect(fixedSense(result).special).toEqual(special);
  }
  expect(verdict(await populate(a, [[0, 1]], { flags: RTV, type: 0x00800000 }))).toBe('good');
  const token = tokenIn(await information(a));
  expect(verdict(await use(a, token, [[0, 2]]))).toBe('5/26/00');
  expect(verdict(await use(a, token, [[0, 1]], { offset: 1 }))).toBe('5/26/00');
  expect(verdict(await use(a, token, [[131072, 1]]))).toBe('5/21/00');
  expect(verdict(await a.run(rodTokenInformation(77)))).toBe('5/24/00');
  expect(verdict(await a.run(populateToken(1, new Uint8Array(0))))).toBe('good');
});

test('a write-protected unit makes tokens and takes none', async () => {
  const { a, unit } = await ready();
  unit.readOnly = true;
  const token = await tokenOf(a, [[0, 1]]);
  expect(verdict(await use(a, token, [[9, 1]]))).toBe('7/27/00');
});
