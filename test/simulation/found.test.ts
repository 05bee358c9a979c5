/**
 * Scripts, shrunk, at which something was once wrong: with the pool, or with what the simulation expects of
 * it. They are kept as they are, for what a seed becomes changes with the generator.
 */
import { expect, test } from 'vitest';
import { PLAIN_VLUN, PLAIN_WORLD, PLAIN_WRITE, type Script } from './script.ts';
import { failureOf } from './simulate.ts';

test('a VLUN that tracks since an UNMAP began owes nothing to what the UNMAP found', async () => {
  const v1 = 'v1';
  const script: Script = {
    seed: 268,
    world: {
      capacityBlocks: 20000,
      journalSegmentBytes: 262144,
      atOnceChance: 0.9,
      depth: 32,
      options: {
        flushBytes: 1048576,
        tableCacheBytes: 4000,
        checkpointJournalBytes: 67108864,
        checkpointDirtyPages: 20,
        batchBytes: 1048576,
        recordBytes: 16384,
        discardBlocksMin: 4,
        reclaimPagesPerStep: 64,
        reclaimPauseMs: 0,
        trimDelayMs: 500,
      },
    },
    operations: [
      { do: 'create', vlun: v1, sectors: 576, blockBytes: 4096, writeCache: false },
      { do: 'write', vlun: v1, range: { at: 203, blocks: 1 }, fua: false, atomic: false },
      { do: 'write', vlun: v1, range: { at: 433, blocks: 5 }, fua: false, atomic: false },
      { do: 'write', vlun: v1, range: { at: 201, blocks: 1 }, fua: false, atomic: false },
      { do: 'run', events: 60 },
      { do: 'read', vlun: v1, range: { at: 39, blocks: 1 } },
      { do: 'write', vlun: v1, range: { at: 203, blocks: 2 }, fua: false, atomic: false },
      { do: 'write', vlun: v1, range: { at: 432, blocks: 1 }, fua: true, atomic: false },
      {
        do: 'unmap',
        vlun: v1,
        ranges: [
          { at: 433, blocks: 1 },
          { at: 432, blocks: 3 },
        ],
      },
      {
        do: 'unmap',
        vlun: v1,
        ranges: [
          { at: 202, blocks: 1 },
          { at: 434, blocks: 1 },
          { at: 204, blocks: 3 },
          { at: 202, blocks: 1 },
          { at: 72, blocks: 3 },
        ],
      },
      { do: 'write', vlun: v1, range: { at: 202, blocks: 1 }, fua: false, atomic: true },
      { do: 'write', vlun: v1, range: { at: 433, blocks: 4 }, fua: false, atomic: false },
      { do: 'write', vlun: v1, range: { at: 433, blocks: 1 }, fua: true, atomic: false },
      { do: 'write', vlun: v1, range: { at: 433, blocks: 2 }, fua: false, atomic: false },
      { do: 'preserve', vlun: v1, newName: 'v2' },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('the record that a range of an UNMAP repeats is not one of another UNMAP', async () => {
  // The second one's was laid at the door of the first, which then seemed to promise it before its flush.
  const v1 = 'v1';
  const script: Script = {
    seed: 242,
    world: PLAIN_WORLD,
    operations: [
      { do: 'create', vlun: v1, sectors: 64, blockBytes: 4096, writeCache: false },
      { do: 'write', vlun: v1, range: { at: 0, blocks: 8 }, fua: false, atomic: false },
      { do: 'settle' },
      {
        do: 'unmap',
        vlun: v1,
        ranges: [
          { at: 0, blocks: 2 },
          { at: 4, blocks: 2 },
        ],
      },
      { do: 'run', events: 3 },
      { do: 'unmap', vlun: v1, ranges: [{ at: 0, blocks: 1 }] },
      { do: 'run', events: 2 },
      { do: 'power-cut' },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('ranges of an UNMAP that touch are one', async () => {
  const v1 = 'v1';
  const script: Script = {
    seed: 1,
    world: PLAIN_WORLD,
    operations: [
      { do: 'create', vlun: v1, sectors: 64, blockBytes: 512, writeCache: true },
      { do: 'write', vlun: v1, range: { at: 0, blocks: 8 }, fua: false, atomic: false },
      {
        do: 'unmap',
        vlun: v1,
        ranges: [
          { at: 0, blocks: 2 },
          { at: 5, blocks: 2 },
          { at: 2, blocks: 1 },
        ],
      },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('closing a pool that has failed promises nothing that was not flushed', async () => {
  const write = { do: 'write', fua: false, atomic: false } as const;
  const script: Script = {
    seed: 1329,
    world: {
      ...PLAIN_WORLD,
      atOnceChance: 0,
      depth: 4,
      options: {
        flushIntervalMs: 1000,
        flushBytes: 1 << 20,
        tableCacheBytes: 4000,
        resolvedCacheBytes: 0,
        checkpointJournalBytes: 1 << 20,
        checkpointDirtyPages: 1,
      },
    },
    operations: [
      { do: 'create', vlun: 'v1', sectors: 2771, blockBytes: 512, writeCache: true },
      { do: 'preserve', vlun: 'v1', newName: 'v2' },
      { ...write, vlun: 'v2', range: { at: 1936, blocks: 8 }, fua: true },
      { ...write, vlun: 'v2', range: { at: 1920, blocks: 40 } },
      { ...write, vlun: 'v1', range: { at: 2221, blocks: 2 } },
      { ...write, vlun: 'v2', range: { at: 1929, blocks: 2 } },
      { ...write, vlun: 'v2', range: { at: 1920, blocks: 16 } },
      { do: 'fault', on: 'journal-flush', skip: 1, how: 'error' },
      { ...write, vlun: 'v1', range: { at: 1928, blocks: 8 } },
      { do: 'write-same', vlun: 'v2', range: { at: 1929, blocks: 7 }, zero: false, fua: false },
      { do: 'reopen' },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('a copy that waits for its source is not what an UNMAP made meanwhile', async () => {
  // The zeroes of the UNMAP were those of the source then; what the source held later was copied.
  const script: Script = {
    seed: 2325,
    world: {
      capacityBlocks: 70000,
      journalSegmentBytes: 65536,
      atOnceChance: 0.9,
      depth: 8,
      options: {
        flushIntervalMs: 10,
        flushBytes: 65536,
        tableCacheBytes: 67108864,
        resolvedCacheBytes: 40000,
        checkpointJournalBytes: 1048576,
        checkpointDirtyPages: 3,
        batchBytes: 65536,
        recordBytes: 4096,
        discardBlocksMin: 16,
        reclaimPagesPerStep: 64,
        reclaimPauseMs: 1,
        trimDelayMs: 1,
        allocatorCacheBytes: 10000,
        unflushedBytesMax: 4096,
        checkpointJournalRecords: 2,
      },
    },
    operations: [
      { do: 'create', vlun: 'v1', sectors: 552, blockBytes: 512, writeCache: true },
      { do: 'preserve', vlun: 'v1', newName: 'v2' },
      { do: 'write', vlun: 'v1', range: { at: 209, blocks: 56 }, fua: false, atomic: false },
      { do: 'preserve', vlun: 'v2', newName: 'v3' },
      { do: 'create', vlun: 'v7', sectors: 40, blockBytes: 512, writeCache: true },
      {
        do: 'unmap',
        vlun: 'v1',
        ranges: [
          { at: 891, blocks: 4 },
          { at: 3211, blocks: 1 },
          { at: 474, blocks: 28 },
          { at: 1024, blocks: 24 },
          { at: 872, blocks: 8 },
        ],
      },
      { do: 'write', vlun: 'v1', range: { at: 881, blocks: 110 }, fua: false, atomic: false },
      { do: 'copy', vlun: 'v7', range: { at: 880, blocks: 160 }, fua: false, from: 'v3', at: 864 },
      { do: 'compare-and-write', vlun: 'v7', range: { at: 4724, blocks: 99 }, match: true, fua: false },
      {
        do: 'unmap',
        vlun: 'v7',
        ranges: [
          { at: 872, blocks: 8 },
          { at: 4161, blocks: 12 },
        ],
      },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('a copy of nothing and an UNMAP beside it have records of their own', async () => {
  // Either could be either’s: one was laid at the door of the copy, which then had one too many.
  const script: Script = {
    seed: 3645,
    world: {
      capacityBlocks: 20000,
      journalSegmentBytes: 65536,
      atOnceChance: 0,
      depth: 32,
      options: {
        flushIntervalMs: 10,
        flushBytes: 1048576,
        tableCacheBytes: 67108864,
        resolvedCacheBytes: 4000,
        checkpointJournalBytes: 4000,
        checkpointDirtyPages: 3,
        batchBytes: 1048576,
        recordBytes: 4096,
        discardBlocksMin: 1,
        reclaimPagesPerStep: 64,
        reclaimPauseMs: 50,
        trimDelayMs: 20,
        allocatorCacheBytes: 0,
        unflushedBytesMax: 536870912,
        checkpointJournalRecords: 2,
      },
    },
    operations: [
      { do: 'create', vlun: 'v1', sectors: 754, blockBytes: 512, writeCache: true },
      { do: 'preserve', vlun: 'v1', newName: 'v2' },
      { do: 'copy', vlun: 'v2', range: { at: 645, blocks: 108 }, fua: false, from: 'v2', at: 627 },
      { do: 'read', vlun: 'v1', range: { at: 632, blocks: 160 } },
      { do: 'read', vlun: 'v1', range: { at: 632, blocks: 40 } },
      {
        do: 'unmap',
        vlun: 'v1',
        ranges: [
          { at: 1324, blocks: 1 },
          { at: 650, blocks: 8 },
        ],
      },
      { do: 'snapshot', targets: [{ vlun: 'v2', snapshot: 's5' }] },
      { do: 'clone', vlun: 'v2', snapshot: 's5', newName: 'v7' },
      { do: 'copy', vlun: 'v7', range: { at: 628, blocks: 5 }, fua: false, from: 'v1', at: 652 },
      { do: 'unmap', vlun: 'v7', ranges: [{ at: 631, blocks: 3 }] },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('of two copies of the same blocks to the same place either has its record', async () => {
  const script: Script = {
    seed: 3535,
    world: {
      capacityBlocks: 70000,
      journalSegmentBytes: 131072,
      atOnceChance: 1,
      depth: 32,
      options: {
        flushIntervalMs: 100,
        flushBytes: 65536,
        tableCacheBytes: 40000,
        resolvedCacheBytes: 40000,
        checkpointJournalBytes: 67108864,
        checkpointDirtyPages: 3,
        batchBytes: 65536,
        recordBytes: 16384,
        discardBlocksMin: 16,
        reclaimPagesPerStep: 1,
        reclaimPauseMs: 0,
        trimDelayMs: 1,
        allocatorCacheBytes: 10000,
        unflushedBytesMax: 536870912,
        checkpointJournalRecords: 2,
      },
    },
    operations: [
      { do: 'create', vlun: 'v1', sectors: 8, blockBytes: 4096, writeCache: true },
      { do: 'preserve', vlun: 'v1', newName: 'v2' },
      { do: 'write', vlun: 'v1', range: { at: 403, blocks: 2 }, fua: false, atomic: false },
      { do: 'read', vlun: 'v2', range: { at: 467, blocks: 3 } },
      { do: 'copy', vlun: 'v1', range: { at: 140, blocks: 3 }, fua: false, from: 'v2', at: 148 },
      { do: 'write', vlun: 'v2', range: { at: 465, blocks: 2 }, fua: false, atomic: true },
      { do: 'copy', vlun: 'v1', range: { at: 466, blocks: 2 }, fua: false, from: 'v1', at: 466 },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('P15: what a tracker never saw past the end of a released VLUN does not show when the tracker grows', async () => {
  const script: Script = {
    seed: 3318,
    world: PLAIN_WORLD,
    operations: [
      { do: 'create', vlun: 'v1', sectors: 64, ...PLAIN_VLUN },
      { do: 'preserve', vlun: 'v1', newName: 'v2' },
      { do: 'preserve', vlun: 'v2', newName: 'v3' },
      { do: 'resize', vlun: 'v1', sectors: 640 },
      { ...PLAIN_WRITE, vlun: 'v1', range: { at: 152, blocks: 480 } },
      { do: 'settle' },
      { do: 'snapshot', targets: [{ vlun: 'v3', snapshot: 's1' }] },
      { do: 'settle' },
      { do: 'release', vlun: 'v2' },
      { do: 'settle' },
      { do: 'resize', vlun: 'v3', sectors: 792 },
      { do: 'settle' },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('P15: nor what lies in the rest of the last block of the released one', async () => {
  const script: Script = {
    seed: 1,
    world: PLAIN_WORLD,
    operations: [
      { do: 'create', vlun: 'v1', sectors: 66, ...PLAIN_VLUN },
      { do: 'preserve', vlun: 'v1', newName: 'v2' },
      { do: 'preserve', vlun: 'v2', newName: 'v3' },
      { do: 'resize', vlun: 'v1', sectors: 640 },
      { ...PLAIN_WRITE, vlun: 'v1', range: { at: 0, blocks: 640 } },
      { do: 'settle' },
      { do: 'release', vlun: 'v2' },
      { do: 'settle' },
      { do: 'resize', vlun: 'v3', sectors: 792 },
      { do: 'settle' },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});
