/** Scripts like those of found.test.ts, about what differs between snapshots. */
import { expect, test } from 'vitest';
import { PLAIN_VLUN, PLAIN_WORLD, type Script } from './script.ts';
import { failureOf } from './simulate.ts';

/** v2 tracks the larger v1, and grows over what v1 has stored past the end of v2. */
function grown(from: string, to: string): Script {
  return {
    seed: 2420,
    world: { ...PLAIN_WORLD, depth: 1 },
    operations: [
      { do: 'create', vlun: 'v1', sectors: 12, ...PLAIN_VLUN },
      { do: 'preserve', vlun: 'v1', newName: 'v2' },
      { do: 'resize', vlun: 'v1', sectors: 952 },
      { do: 'write', vlun: 'v1', range: { at: 8, blocks: 800 }, fua: false, atomic: false },
      { do: 'settle' },
      { do: 'snapshot', targets: [{ vlun: 'v2', snapshot: 's1' }] },
      { do: 'resize', vlun: 'v2', sectors: 760 },
      { do: 'snapshot', targets: [{ vlun: 'v2', snapshot: 's2' }] },
      { do: 'settle' },
      { do: 'diff', vlun: 'v2', to, from },
      { do: 'settle' },
    ],
  };
}

test('what a tracker came to read by growing differs from before', async () => {
  expect(await failureOf(grown('s1', 's2'))).toBeUndefined();
});

test('and the other way round', async () => {
  expect(await failureOf(grown('s2', 's1'))).toBeUndefined();
});
