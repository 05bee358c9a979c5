/**
 * The allocator agrees with plain sets of places under any order of calls, checkpoints, failures and
 * restarts.
 */
import { expect, test } from 'vitest';
import { Allocator, type Run } from '../../../snapshot/allocator.ts';
import type { StructureCheckpoint } from '../../../snapshot/copy-on-change.ts';
import { plainChecksum } from '../../support/plain-checksum.ts';
import { PlainMeta } from '../../support/plain-meta.ts';
import { type Random, seededRandom } from '../../support/random.ts';

const GROUP = 16_384;
const CAPACITY_BLOCKS = 6 * GROUP + 1000;

class World {
  readonly meta = new PlainMeta();
  readonly random: Random;
  readonly busy: Run[] = [];
  referenced: Run[] = [];
  committed: Run[] = [];
  capacityBlocks = CAPACITY_BLOCKS;
  allocator!: Allocator;
  open: { checkpoint: StructureCheckpoint; referenced: Run[] } | undefined;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.meta.slow = seed % 2 === 1;
  }

  async load(): Promise<void> {
    this.busy.length = 0;
    this.open = undefined;
    this.referenced = [...this.committed];
    // A bound of two groups, so that the others are cold.
    const options = {
      meta: this.meta,
      checksum: plainChecksum,
      capacityBlocks: this.capacityBlocks,
      cacheBytes: 9300,
    };
    this.allocator = await Allocator.load(options);
  }

  /** A run out of the list, perhaps cut in two with one part put back. */
  draw(runs: Run[]): Run | undefined {
    const { random } = this;
    const at = random.below(runs.length);
    const run = runs[at];
    if (run === undefined) return undefined;
    runs[at] = runs[runs.length - 1] as Run;
    runs.pop();
    if (run.blocks === 1 || random.chance(0.3)) return run;
    const blocks = random.between(1, run.blocks - 1);
    runs.push({ place: run.place + blocks, blocks: run.blocks - blocks });
    return { place: run.place, blocks };
  }

  async allocate(): Promise<void> {
    const { random, allocator } = this;
    const wanted = random.pick([1, 1, 8, 100, 256, 3000, 40_000]);
    const free = allocator.freeBlocks;
    if (wanted > free) {
      expect(() => allocator.allocate(wanted)).toThrow('free blocks');
      return;
    }
    const runs = await allocator.allocate(wanted);
    expect(runs.reduce((sum, run) => sum + run.blocks, 0)).toBe(wanted);
    this.busy.push(...runs);
    expect(allocator.freeBlocks).toBe(free - wanted);
  }

  allocateRun(): void {
    const blocks = this.random.pick([1, 8, 64, 256]);
    const run = this.allocator.allocateRun(blocks);
    if (run === undefined) return;
    expect(run.blocks).toBe(blocks);
    this.busy.push(run);
  }

  reference(): void {
    const run = this.draw(this.busy);
    if (run === undefined) return;
    this.allocator.reference(run.place, run.blocks);
    this.referenced.push(run);
  }

  release(): void {
    const run = this.draw(this.referenced);
    if (run === undefined) return;
    this.allocator.release(run.place, run.blocks);
    this.busy.push(run);
  }

  abandon(): void {
    const run = this.draw(this.busy);
    if (run !== undefined) this.allocator.abandon(run.place, run.blocks);
  }

  begin(): void {
    if (this.open !== undefined) return;
    this.open = { checkpoint: this.allocator.beginCheckpoint(), referenced: [...this.referenced] };
  }

  async end(): Promise<void> {
    if (this.open === undefined) return;
    const { checkpoint, referenced } = this.open;
    const prepared = checkpoint.prepare();
    for (let count = this.random.below(4); count > 0; count -= 1) this.release();
    await prepared;
    const changes = [];
    for (const slice of checkpoint.slices()) {
      changes.push(...slice);
      if (this.random.chance(0.5)) this.release();
    }
    this.meta.failNextCommit = this.random.chance(0.25);
    try {
      await this.meta.commit(changes);
      checkpoint.committed();
      this.committed = referenced;
    } catch {
      checkpoint.failed();
    }
    this.open = undefined;
  }

  /** Every place is in one list at most, inside the space, and the counts are those of the lists. */
  compare(): void {
    const seen = new Uint8Array(this.capacityBlocks);
    for (const { place, blocks } of [...this.busy, ...this.referenced]) {
      for (let at = place; at < place + blocks; at += 1) seen[at] = (seen[at] as number) + 1;
    }
    expect(seen.every((count) => count < 2)).toBe(true);
    expect([seen[0], seen[1]]).toEqual([0, 0]);
    const total = (runs: readonly Run[]): number => runs.reduce((sum, run) => sum + run.blocks, 0);
    const { referencedBlocks, busyBlocks, freeBlocks } = this.allocator;
    const [referenced, busy] = [total(this.referenced), total(this.busy)];
    expect({ referencedBlocks, busyBlocks, freeBlocks }).toEqual({
      referencedBlocks: referenced,
      busyBlocks: busy,
      freeBlocks: this.capacityBlocks - 2 - referenced - busy,
    });
  }

  /** The stored bitmaps, read from their bytes, are the committed references. */
  compareStored(): void {
    const expected = new Uint8Array(this.capacityBlocks);
    for (const { place, blocks } of this.committed) expected.fill(1, place, place + blocks);
    const stored = new Uint8Array(this.capacityBlocks);
    for (const [key, value] of this.meta.entries) {
      if (!key.startsWith('62')) continue;
      const base = Number.parseInt(key.slice(2), 16) * GROUP;
      for (let at = 0; at < GROUP; at += 1) {
        const set = value[5] === 1 || (((value[16 + (at >>> 3)] as number) >>> (at & 7)) & 1) === 1;
        if (set) stored[base + at] = 1;
      }
    }
    expect(Buffer.compare(stored, expected)).toBe(0);
  }

  grow(): void {
    this.capacityBlocks += this.random.between(1, GROUP);
    this.allocator.grow(this.capacityBlocks);
  }

  async step(): Promise<void> {
    const dice = this.random.below(100);
    if (dice < 26) await this.allocate();
    else if (dice < 30) this.allocateRun();
    else if (dice < 50) this.reference();
    else if (dice < 65) this.release();
    else if (dice < 84) this.abandon();
    else if (dice < 90) this.begin();
    else if (dice < 96) await this.end();
    else if (dice < 97) await this.load();
    else if (dice < 98 && this.capacityBlocks < 2 * CAPACITY_BLOCKS) this.grow();
    else this.compare();
  }
}

