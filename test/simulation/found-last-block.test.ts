/**
 * What the simulation once misunderstood of the last block of a VLUN, which goes past its end: small scripts,
 * kept as they are. Who wrote it cannot be told from its sum alone.
 */
import { expect, test } from 'vitest';
import { PLAIN_VLUN, PLAIN_WORLD, PLAIN_WRITE, type Script } from './script.ts';
import { failureOf } from './simulate.ts';

test('in a last block that nobody can compare, commands keep their order', async () => {
  // A copy inside one VLUN came before a write of the same sector.
  const script: Script = {
    seed: 531,
    world: {
      capacityBlocks: 842,
      journalSegmentBytes: 131072,
      atOnceChance: 0.9,
      depth: 16,
      options: {
        flushIntervalMs: 10,
        flushBytes: 1048576,
        tableCacheBytes: 4000,
        resolvedCacheBytes: 67108864,
        checkpointJournalBytes: 4000,
        checkpointDirtyPages: 1,
        batchBytes: 1048576,
        recordBytes: 4096,
        discardBlocksMin: 4,
        reclaimPagesPerStep: 1,
        reclaimPauseMs: 0,
        trimDelayMs: 500,
        allocatorCacheBytes: 33554432,
        unflushedBytesMax: 1048576,
        checkpointJournalRecords: 100000,
      },
    },
    operations: [
      { do: 'create', vlun: 'v2', sectors: 19, blockBytes: 512, writeCache: true },
      { do: 'write', vlun: 'v2', range: { at: 1116, blocks: 22 }, fua: false, atomic: false },
      { do: 'read', vlun: 'v3', range: { at: 1120, blocks: 7 } },
      { do: 'write', vlun: 'v2', range: { at: 1130, blocks: 15 }, fua: false, atomic: false },
      { do: 'write', vlun: 'v1', range: { at: 1112, blocks: 8 }, fua: false, atomic: false },
      { do: 'write', vlun: 'v1', range: { at: 1116, blocks: 10 }, fua: false, atomic: false },
      { do: 'copy', vlun: 'v2', range: { at: 1120, blocks: 8 }, fua: false, from: 'v2', at: 1136 },
      { do: 'write', vlun: 'v2', range: { at: 1120, blocks: 16 }, fua: false, atomic: false },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('in a last block, a record with a write exactly as it would be is that of the write', async () => {
  // The UNMAP before it had nothing to do there, and fitted all the same.
  const v3 = 'v3';
  const script: Script = {
    seed: 1,
    world: PLAIN_WORLD,
    operations: [
      { do: 'create', vlun: v3, sectors: 10, blockBytes: 512, writeCache: false },
      { do: 'settle' },
      { do: 'write', vlun: v3, range: { at: 6, blocks: 2 }, fua: false, atomic: false },
      { do: 'unmap', vlun: v3, ranges: [{ at: 0, blocks: 10 }] },
      { do: 'write', vlun: v3, range: { at: 8, blocks: 2 }, fua: false, atomic: false },
      { do: 'read', vlun: v3, range: { at: 0, blocks: 10 } },
      { do: 'settle' },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('what a released VLUN had behind its end is gone when it was shrunk and grows again', async () => {
  // The shrink stored the rest of the old last block, in which a larger VLUN above had written, as its own.
  const script: Script = {
    seed: 3246,
    world: { ...PLAIN_WORLD, atOnceChance: 1, depth: 4 },
    operations: [
      { do: 'create', vlun: 'v1', sectors: 1002, blockBytes: 512, writeCache: true },
      { do: 'preserve', vlun: 'v1', newName: 'v2' },
      { do: 'preserve', vlun: 'v2', newName: 'v3' },
      { do: 'preserve', vlun: 'v1', newName: 'v4' },
      { do: 'resize', vlun: 'v2', sectors: 1880 },
      { do: 'write-same', vlun: 'v2', range: { at: 2884, blocks: 672 }, zero: false, fua: false },
      { do: 'release', vlun: 'v3' },
      { do: 'resize', vlun: 'v3', sectors: 31 },
      { do: 'resize', vlun: 'v3', sectors: 2880 },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('P15: nor does one that tracks another show, once it was rolled back, what it had followed past its end', async () => {
  const script: Script = {
    seed: 117113,
    world: PLAIN_WORLD,
    operations: [
      { do: 'create', vlun: 'v1', sectors: 604, ...PLAIN_VLUN },
      { do: 'preserve', vlun: 'v1', newName: 'v2' },
      { do: 'resize', vlun: 'v2', sectors: 535 },
      { ...PLAIN_WRITE, vlun: 'v1', range: { at: 532, blocks: 16 } },
      { do: 'settle' },
      { do: 'snapshot', targets: [{ vlun: 'v2', snapshot: 's1' }] },
      { do: 'settle' },
      { do: 'rollback', vlun: 'v2', snapshot: 's1' },
      { do: 'settle' },
      { do: 'resize', vlun: 'v2', sectors: 852 },
      { do: 'settle' },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('P15: nor does it after a part of that block was written in between', async () => {
  const script: Script = {
    seed: 1,
    world: PLAIN_WORLD,
    operations: [
      { do: 'create', vlun: 'v1', sectors: 604, ...PLAIN_VLUN },
      { do: 'preserve', vlun: 'v1', newName: 'v2' },
      { do: 'preserve', vlun: 'v2', newName: 'v3' },
      { do: 'resize', vlun: 'v3', sectors: 530 },
      { do: 'resize', vlun: 'v2', sectors: 535 },
      { ...PLAIN_WRITE, vlun: 'v1', range: { at: 530, blocks: 16 } },
      { do: 'settle' },
      { do: 'snapshot', targets: [{ vlun: 'v2', snapshot: 's1' }] },
      { do: 'settle' },
      { do: 'rollback', vlun: 'v2', snapshot: 's1' },
      { do: 'settle' },
      { ...PLAIN_WRITE, vlun: 'v3', range: { at: 529, blocks: 1 } },
      { do: 'settle' },
      { ...PLAIN_WRITE, vlun: 'v1', range: { at: 531, blocks: 1 } },
      { do: 'settle' },
      { do: 'resize', vlun: 'v2', sectors: 852 },
      { do: 'settle' },
      { do: 'resize', vlun: 'v3', sectors: 600 },
      { do: 'settle' },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});
