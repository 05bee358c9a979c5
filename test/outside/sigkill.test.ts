/**
 * A few rounds of what `npm run verify:sigkill` does at length: the server is killed under load, and after
 * the restart every acknowledged write is there and the pool is sound.
 */
import { expect, test } from 'vitest';
import { runRounds } from './sigkill/rounds.ts';

const ROUNDS = 3;

test.each([1, 2])(
  'SIGKILL under load loses nothing that was acknowledged (seed %i)',
  async (seed) => {
    const rounds: string[] = [];
    await runRounds({ seed, rounds: ROUNDS, say: (line) => rounds.push(line) });
    expect(rounds).toHaveLength(ROUNDS);
  },
  240_000,
);
