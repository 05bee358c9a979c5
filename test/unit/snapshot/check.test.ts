/**
 * Shows that the check finds nothing in a sound pool and names the broken invariant in every other. The pools
 * are written byte by byte from FORMAT.md; each case breaks one thing.
 */
import { expect, test } from 'vitest';
import { type CheckReport, checkPool } from '../../../snapshot/check.ts';
import { IMAGE, journalWriter, KEYS, LIVE, SNAPSHOT, STATE, soundPool, VLUN } from './sound-pool.ts';
import {
  blockOf,
  checksum,
  groupCounts,
  json,
  key,
  placeGroup,
  type StoredPool,
  stats,
  summaryList,
  sumOf,
  tablePage,
} from './stored-pool.ts';

async function check(pool: StoredPool): Promise<CheckReport> {
  return checkPool(await pool.open(), { checksum, data: true });
}

test('a sound pool is clean, and the report counts what it has', async () => {
  const report = await check(soundPool());
  expect(report.errors).toEqual([]);
  expect(report).toMatchObject({ ok: true, sequence: 11, records: 4, vluns: 1, snapshots: 1, images: 2 });
  // Places 2, 3, 5 and 6: place 4 lost its entry to the last record.
  expect(report).toMatchObject({ referencedBlocks: 4, verifiedBlocks: 4 });
});