test.each(Array.from({ length: 12 }, (_, at) => at + 1))(
  'random calls agree with the model, seed %i',
  async (seed) => {
    const world = new World(seed);
    await world.load();
    for (let step = 0; step < 800; step += 1) await world.step();
    world.compare();
    world.begin();
    await world.end();
    world.compareStored();
    await world.load();
    world.compare();
    // Every place that is left can be had, and not one more.
    const left = world.allocator.freeBlocks;
    if (left > 0) world.busy.push(...(await world.allocator.allocate(left)));
    expect(() => world.allocator.allocate(1)).toThrow('free blocks');
    world.compare();
  },
);

async function emptyAllocator(capacityBlocks: number): Promise<{ meta: PlainMeta; allocator: Allocator }> {
  const meta = new PlainMeta();
  return { meta, allocator: await Allocator.load({ meta, checksum: plainChecksum, capacityBlocks }) };
}

test('what is allocated one after the other lies one after the other, over the borders of groups', async () => {
  const { allocator } = await emptyAllocator(10 * GROUP);
  let expected = 2;
  for (let count = 0; count < 300; count += 1) {
    expect(await allocator.allocate(256)).toEqual([{ place: expected, blocks: 256 }]);
    expected += 256;
  }
});

test('a run is taken whole, and the space is extended for it where only scattered places are free', async () => {
  const { allocator } = await emptyAllocator(10 * GROUP);
  const [all] = await allocator.allocate(GROUP - 2);
  for (let place = 2; place < GROUP; place += 2) allocator.abandon(place, 1);
  expect(all).toEqual({ place: 2, blocks: GROUP - 2 });
  expect(allocator.allocateRun(16)).toEqual({ place: GROUP, blocks: 16 });
  expect(allocator.allocateRun(16)).toEqual({ place: GROUP + 16, blocks: 16 });
  expect(allocator.allocateRun(10 * GROUP)).toBeUndefined();
});

test('freed space is used again before the never used part grows, once a quarter below is free', async () => {
  const { allocator } = await emptyAllocator(1000 * GROUP);
  let highest = 0;
  const live: number[] = [];
  const random = seededRandom(5);
  for (let count = 0; count < 12 * GROUP; count += 1) {
    const [run] = await allocator.allocate(1);
    highest = Math.max(highest, (run as Run).place);
    live.push((run as Run).place);
    if (live.length <= 3 * GROUP) continue;
    const at = random.below(live.length);
    allocator.abandon(live[at] as number, 1);
    live[at] = live[live.length - 1] as number;
    live.pop();
  }
  expect(highest).toBeLessThan(6 * GROUP);
});

test('allocations that wait for a load keep what they were promised, and a failed load gives everything back', async () => {
  const { meta, allocator } = await emptyAllocator(2 * GROUP);
  const [first] = await allocator.allocate(2 * GROUP - 2);
  const { place, blocks } = first as Run;
  allocator.reference(place, blocks);
  for (let at = place; at < place + blocks; at += 2) {
    allocator.release(at, 1);
    allocator.abandon(at, 1);
  }
  const checkpoint = allocator.beginCheckpoint();
  await meta.commit(checkpoint.changes());
  checkpoint.committed();
  const reloaded = await Allocator.load({ meta, checksum: plainChecksum, capacityBlocks: 2 * GROUP });
  meta.slow = true;
  const free = reloaded.freeBlocks;
  const one = reloaded.allocate(free - 10);
  const two = reloaded.allocate(10);
  expect(() => reloaded.allocate(1)).toThrow('free blocks');
  const places = (await Promise.all([one, two]))
    .flat()
    .flatMap((run) => Array.from({ length: run.blocks }, (_, at) => run.place + at));
  expect(new Set(places).size).toBe(free);
  const damaged = await Allocator.load({ meta, checksum: plainChecksum, capacityBlocks: 2 * GROUP });
  (meta.entries.get('6200000001') as Uint8Array)[20] = 0xfe;
  await expect(damaged.allocate(free)).rejects.toThrow('group 1 is damaged');
  expect([damaged.freeBlocks, damaged.busyBlocks]).toEqual([free, 0]);
});

test('a place is referenced once and released once', async () => {
  const { allocator } = await emptyAllocator(GROUP);
  const [run] = await allocator.allocate(4);
  const { place } = run as Run;
  allocator.reference(place, 4);
  expect(() => allocator.reference(place + 3, 1)).toThrow('referenced once');
  allocator.release(place, 1);
  expect(() => allocator.release(place, 1)).toThrow('released is referenced');
  expect(() => allocator.abandon(place + 1, 1)).toThrow('abandoned is busy');
  expect(() => allocator.reference(0, 1)).toThrow('lie in the space');
});
