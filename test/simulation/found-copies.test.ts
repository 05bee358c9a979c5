/** Scripts like those of found.test.ts, about copies. */
import { expect, test } from 'vitest';
import { PLAIN_WORLD, type Script } from './script.ts';
import { failureOf } from './simulate.ts';

test('a copy that shares nothing breaks no pool block of its target in two', async () => {
  const script: Script = {
    seed: 13642,
    world: PLAIN_WORLD,
    operations: [
      { do: 'create', vlun: 'v1', sectors: 4092, blockBytes: 512, writeCache: true },
      { do: 'copy', vlun: 'v1', range: { at: 1586, blocks: 2349 }, fua: false, from: 'v1', at: 1609 },
      { do: 'settle' },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('a copy over a part of its source keeps to what that held, also where its first records look like an UNMAP', async () => {
  const script: Script = {
    seed: 4656,
    world: {
      capacityBlocks: 179,
      journalSegmentBytes: 65536,
      atOnceChance: 1,
      depth: 4,
      options: { recordBytes: 4096, batchBytes: 65536, flushIntervalMs: 10, unflushedBytesMax: 4096 },
    },
    operations: [
      { do: 'create', vlun: 'v1', sectors: 93, blockBytes: 512, writeCache: true },
      { do: 'write', vlun: 'v1', range: { at: 3588, blocks: 2 }, fua: false, atomic: false },
      { do: 'copy', vlun: 'v1', range: { at: 3380, blocks: 1241 }, fua: false, from: 'v1', at: 3360 },
      { do: 'unmap', vlun: 'v1', ranges: [{ at: 3368, blocks: 2400 }] },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('what a copy over a part of its source takes is known only once a record tells its possible sources apart', async () => {
  // Its first records are zeroes as those of the UNMAP, and so are the next, whatever it had taken.
  const script: Script = {
    seed: 16218,
    world: { ...PLAIN_WORLD, atOnceChance: 0, depth: 4, options: { recordBytes: 4096 } },
    operations: [
      { do: 'create', vlun: 'v1', sectors: 536, blockBytes: 512, writeCache: true },
      { do: 'preserve', vlun: 'v1', newName: 'v2' },
      { do: 'settle' },
      { do: 'write', vlun: 'v1', range: { at: 182, blocks: 7 }, fua: false, atomic: false },
      { do: 'copy', vlun: 'v2', range: { at: 176, blocks: 160 }, fua: false, from: 'v2', at: 149 },
      { do: 'unmap', vlun: 'v2', ranges: [{ at: 168, blocks: 24 }] },
      { do: 'settle' },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});

test('what might have been records of a copy onto itself were perhaps none of them, each by itself', async () => {
  // It came last and found nothing; a hole and a block that another copy shared looked like its own.
  const script: Script = {
    seed: 115910,
    world: {
      capacityBlocks: 20000,
      journalSegmentBytes: 65536,
      atOnceChance: 0,
      patient: true,
      depth: 16,
      options: {
        flushIntervalMs: 10,
        tableCacheBytes: 0,
        resolvedCacheBytes: 0,
        checkpointJournalBytes: 4000,
        checkpointDirtyPages: 3,
        recordBytes: 4096,
        unflushedBytesMax: 4096,
        reorderBlocksMin: 2,
        reorderOneIn: 1,
      },
    },
    operations: [
      { do: 'create', vlun: 'v1', sectors: 64, blockBytes: 4096, writeCache: true },
      { do: 'write', vlun: 'v1', range: { at: 417, blocks: 1 }, fua: false, atomic: false },
      { do: 'write', vlun: 'v1', range: { at: 451, blocks: 5 }, fua: false, atomic: true },
      { do: 'unmap', vlun: 'v1', ranges: [{ at: 419, blocks: 16 }] },
      { do: 'unmap', vlun: 'v1', ranges: [{ at: 374, blocks: 1 }] },
      { do: 'write', vlun: 'v1', range: { at: 449, blocks: 14 }, fua: false, atomic: false },
      { do: 'copy', vlun: 'v1', range: { at: 447, blocks: 300 }, fua: false, from: 'v1', at: 455 },
      {
        do: 'unmap',
        vlun: 'v1',
        ranges: [
          { at: 265, blocks: 20 },
          { at: 450, blocks: 1 },
        ],
      },
      { do: 'copy', vlun: 'v1', range: { at: 528, blocks: 237 }, fua: false, from: 'v1', at: 536 },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});
