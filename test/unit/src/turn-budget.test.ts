// Who asks for much waits for another turn of the event loop once this one has taken on enough.
import { expect, test } from 'vitest';
import { TURN_MS_MAX, TurnBudget } from '../../../src/shell/turn-budget.ts';

/** A loop whose turns and time pass by hand. */
class Loop {
  ms = 0;
  #next: Array<() => void> = [];

  nowMs(): number {
    return this.ms;
  }

  after(ms: number, run: () => void): () => void {
    expect(ms).toBe(0);
    this.#next.push(run);
    return () => undefined;
  }

  turn(): void {
    for (const run of this.#next.splice(0)) run();
  }

  get isIdle(): boolean {
    return this.#next.length === 0;
  }
}

test('a turn takes on work for so long, and what comes after that waits for a later one, in order', () => {
  const loop = new Loop();
  const budget = new TurnBudget(loop);
  expect(budget.isSpent(loop.ms)).toBe(false);
  loop.ms += TURN_MS_MAX / 2;
  expect(budget.isSpent(loop.ms)).toBe(false);
  loop.ms += TURN_MS_MAX / 2;
  expect(budget.isSpent(loop.ms)).toBe(true);

  const went: number[] = [];
  const workMs = [0.1, TURN_MS_MAX, 0.1, 0.1];
  for (const [nth, ms] of workMs.entries()) {
    budget.wait(() => {
      went.push(nth);
      loop.ms += ms;
    });
  }
  expect(went, 'nothing goes on in the same turn').toEqual([]);
  loop.turn();
  expect(went).toEqual([0, 1]);
  expect(budget.isSpent(loop.ms), 'others wait already').toBe(true);
  loop.turn();
  expect(went).toEqual([0, 1, 2, 3]);
  loop.turn();
  expect(budget.isSpent(loop.ms)).toBe(false);
});

test('who waits again while it goes on comes in the next turn', () => {
  const loop = new Loop();
  const budget = new TurnBudget(loop);
  let times = 0;
  const again = (): void => {
    times += 1;
    if (times < 3) budget.wait(again);
  };
  budget.wait(again);
  for (const expected of [1, 2, 3, 3]) {
    loop.turn();
    expect(times).toBe(expected);
  }
  expect(loop.isIdle).toBe(true);
});
