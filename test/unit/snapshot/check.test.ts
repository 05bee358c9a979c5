/**
 * Shows that the check finds nothing in a sound pool and names the broken invariant in every other. The pools
 * are written byte by byte from FORMAT.md; each case breaks one thing.
 */
import { expect, test } from 'vitest';
import { type CheckReport, checkPool } from '../../../snapshot/check.ts';
import {
  blockOf,
  bytesOf,
  checksum,
  groupCounts,
  JournalWriter,
  joined,
  json,
  key,
  POOL,
  placeGroup,
  StoredPool,
  stats,
  summaryList,
  sumOf,
  tablePage,
} from './stored-pool.ts';

const IMAGE = { id: 1, frozen: true };
const LIVE = { id: 2, base: 1, frozen: false };
const VLUN = {
  id: 1,
  name: 'disk',
  identity: 1,
  sizeBytes: 1 << 20,
  blockBytes: 512,
  readOnly: false,
  removable: false,
  writeCache: true,
  createdAtMs: 0,
  live: 2,
};
const SNAPSHOT = {
  id: 1,
  vlun: 1,
  name: 'monday',
  image: 1,
  identity: 2,
  sizeBytes: 1 << 20,
  blockBytes: 512,
  createdAtMs: 0,
};
const STATE = {
  format: 1,
  pool: POOL,
  sequence: 7,
  checksum: 4711,
  epoch: 3,
  segment: 1,
  counters: { vlun: 2, image: 3, snapshot: 2, identity: 3 },
};

const KEYS = {
  state: key('S'),
  vlun: key('c', [1, 1], [1, 4]),
  image: key('c', [2, 1], [1, 4]),
  live: key('c', [2, 1], [2, 4]),
  snapshot: key('c', [3, 1], [1, 4]),
  imagePage: key('t', [0, 5], [1, 4]),
  livePage: key('t', [0, 5], [2, 4]),
  imageSummary: key('s', [1, 4], [0, 3]),
  liveSummary: key('s', [2, 4], [0, 3]),
  imageStats: key('i', [1, 4]),
  liveStats: key('i', [2, 4]),
  group: key('b', [0, 4]),
  counts: key('B', [0, 4]),
};

/**
 * A VLUN with a snapshot: blocks 0 and 9 stored in the snapshot's image, 0 again and a hole at 9 in the live
 * one.
 */
function soundPool(): StoredPool {
  const pool = new StoredPool(1000);
  pool.put(KEYS.state, json(STATE));
  pool.put(KEYS.vlun, json(VLUN));
  pool.put(KEYS.image, json(IMAGE));
  pool.put(KEYS.live, json(LIVE));
  pool.put(KEYS.snapshot, json(SNAPSHOT));
  pool.put(key('d', ...[...'lun-map'].map((c) => [c.charCodeAt(0), 1] as const)), json({ luns: [0] }));
  pool.put(
    KEYS.imagePage,
    tablePage(1, 0, [
      [0, 2, sumOf(2)],
      [9, 3, sumOf(3)],
    ]),
  );
  pool.put(
    KEYS.livePage,
    tablePage(2, 0, [
      [0, 4, sumOf(4)],
      [9, 1, 0],
    ]),
  );
  pool.put(KEYS.imageSummary, summaryList(1, 0, [0]));
  pool.put(KEYS.liveSummary, summaryList(2, 0, [0]));
  pool.put(KEYS.imageStats, stats(1, 2, 2));
  pool.put(KEYS.liveStats, stats(2, 2, 1));
  pool.put(KEYS.group, placeGroup(0, [2, 3, 4]));
  pool.put(KEYS.counts, groupCounts(0, [3]));
  for (const place of [2, 3, 4, 5, 6]) pool.blocks.set(place, blockOf(place));
  const writer = journalWriter();
  pool.journal = [
    joined(
      writer.segment(),
      writer.write([{ kind: 1, vlun: 1, block: 300, place: 5, blocks: 1 }], [sumOf(5)]),
      writer.mark(9),
      writer.write([{ kind: 2, vlun: 1, block: 0, place: 6, blocks: 1 }], [sumOf(6)]),
    ),
  ];
  return pool;
}

function journalWriter(): JournalWriter {
  return new JournalWriter({ sequence: STATE.sequence, previous: STATE.checksum, epoch: STATE.epoch });
}

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
    /^I1: the pool has format 2/,
    (pool) => pool.put(KEYS.state, json({ ...STATE, format: 2 })),
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
    /^I3: place 2 has a second entry/,
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

