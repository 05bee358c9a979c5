/** Shows promises 1 to 4 and P3-P5, P11 and P13 at every moment of a small scenario at which it may end. */
import { expect, test } from 'vitest';
import { enumerateCrashes, SMALL_SCENARIO } from './crash-points.ts';

test('whenever a small scenario is killed or loses its power, what was promised is there', async () => {
  const { points, runs } = await enumerateCrashes(SMALL_SCENARIO, 1);
  expect(points).toBeGreaterThan(60);
  expect(runs).toBe(points * 2);
}, 120_000);
