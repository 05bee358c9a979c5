// The limits of a unit, with the clock in the test's hands. The oracle is arithmetic: no more begins in any
// stretch of time than the rate times its length and a burst; while something waits, no less than the rate.
import { describe, expect, test } from 'vitest';
import type { UnitLimits } from '../../../../lun/logical-unit.ts';
import { Pace } from '../../../../protocol/scsi/pace.ts';
import type { ScsiTask } from '../../../../protocol/scsi/task.ts';
import { ManualTimers } from '../../../support/manual-timers.ts';
import { seededRandom } from '../../../support/random.ts';
import { task } from './harness.ts';

const READ_10 = [0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0];
const TEST_UNIT_READY = [0, 0, 0, 0, 0, 0];
const KIB = 1024;
/** The documented burst: what comes in a tenth of a second. */
const BURST_SECONDS = 0.1;

/** What began, when, in order. */
class World {
  readonly timers = new ManualTimers(5_000);
  readonly pace = new Pace({
    nowMs: () => this.timers.nowMs,
    after: (ms, run) => this.timers.after(ms, run),
  });
  readonly begun: { readonly task: ScsiTask; readonly atMs: number }[] = [];
  readonly gone: ScsiTask[] = [];

  constructor(limits: UnitLimits) {
    this.pace.limit(limits);
  }

  send(one: ScsiTask, owner: object = this): void {
    const begin = (): void => void this.begun.push({ task: one, atMs: this.timers.nowMs });
    const movesBlocks = one.cdb[0] === READ_10[0];
    if (!this.pace.isLimited || this.pace.admits(one, movesBlocks)) begin();
    else this.pace.hold({ owner, task: one, movesBlocks, start: begin, gone: () => this.gone.push(one) });
  }

  reads(count: number, bytes = 4 * KIB, owner: object = this): void {
    for (let nth = 0; nth < count; nth += 1) this.send(task(READ_10, { room: bytes }), owner);
  }
}

