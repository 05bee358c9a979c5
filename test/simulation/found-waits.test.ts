/** What the simulation once found of work that waits for other work: small scripts, kept as they are. */
import { expect, test } from 'vitest';
import { PLAIN_WORLD, type Script } from './script.ts';
import { failureOf } from './simulate.ts';

test('the background waits for the checkpoint after one that failed, and lets the clock go on', async () => {
  const size = { sectors: 8192, blockBytes: 512, writeCache: true } as const;
  const write = { do: 'write', fua: false, atomic: false } as const;
  const turns = Array.from({ length: 60 }, (_, i) => i);
  const script: Script = {
    seed: 14471,
    world: {
      ...PLAIN_WORLD,
      atOnceChance: 1,
      options: { checkpointDirtyPages: 1, reclaimPagesPerStep: 1, reclaimPauseMs: 0 },
    },
    operations: [
      { do: 'create', vlun: 'v1', ...size },
      { do: 'create', vlun: 'v2', ...size },
      // So that the places of either are no runs, and the scrub pauses.
      ...turns.flatMap((i) =>
        ['v1', 'v2'].map((vlun) => ({ ...write, vlun, range: { at: (i * 136) % 8192, blocks: 8 } })),
      ),
      { do: 'settle' },
      { do: 'fault', on: 'commit', skip: 0, how: 'error' },
      { do: 'delete', vlun: 'v1' },
      { do: 'scrub' },
      { do: 'settle' },
    ],
  };
  expect(await failureOf(script)).toBeUndefined();
});
