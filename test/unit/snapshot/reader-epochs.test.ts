/**
 * A function waits exactly for the commands that ran when it was handed over, in the plainest possible
 * reckoning.
 */
import { expect, test } from 'vitest';
import { ReaderEpochs } from '../../../snapshot/reader-epochs.ts';
import { seededRandom } from '../../support/random.ts';

test('a function runs at once when nothing runs', () => {
  const epochs = new ReaderEpochs();
  let ran = 0;
  epochs.whenQuiet(() => {
    ran += 1;
  });
  expect(ran).toBe(1);
});

test('commands that begin later do not hold a function up', () => {
  const epochs = new ReaderEpochs();
  const early = epochs.enter();
  let ran = 0;
  epochs.whenQuiet(() => {
    ran += 1;
  });
  epochs.enter();
  expect(ran).toBe(0);
  epochs.leave(early);
  expect([ran, epochs.running]).toEqual([1, 1]);
});

test.each([1, 2, 3, 4])('agrees with sets of running commands, seed %i', (seed) => {
  const random = seededRandom(seed);
  const epochs = new ReaderEpochs();
  const running: Array<{ readonly id: number; readonly number: number }> = [];
  const waiting: Array<{ readonly name: number; readonly for: Set<number> }> = [];
  const ran: number[] = [];
  const expected: number[] = [];
  // Functions run in the order of the calls, so one whose commands are gone still waits for those before it.
  const settle = (): void => {
    while (waiting[0]?.for.size === 0) expected.push((waiting.shift() as { name: number }).name);
  };
  for (let step = 0; step < 4000; step += 1) {
    const dice = random.below(10);
    if (dice < 4 && running.length < 12) running.push({ id: step, number: epochs.enter() });
    else if (dice < 7) {
      const [command] = running.splice(random.below(running.length), 1);
      if (command === undefined) continue;
      for (const each of waiting) each.for.delete(command.id);
      settle();
      epochs.leave(command.number);
    } else {
      waiting.push({ name: step, for: new Set(running.map(({ id }) => id)) });
      settle();
      epochs.whenQuiet(() => ran.push(step));
    }
    expect(ran, `step ${step}`).toEqual(expected);
    expect(epochs.running).toBe(running.length);
  }
});