/** What is wrong, and the errors that must be found, beginning with the number of the invariant. */
const CASES: ReadonlyArray<readonly [what: string, found: RegExp, spoil: (pool: StoredPool) => void]> = [
  [
    'a table page with a flipped bit',
    /^I1: table page 0 of image 1 has a wrong checksum/,
    (pool) => flip(pool, KEYS.imagePage, 60),
  ],
  [
    'a summary with a flipped bit',
    /^I1: summary chunk 0 of image 1/,
    (pool) => flip(pool, KEYS.imageSummary, 16),
  ],
  ['counters with a flipped bit', /^I1: the counters of image 1/, (pool) => flip(pool, KEYS.imageStats, 20)],
  ['a bitmap with a flipped bit', /^I1: the bitmap of group 0/, (pool) => flip(pool, KEYS.group, 600)],
  ['counts with a flipped bit', /^I1: chunk 0 of the counts/, (pool) => flip(pool, KEYS.counts, 90)],
  [
    'a catalogue object with a flipped bit',
    /^I1: catalogue object 1 of kind 1/,
    (pool) => flip(pool, KEYS.vlun, 30),
  ],
  ['a state with a flipped bit', /^I1: the state/, (pool) => flip(pool, KEYS.state, 12)],
  ['no state', /^I1: the state of the checkpoint is missing/, (pool) => pool.remove(KEYS.state)],
  [
    'a newer format',
    /^I1: the pool has format 4/,
    (pool) => pool.put(KEYS.state, json({ ...STATE, format: 4 })),
  ],
  [
    'a table page under the key of another',
    /^I1: .* names another page/,
    (pool) =>
      pool.put(
        KEYS.livePage,
        tablePage(2, 5, [
          [0, 4, sumOf(4)],
          [9, 1, 0],
        ]),
      ),
  ],
  [
    'a table page without entries',
    /^I2: table page 0 of image 2 has no entry/,
    (pool) => pool.put(KEYS.livePage, tablePage(2, 0, [])),
  ],
  [
    'an entry past the end of the data space',
    /^I2: .* place 1000, past the end/,
    (pool) =>
      pool.put(
        KEYS.livePage,
        tablePage(2, 0, [
          [0, 1000, 1],
          [9, 1, 0],
        ]),
      ),
  ],
  [
    'a place with two entries',
    /^I3: place 2 has 2 entries, its count says 1/,
    (pool) =>
      pool.put(
        KEYS.livePage,
        tablePage(2, 0, [
          [0, 2, sumOf(2)],
          [9, 1, 0],
        ]),
      ),
  ],
  [
    'a place marked without an entry',
    /^I4: place 8 is marked and has no entry/,
    (pool) => pool.put(KEYS.group, placeGroup(0, [2, 3, 4, 8])),
  ],
  [
    'a place with an entry and no mark',
    /^I4: place 3 has an entry and is not marked/,
    (pool) => pool.put(KEYS.group, placeGroup(0, [2, 4])),
  ],
  ['no bitmap at all', /^I4: place 2 has an entry and is not marked/, (pool) => pool.remove(KEYS.group)],
  [
    'a wrong count of a group',
    /^I5: group 0 has 3 places marked, its count says 4/,
    (pool) => pool.put(KEYS.counts, groupCounts(0, [4])),
  ],
  [
    'a count of a group without bitmap',
    /^I5: group 7 has 0 places marked, its count says 1/,
    (pool) => pool.put(KEYS.counts, groupCounts(0, [3, 0, 0, 0, 0, 0, 0, 1])),
  ],
  [
    'a page that no summary names',
    /^I6: page 0 of image 1 is not in its summary/,
    (pool) => pool.remove(KEYS.imageSummary),
  ],
  [
    'a summary that names a page too many',
    /^I6: the summary of image 1 names page 3/,
    (pool) => pool.put(KEYS.imageSummary, summaryList(1, 0, [0, 3])),
  ],
  [
    'counters one too high',
    /^I7: image 2 has 2 entries, 1 of data; its counters say 2 and 2/,
    (pool) => pool.put(KEYS.liveStats, stats(2, 2, 2)),
  ],
  [
    'an object under a foreign number',
    /^I8: image 9 stands under the number 1/,
    (pool) => pool.put(KEYS.image, json({ ...IMAGE, id: 9 })),
  ],
  [
    'a counter that would give a number again',
    /^I8: image 2 has a number that was not given yet/,
    (pool) => pool.put(KEYS.state, json({ ...STATE, counters: { ...STATE.counters, image: 2 } })),
  ],
  [
    'an identity used twice',
    /^I8: snapshot 1 has the identity 1 of another/,
    (pool) => pool.put(KEYS.snapshot, json({ ...SNAPSHOT, identity: 1 })),
  ],
  [
    'a name that no VLUN may have',
    /^I8: VLUN 1 is called "a b"/,
    (pool) => pool.put(KEYS.vlun, json({ ...VLUN, name: 'a b' })),
  ],
  [
    'a snapshot of no VLUN',
    /^I8: snapshot 1 is of VLUN 5/,
    (pool) => pool.put(KEYS.snapshot, json({ ...SNAPSHOT, vlun: 5 })),
  ],
  [
    'a base that is not there',
    /^I9: image 2 reads image 1, which does not exist/,
    (pool) => pool.remove(KEYS.image),
  ],
  [
    'a base that is not frozen',
    /^I9: image 2 reads image 1, which is not frozen/,
    (pool) => pool.put(KEYS.image, json({ ...IMAGE, frozen: false })),
  ],
  [
    'an image that reads itself',
    /^I9: an image reads itself/,
    (pool) => pool.put(KEYS.image, json({ ...IMAGE, via: { image: 1 } })),
  ],
  [
    'a VLUN that writes to a frozen image',
    /^I10: VLUN 1 writes to the frozen image 2/,
    (pool) => pool.put(KEYS.live, json({ ...LIVE, frozen: true })),
  ],
  [
    'a VLUN without its image',
    /^I10: VLUN 1 writes to image 2, which does not exist/,
    (pool) => pool.remove(KEYS.live),
  ],
  [
    'a snapshot on an image that is written to',
    /^I10: snapshot 1 stands on image 2, which is not frozen/,
    (pool) => pool.put(KEYS.snapshot, json({ ...SNAPSHOT, image: 2 })),
  ],
  [
    'a VLUN that tracks none',
    /^I11: VLUN 1 tracks VLUN 9, which does not exist/,
    (pool) => pool.put(KEYS.vlun, json({ ...VLUN, tracks: 9 })),
  ],
  [
    'a VLUN that tracks itself',
    /^I11: VLUN 1 tracks itself/,
    (pool) => pool.put(KEYS.vlun, json({ ...VLUN, tracks: 1 })),
  ],
  [
    'an image marked dropped that is read',
    /^I12: image 1 is marked dropped, and is read/,
    (pool) => pool.put(KEYS.image, json({ ...IMAGE, dropped: true })),
  ],
  [
    'an image that nothing reads',
    /^I12: image 1 is read by nothing/,
    (pool) => {
      pool.put(KEYS.live, json({ id: 2, frozen: false }));
      pool.remove(KEYS.snapshot);
    },
  ],
  [
    'table pages of no image',
    /^I12: image 7 has table pages/,
    (pool) => pool.put(key('t', [0, 5], [7, 4]), tablePage(7, 0, [[0, 1, 0]])),
  ],
  [
    'a flushed record with a flipped bit',
    /^I13: the journal is whole up to record 8, but 9 was flushed/,
    (pool) => flipJournal(pool, 48 + 40),
  ],
  [
    'a record of another pool',
    /^I13: record 8 is of another pool/,
    (pool) => {
      pool.journal = [journalWriter().segment('f'.repeat(32))];
    },
  ],
  [
    'a record that writes to no VLUN',
    /^I14: record 8 writes to VLUN 6/,
    (pool) => {
      pool.journal = [
        journalWriter().write([{ kind: 1, vlun: 6, block: 0, place: 5, blocks: 1 }], [sumOf(5)]),
      ];
    },
  ],
  [
    'a record that gives back a page of an image in use',
    /^I14: record 8 gives back page 0 of image 1/,
    (pool) => {
      pool.journal = [journalWriter().write([{ kind: 5, vlun: 1, block: 0, blocks: 0 }], [])];
    },
  ],
  [
    'a record that stores into a place in use',
    /^I15: record 8 stores a block at place 3, which has an entry/,
    (pool) => {
      pool.journal = [
        journalWriter().write([{ kind: 1, vlun: 1, block: 0, place: 3, blocks: 1 }], [sumOf(3)]),
      ];
    },
  ],
  [
    'a record that moves a block which is not there like that',
    /^I14: record 8 moves block 0 of image 2, which has no such entry/,
    (pool) => {
      pool.journal = [
        journalWriter().write([{ kind: 9, vlun: 1, block: 0, place: 5, blocks: 1 }], [sumOf(5)]),
      ];
    },
  ],
  [
    'a block with a flipped bit',
    /^I16: block 9 of image 1, at place 3, is damaged/,
    (pool) => pool.blocks.set(3, blockOf(0x13)),
  ],
];

test.each(CASES)('it finds %s', async (_what, found, spoil) => {
  const pool = soundPool();
  spoil(pool);
  const report = await check(pool);
  expect(report.ok).toBe(false);
  expect(report.errors.join('\n')).toMatch(new RegExp(found.source, 'm'));
});

function flip(pool: StoredPool, at: Uint8Array, offset: number): void {
  const entry = pool.values.get(String(at));
  const value = entry?.value.slice() ?? new Uint8Array();
  value[offset] = (value[offset] ?? 0) ^ 4;
  pool.put(at, value);
}

function flipJournal(pool: StoredPool, offset: number): void {
  const [segment] = pool.journal;
  if (segment !== undefined) segment[offset] = (segment[offset] ?? 0) ^ 4;
}
