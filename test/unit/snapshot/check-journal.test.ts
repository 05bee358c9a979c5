/**
 * Shows where the check lets the journal end, which records it counts and what it makes of them; and forms of
 * stored values that only large pools have.
 */
import { expect, test } from 'vitest';
import { type CheckReport, checkPool } from '../../../snapshot/check.ts';
import { journalWriter, KEYS, STATE, soundPool, VLUN } from './sound-pool.ts';
import {
  blockOf,
  bytesOf,
  checksum,
  groupCounts,
  JournalWriter,
  joined,
  json,
  key,
  placeGroup,
  StoredPool,
  stats,
  sumOf,
  tablePage,
} from './stored-pool.ts';

async function check(pool: StoredPool): Promise<CheckReport> {
  return checkPool(await pool.open(), { checksum, data: true });
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

/** The pool without its snapshot: image 1 is hidden, and image 2 alone stands over it. */
function hiddenPool(): StoredPool {
  const pool = soundPool();
  pool.remove(KEYS.snapshot);
  pool.put(
    KEYS.imagePage,
    tablePage(1, 0, [
      [0, 2, sumOf(2)],
      [20, 3, sumOf(3)],
    ]),
  );
  return pool;
}

const BACKGROUND = { merge: 6, sweep: 7 } as const;

test('a merged page goes to the image over it, whose own entries win', async () => {
  const pool = hiddenPool();
  const writer = journalWriter();
  pool.journal = [
    joined(
      writer.write([{ kind: BACKGROUND.merge, vlun: 1, block: 0, place: 2, blocks: 0 }], []),
      // The entry of block 20 is now in the live image: a write there gives its place back.
      writer.write([{ kind: 3, vlun: 1, block: 20, blocks: 1 }], []),
    ),
  ];
  expect(await check(pool)).toMatchObject({ ok: true, errors: [], referencedBlocks: 1, verifiedBlocks: 1 });
});

test('a swept page keeps what some image over it does not override', async () => {
  const pool = hiddenPool();
  pool.journal = [journalWriter().write([{ kind: BACKGROUND.sweep, vlun: 1, block: 0, blocks: 0 }], [])];
  // Place 2 is overridden by place 4, place 3 by nothing.
  expect(await check(pool)).toMatchObject({ ok: true, errors: [], referencedBlocks: 2, verifiedBlocks: 2 });
});

test.each(Object.entries(BACKGROUND))(
  'I14: a %s of an image that a snapshot stands on is found',
  async (_name, kind) => {
    const pool = soundPool();
    pool.journal = [journalWriter().write([{ kind, vlun: 1, block: 0, place: 2, blocks: 0 }], [])];
    expect((await check(pool)).errors.join('\n')).toMatch(/^I14: record 8 (merges|sweeps) image 1/);
  },
);
