/** The brake against a clock and a load of this test's own: what is waited for, and what is reached. */
import { expect, test } from 'vitest';
import { Brake, PRESSURE_FACTOR } from '../../../snapshot/brake.ts';

const CHECKPOINT_MS = 800;

/** Batches one behind the other, beside a checkpoint like the last one: what they reach, and wait for. */
function reached(load: { readonly batchMs: number; readonly perBatch: number }) {
  const brake = new Brake();
  brake.stored(1, CHECKPOINT_MS);
  brake.began(0);
  const waits: number[] = [];
  let share = 0;
  for (let nowMs = 0; nowMs < CHECKPOINT_MS && share < PRESSURE_FACTOR; nowMs += load.batchMs) {
    const waitMs = brake.waitMs(share);
    if (waitMs > 0) waits.push(waitMs);
    nowMs += waitMs;
    share += load.perBatch;
  }
  return { share, waits };
}

test('a load that checkpoints keep up with is never slowed down', () => {
  const { share, waits } = reached({ batchMs: 1, perBatch: 1 / CHECKPOINT_MS });
  expect(share).toBeGreaterThan(0.99);
  expect(waits).toEqual([]);
});

test('a load that is faster waits often and shortly, and is not stopped', () => {
  for (const times of [1.5, 2, 3, 6]) {
    const { share, waits } = reached({ batchMs: 1, perBatch: times / CHECKPOINT_MS });
    expect(share).toBeGreaterThan(1);
    expect(share).toBeLessThan(PRESSURE_FACTOR);
    expect(Math.max(...waits)).toBeLessThan(20);
    expect(waits.length).toBeGreaterThan(10);
  }
});

test('what changes much at once waits for long, but never longer than twenty milliseconds', () => {
  const { waits } = reached({ batchMs: 1, perBatch: 0.15 });
  expect(Math.max(...waits)).toBe(20);
});

test('nothing is owed from one checkpoint to the next', () => {
  const brake = new Brake();
  brake.stored(1, 10);
  brake.began(0);
  expect(brake.waitMs(1.1)).toBeGreaterThan(1);
  brake.began(0.2);
  expect(brake.waitMs(1)).toBe(0);
});