describe('Limits of a unit', () => {
  test('so many commands begin in a second, in order, after a burst of a tenth of that', async () => {
    const world = new World({ iopsMax: 100 });
    world.reads(64);
    expect(world.begun.length).toBe(10);
    await world.timers.advance(200);
    expect(world.begun.length).toBeGreaterThanOrEqual(29);
    expect(world.begun.length).toBeLessThanOrEqual(31);
    await world.timers.advance(10_000);
    const tags = world.begun.map((one) => one.task.tag);
    expect(tags).toEqual([...tags].sort((a, b) => a - b));
    expect([tags.length, world.pace.waiting, world.pace.heldCommands]).toEqual([64, 0, 54]);
    // The n-th that waited did so for n / 100 s: 54 × 55 / 2 of them.
    expect(world.pace.heldMs).toBeGreaterThan(14_000);
    expect(world.pace.heldMs).toBeLessThan(15_000);
  });

  test('bytes count by what a command carries, and one larger than the burst comes to its turn', async () => {
    const world = new World({ throughputMaxBytes: 1024 * KIB });
    world.reads(1, 4096 * KIB);
    world.reads(2, 4 * KIB);
    expect(world.begun.length).toBe(1);
    // 4 MiB at 1 MiB a second, of which a tenth was there.
    await world.timers.advance(3_890);
    expect(world.begun.length).toBe(1);
    await world.timers.advance(20);
    expect(world.begun.length).toBe(3);
  });

  test.each([1, 2, 3])('hold in every stretch of time, whatever comes when (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const limits = { iopsMax: 200, throughputMaxBytes: 2048 * KIB };
    const world = new World(limits);
    let sent = 0;
    for (let step = 0; step < 60; step += 1) {
      const count = random.below(12);
      sent += count;
      for (let nth = 0; nth < count; nth += 1) world.reads(1, (1 + random.below(16)) * 4 * KIB);
      await world.timers.advance(random.below(40));
    }
    await world.timers.advance(60_000);
    const { begun } = world;
    expect(begun.length).toBe(sent);
    const largest = 64 * KIB;
    const excess = { commands: Number.NEGATIVE_INFINITY, bytes: Number.NEGATIVE_INFINITY };
    for (let from = 0; from < begun.length; from += 1) {
      let bytes = 0;
      for (let to = from; to < begun.length; to += 1) {
        const one = begun[to] as (typeof begun)[number];
        const seconds = (one.atMs - (begun[from]?.atMs ?? 0)) / 1000 + BURST_SECONDS;
        bytes += one.task.dataInBytesMax;
        excess.commands = Math.max(excess.commands, to - from + 1 - limits.iopsMax * seconds);
        excess.bytes = Math.max(excess.bytes, bytes - limits.throughputMaxBytes * seconds);
      }
    }
    // The last one may go into debt.
    expect(excess.commands).toBeLessThan(1.001);
    expect(excess.bytes).toBeLessThan(largest + 1);
  });

  test('nothing waits longer than the rate wants while others wait too', async () => {
    const world = new World({ iopsMax: 1_000 });
    world.reads(2_000);
    await world.timers.advance(1_000);
    // 100 at once and 1,000 since; a timer rounds up to a millisecond, which is one command.
    expect(world.begun.length).toBeGreaterThanOrEqual(1_095);
    expect(world.begun.length).toBeLessThanOrEqual(1_101);
  });

  test('what moves no blocks passes, HEAD OF QUEUE passes, ORDERED keeps its place and those after it wait', () => {
    const world = new World({ iopsMax: 10 });
    world.reads(3);
    const begun = (): number => world.begun.length;
    expect(begun()).toBe(1);
    world.send(task(TEST_UNIT_READY));
    world.send(task(READ_10, { attribute: 'head-of-queue' }));
    expect(begun()).toBe(3);
    const ordered = task(TEST_UNIT_READY, { attribute: 'ordered' });
    world.send(ordered);
    world.send(task(TEST_UNIT_READY));
    expect([begun(), world.pace.waiting]).toEqual([3, 4]);
    expect(world.pace.cancel(world, ordered.tag)).toBe(true);
    world.send(task(TEST_UNIT_READY));
    expect(begun()).toBe(4);
  });

  test('an ORDERED command begins after those before it and before those after it', async () => {
    const world = new World({ iopsMax: 10 });
    world.reads(3);
    const ordered = task(TEST_UNIT_READY, { attribute: 'ordered' });
    world.send(ordered);
    world.reads(1);
    await world.timers.advance(5_000);
    expect(world.begun.map((one) => one.task.tag).indexOf(ordered.tag)).toBe(3);
    expect(world.begun.length).toBe(5);
  });

  test('what waits can be taken back, one by one or all of one nexus', async () => {
    const world = new World({ iopsMax: 10 });
    const [a, b] = [{}, {}];
    world.reads(3, 4096, a);
    world.reads(2, 4096, b);
    const last = task(READ_10);
    world.send(last, a);
    expect([world.pace.cancel(b, last.tag), world.pace.cancel(a, last.tag)]).toEqual([false, true]);
    world.pace.cancelAll(a);
    await world.timers.advance(10_000);
    expect([world.begun.length, world.pace.waiting]).toEqual([3, 0]);
  });

  test('what waits for a nexus that is shown the unit no more never begins, and is told', async () => {
    const world = new World({ iopsMax: 10 });
    const [a, b] = [{}, {}];
    world.reads(3, 4096, a);
    world.reads(1, 4096, b);
    world.pace.dismiss(a);
    await world.timers.advance(10_000);
    expect([world.begun.length, world.gone.length, world.pace.waiting]).toEqual([2, 2, 0]);
  });

  test('other limits count at once, and without any nothing waits', async () => {
    const world = new World({ iopsMax: 1 });
    world.reads(200);
    world.pace.limit({ iopsMax: 1_000 });
    await world.timers.advance(50);
    expect(world.begun.length).toBeGreaterThan(140);
    world.pace.limit({});
    expect([world.begun.length, world.pace.isLimited]).toEqual([200, false]);
  });
});
