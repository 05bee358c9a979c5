/**
 * Shows that the check reads the counts of shared places, holds them against the tables, and replays records
 * that share. The pools are written byte by byte from FORMAT.md.
 */
import { expect, test } from 'vitest';
import { type CheckReport, checkPool } from '../../../snapshot/check.ts';
import { journalWriter, KEYS, soundPool } from './sound-pool.ts';
import {
  bytesOf,
  checksum,
  groupCounts,
  joined,
  key,
  placeGroup,
  type StoredPool,
  sealed,
  summaryList,
  sumOf,
  tablePage,
} from './stored-pool.ts';

const COUNTS = key('r', [0, 4]);
const SUMMARY = key('R', [0, 4]);
const SHARE = 8;

/** Form 0: runs of first place, places, entries beyond the first. */
function countRuns(page: number, runs: ReadonlyArray<readonly [number, number, number]>): Uint8Array {
  const places = runs.reduce((sum, [, count]) => sum + count, 0);
  return sealed(
    bytesOf([1, 1], [0, 1], [places, 2], [page, 4], [0, 4]),
    ...runs.map(([first, count, beyond]) => bytesOf([first, 2], [count, 2], [beyond, 4])),
  );
}

/** Form 1: a number for each place. */
function everyCount(page: number, beyond: (at: number) => number): Uint8Array {
  const all = Array.from({ length: 512 }, (_, at) => beyond(at));
  const places = all.filter((count) => count > 0).length;
  return sealed(
    bytesOf([1, 1], [1, 1], [places, 2], [page, 4], [0, 4]),
    ...all.map((count) => bytesOf([count, 4])),
  );
}

/** As the sound pool, but block 0 of the live image shares place 2 with that of the snapshot's. */
function sharingPool(): StoredPool {
  const pool = soundPool();
  pool.put(
    KEYS.livePage,
    tablePage(2, 0, [
      [0, 2, sumOf(2)],
      [9, 1, 0],
    ]),
  );
  pool.put(KEYS.group, placeGroup(0, [2, 3]));
  pool.put(KEYS.counts, groupCounts(0, [2]));
  pool.put(COUNTS, countRuns(0, [[2, 1, 1]]));
  pool.put(SUMMARY, summaryList(0, 0, [0]));
  pool.journal = [];
  return pool;
}

async function check(pool: StoredPool): Promise<CheckReport> {
  return checkPool(await pool.open(), { checksum, data: true });
}

test('a pool that shares a place is sound in both forms of the counts', async () => {
  const pool = sharingPool();
  expect(await check(pool)).toMatchObject({ ok: true, errors: [], referencedBlocks: 2, verifiedBlocks: 3 });
  pool.put(
    COUNTS,
    everyCount(0, (at) => (at === 2 ? 1 : 0)),
  );
  expect(await check(pool)).toMatchObject({ ok: true, errors: [] });
});

test('a record may share a place again, and one that takes an entry leaves the rest', async () => {
  const pool = sharingPool();
  const writer = journalWriter();
  pool.journal = [
    joined(
      writer.write([{ kind: SHARE, vlun: 1, block: 300, place: 2, blocks: 2 }], [sumOf(2), sumOf(3)]),
      writer.write([{ kind: 3, vlun: 1, block: 0, blocks: 1 }], []),
    ),
  ];
  // Place 2: blocks 0 of the snapshot and 300; place 3: blocks 9 of the snapshot and 301.
  expect(await check(pool)).toMatchObject({ ok: true, errors: [], referencedBlocks: 2, verifiedBlocks: 4 });
});

const CASES: ReadonlyArray<readonly [what: string, found: RegExp, spoil: (pool: StoredPool) => void]> = [
  [
    'a count that is too large',
    /^I3: place 2 has 2 entries, its count says 3/,
    (pool) => pool.put(COUNTS, countRuns(0, [[2, 1, 2]])),
  ],
  [
    'a count of a place that is not shared',
    /^I3: place 3 has 1 entries, its count says 2/,
    (pool) => pool.put(COUNTS, countRuns(0, [[2, 2, 1]])),
  ],
  [
    'a count of a place without an entry',
    /^I3: place 7 has 0 entries, its count says 2/,
    (pool) =>
      pool.put(
        COUNTS,
        countRuns(0, [
          [2, 1, 1],
          [7, 1, 1],
        ]),
      ),
  ],
  ['no counts', /^I3: place 2 has 2 entries, its count says 1/, (pool) => pool.remove(COUNTS)],
  [
    'counts under the key of another page',
    /^I1: page 0 of the reference counts names another page/,
    (pool) => pool.put(COUNTS, countRuns(5, [[2, 1, 1]])),
  ],
  [
    'runs out of order',
    /^I1: page 0 of the reference counts has runs out of order/,
    (pool) =>
      pool.put(
        COUNTS,
        countRuns(0, [
          [2, 1, 1],
          [2, 1, 1],
        ]),
      ),
  ],
  [
    'no summary',
    /^I6: page 0 of the reference counts is not in their summary/,
    (pool) => pool.remove(SUMMARY),
  ],
  [
    'a summary that names more',
    /^I6: the summary of the reference counts names page 4/,
    (pool) => pool.put(SUMMARY, summaryList(0, 0, [0, 4])),
  ],
  [
    'a record that shares a place without an entry',
    /^I15: record 8 shares place 8, which has no entry/,
    (pool) => {
      pool.journal = [
        journalWriter().write([{ kind: SHARE, vlun: 1, block: 0, place: 8, blocks: 1 }], [sumOf(8)]),
      ];
    },
  ],
];

test.each(CASES)('it finds %s', async (_what, found, spoil) => {
  const pool = sharingPool();
  spoil(pool);
  const report = await check(pool);
  expect(report.ok).toBe(false);
  expect(report.errors.join('\n')).toMatch(new RegExp(found.source, 'm'));
});
