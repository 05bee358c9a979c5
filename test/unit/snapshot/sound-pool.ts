/** A small sound pool in its stored form, which the tests of the check break. */
import {
  blockOf,
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

export const IMAGE = { id: 1, frozen: true };
export const LIVE = { id: 2, base: 1, frozen: false };
export const VLUN = {
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
export const SNAPSHOT = {
  id: 1,
  vlun: 1,
  name: 'monday',
  image: 1,
  identity: 2,
  sizeBytes: 1 << 20,
  blockBytes: 512,
  createdAtMs: 0,
};
export const STATE = {
  format: 2,
  pool: POOL,
  sequence: 7,
  checksum: 4711,
  epoch: 3,
  segment: 1,
  counters: { vlun: 2, image: 3, snapshot: 2, identity: 3 },
};

export const KEYS = {
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
export function soundPool(): StoredPool {
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

export function journalWriter(): JournalWriter {
  return new JournalWriter({ sequence: STATE.sequence, previous: STATE.checksum, epoch: STATE.epoch });
}
