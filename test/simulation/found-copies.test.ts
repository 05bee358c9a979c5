/** Scripts like those of found.test.ts, about copies. */
import { expect, test } from 'vitest';
import type { Script } from './script.ts';
import { failureOf } from './simulate.ts';

test('a copy that shares nothing breaks no pool block of its target in two', async () => {
  const script: Script = {
    seed: 13642,
    world: {
      capacityBlocks: 6000,
      journalSegmentBytes: 65536,
      atOnceChance: 0.5,
      depth: 16,
      options: {},
    },
    operations: [
      { do: 'create', vlun: 'v1', sectors: 4092, blockBytes: 512, writeCache: true },
      { do: 'copy', vlun: 'v1', range: { at: 1586, blocks: 2349 }, fua: false, from: 'v1', at: 1609 },
      { do: 'settle' },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});