test('after the last mark a record whose data is missing ends the journal, and that is no damage', async () => {
  const pool = soundPool();
  pool.blocks.set(6, blockOf(0));
  expect(await check(pool)).toMatchObject({ ok: true, sequence: 10, records: 3 });
});

test('after the last mark a record that is damaged ends the journal, what follows included', async () => {
  const pool = soundPool();
  const [segment = new Uint8Array()] = pool.journal;
  segment[segment.byteLength - 2] = 0x55;
  expect(await check(pool)).toMatchObject({ ok: true, sequence: 10 });
});

test('where an opening cut the journal and went on, its records count and not those behind the cut', async () => {
  const pool = soundPool();
  const writer = journalWriter();
  const begin = joined(writer.segment(), writer.mark(8));
  const cut = { sequence: writer.sequence, previous: writer.previous };
  const old = writer.write([{ kind: 1, vlun: 1, block: 1, place: 5, blocks: 1 }], [sumOf(5)]);
  const next = new JournalWriter({ ...cut, epoch: STATE.epoch + 1 });
  const going = joined(
    next.segment(),
    next.write([{ kind: 1, vlun: 1, block: 2, place: 6, blocks: 1 }], [sumOf(6)]),
  );
  // The remains of the old life lie at the begin of a later segment, as they do when one is used again.
  pool.journal = [begin, going, old];
  expect(await check(pool)).toMatchObject({ ok: true, sequence: 11, records: 4, referencedBlocks: 4 });
});

test('P5, P11: in the replay a write takes the entries of trackers away, a patch leaves them', async () => {
  const pool = soundPool();
  const writer = journalWriter();
  const tracker = { ...VLUN, id: 2, name: 'tracker', identity: 3, live: 3, tracks: 1 };
  pool.journal = [
    joined(
      writer.structure({
        counters: { vlun: 3, image: 4, snapshot: 2, identity: 4 },
        images: [[3, { id: 3, frozen: false }]],
        vluns: [[2, tracker]],
      }),
      writer.write([{ kind: 1, vlun: 2, block: 7, place: 5, blocks: 2 }], [sumOf(5), sumOf(6)]),
      writer.write([{ kind: 3, vlun: 1, block: 7, blocks: 1 }], []),
      writer.write([{ kind: 4, vlun: 1, block: 8, blocks: 1 }], []),
    ),
  ];
  // Places 2, 3, 4 of before, and 6 under the entry that the patch left alone.
  expect(await check(pool)).toMatchObject({ ok: true, errors: [], referencedBlocks: 4, verifiedBlocks: 4 });
});

test('a full group is stored without a bitmap, and a summary may be one', async () => {
  const pool = new StoredPool(40_000);
  const { sequence, ...state } = STATE;
  pool.put(
    KEYS.state,
    json({ ...state, sequence, counters: { vlun: 2, image: 2, snapshot: 1, identity: 2 } }),
  );
  pool.put(KEYS.vlun, json({ ...VLUN, live: 1, sizeBytes: 1 << 30 }));
  pool.put(KEYS.image, json({ id: 1, frozen: false }));
  const pages = Array.from({ length: 66 }, (_, i) => i);
  for (const page of pages) {
    const entries = Array.from({ length: 256 }, (_, i) => [i, 16_384 - 512 + page * 256 + i, 9] as const);
    pool.put(key('t', [page, 5], [1, 4]), tablePage(1, page, entries));
  }
  const summary = joined(
    bytesOf([1, 1], [1, 1], [66, 2], [1, 4], [0, 4]),
    new Uint8Array(2048).fill(0xff, 0, 8).fill(3, 8, 9),
  );
  pool.put(KEYS.imageSummary, joined(bytesOf([checksum(summary), 4]), summary));
  pool.put(KEYS.imageStats, stats(1, 66 * 256, 66 * 256));
  pool.put(
    KEYS.group,
    placeGroup(
      0,
      Array.from({ length: 512 }, (_, i) => 16_384 - 512 + i),
    ),
  );
  const full = bytesOf([1, 1], [1, 1], [16_384, 2], [1, 4], [0, 4]);
  pool.put(key('b', [1, 4]), joined(bytesOf([checksum(full), 4]), full));
  pool.put(KEYS.counts, groupCounts(0, [512, 16_384]));
  const report = await checkPool(await pool.open(), { checksum });
  expect(report.errors).toEqual([]);
  expect(report).toMatchObject({ ok: true, referencedBlocks: 66 * 256, verifiedBlocks: 0 });
});
