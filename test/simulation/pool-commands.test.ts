/** Shows what commands about the whole pool come to when several of them meet. */
import { expect, test } from 'vitest';
import type { Script } from './script.ts';
import { failureOf } from './simulate.ts';

test('a pool that is told to grow twice at once ends at the larger size', async () => {
  const script = (seed: number): Script => ({
    seed,
    world: { capacityBlocks: 6000, journalSegmentBytes: 65536, atOnceChance: 0, depth: 16, options: {} },
    operations: [
      { do: 'grow', blocks: 50 },
      { do: 'grow', blocks: 1000 },
    ],
  });
  for (let seed = 1; seed <= 10; seed += 1) expect(await failureOf(script(seed))).toBeUndefined();
});
