/**
 * The range lock agrees with a list that is searched anew each time: who is granted, when, and who waits
 * (P8).
 */
import { expect, test } from 'vitest';
import { type LockRange, RangeLock, type Ticket } from '../../../snapshot/range-lock.ts';
import { type Random, seededRandom } from '../../support/random.ts';

interface Wish {
  readonly ranges: readonly LockRange[];
  readonly exclusive: boolean;
  /** Granted, as the lock said. */
  ticket: Ticket | undefined;
  readonly granted: (ticket: Ticket) => void;
}

/** In the order of arrival; a wish is granted when no earlier one in the list conflicts with it. */
class Model {
  readonly wishes: Wish[] = [];

  conflicts(ranges: readonly LockRange[], exclusive: boolean, before: number): boolean {
    return this.wishes
      .slice(0, before)
      .some(
        (earlier) =>
          (exclusive || earlier.exclusive) &&
          earlier.ranges.some((one) =>
            ranges.some((other) => one.first <= other.last && other.first <= one.last),
          ),
      );
  }

  shouldHold(): boolean[] {
    return this.wishes.map(({ ranges, exclusive }, at) => !this.conflicts(ranges, exclusive, at));
  }
}

/** Short ranges near each other, some long, some very wide; also far up, where numbers pass 2^32. */
function someRange(random: Random): LockRange {
  const base = random.pick([0, 0, 0, 2 ** 33]);
  const first = base + random.below(random.pick([8, 100, 3000]));
  return { first, last: first + random.pick([0, 0, 1, 7, 40, 600, 100_000]) };
}

class World {
  readonly lock = new RangeLock();
  readonly model = new Model();
  readonly random: Random;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  ask(): void {
    const { random } = this;
    const ranges = Array.from({ length: random.pick([1, 1, 1, 3]) }, () => someRange(random));
    const exclusive = random.chance(0.5);
    const wish: Wish = {
      ranges,
      exclusive,
      ticket: undefined,
      granted: (ticket) => {
        expect(wish.ticket).toBeUndefined();
        wish.ticket = ticket;
      },
    };
    const [range] = ranges;
    if (ranges.length === 1 && range !== undefined) {
      const free = !this.model.conflicts(ranges, exclusive, this.model.wishes.length);
      expect(this.lock.isFree(range.first, range.last, exclusive)).toBe(free);
      wish.ticket = this.lock.acquire(range.first, range.last, exclusive, wish.granted);
    } else {
      wish.ticket = this.lock.acquireMany(ranges, exclusive, wish.granted);
    }
    this.model.wishes.push(wish);
  }

  end(): void {
    const at = this.random.below(this.model.wishes.length);
    const wish = this.model.wishes[at];
    if (wish === undefined) return;
    this.model.wishes.splice(at, 1);
    if (wish.ticket !== undefined) this.lock.release(wish.ticket);
    else expect(this.lock.cancel(wish.granted)).toBe(true);
  }

  compare(): void {
    const holds = this.model.wishes.map(({ ticket }) => ticket !== undefined);
    expect(holds).toEqual(this.model.shouldHold());
    expect(this.lock.held).toBe(holds.filter(Boolean).length);
    expect(this.lock.waiting).toBe(holds.length - this.lock.held);
  }
}

/** With more than 32 in flight, the lock spreads them over more slots. */
const CASES = Array.from({ length: 12 }, (_, at) => ({ seed: at + 1, wishes: at % 4 === 3 ? 240 : 40 }));

test.each(CASES)('grants agree with the model, seed $seed, $wishes wishes', ({ seed, wishes }) => {
  const world = new World(seed);
  for (let step = 0; step < 1500; step += 1) {
    if (world.random.below(wishes) >= world.model.wishes.length) world.ask();
    else world.end();
    world.compare();
  }
  while (world.model.wishes.length > 0) {
    world.end();
    world.compare();
  }
  expect([world.lock.held, world.lock.waiting]).toEqual([0, 0]);
});

test('a writer is not starved by readers that keep coming', () => {
  const lock = new RangeLock();
  const told: string[] = [];
  const first = lock.acquire(0, 9, false, () => told.push('never')) as Ticket;
  expect(lock.acquire(5, 5, true, () => told.push('writer'))).toBeUndefined();
  expect(lock.acquire(5, 5, false, () => told.push('reader'))).toBeUndefined();
  expect(lock.acquire(6, 9, false, () => told.push('never'))).toBeDefined();
  lock.release(first);
  expect(told).toEqual(['writer']);
});

test('a queue keeps its order when the lock spreads over more slots', () => {
  const lock = new RangeLock();
  const granted: Ticket[] = [];
  const told = (ticket: Ticket): void => void granted.push(ticket);
  for (let at = 0; at < 200; at += 1) {
    // A function of its own for each, as the lock wants it.
    const ticket = lock.acquire(7, 7, true, (one) => told(one));
    if (ticket !== undefined) told(ticket);
  }
  for (let at = 0; at < 200; at += 1) {
    expect(granted.length).toBe(at + 1);
    expect(lock.held).toBe(1);
    lock.release(granted[at] as Ticket);
  }
  expect([lock.held, lock.waiting]).toEqual([0, 0]);
});

test('a long queue of commands that complete at once does not nest, and keeps its order', () => {
  const lock = new RangeLock();
  const order: number[] = [];
  const first = lock.acquire(7, 7, true, () => undefined) as Ticket;
  for (let at = 0; at < 50_000; at += 1) {
    lock.acquire(7, 7, true, (ticket) => {
      order.push(at);
      lock.release(ticket);
    });
  }
  lock.release(first);
  expect(order).toEqual(Array.from({ length: 50_000 }, (_, at) => at));
  expect([lock.held, lock.waiting]).toEqual([0, 0]);
});

test('a function that throws is our own fault and loses nobody else', () => {
  const lock = new RangeLock();
  const told: string[] = [];
  const first = lock.acquire(1, 1, true, () => undefined) as Ticket;
  lock.acquire(1, 1, false, () => {
    throw new TypeError('thrown by the test');
  });
  lock.acquire(1, 1, false, () => told.push('second'));
  expect(() => lock.release(first)).toThrow('thrown by the test');
  expect(told).toEqual(['second']);
});

test('a ticket is released once, and only a waiting request can be cancelled', () => {
  const lock = new RangeLock();
  const granted = (): void => undefined;
  const ticket = lock.acquire(1, 2, true, granted) as Ticket;
  expect(lock.cancel(granted)).toBe(false);
  lock.release(ticket);
  expect(() => lock.release(ticket)).toThrow('released once');
});
