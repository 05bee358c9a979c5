/**
 * Shows that the pool keeps its promises under a seeded scheduler: concurrent commands, structural verbs,
 * kills, power cuts and failing calls, compared with a plain model after every read and every recovery, and
 * checked after every end. More seeds: `npm run simulate -- --seconds 60`. One seed, step by step: `npm run
 * simulate -- --seed N --verbose`.
 */
import { expect, test } from 'vitest';
import { generate } from './generate.ts';
import { failureOf } from './simulate.ts';

const SEEDS = 100;
const SEEDS_EACH = 10;

test.each(Array.from({ length: SEEDS / SEEDS_EACH }, (_, i) => i * SEEDS_EACH + 1))(
  `seeds from %i on, ${SEEDS_EACH} of them`,
  async (first) => {
    for (let seed = first; seed < first + SEEDS_EACH; seed += 1) {
      const failure = await failureOf(generate(seed, { operationsMax: 120 }));
      expect(failure === undefined ? 'clean' : `seed ${seed}: ${failure}`).toBe('clean');
    }
  },
);
