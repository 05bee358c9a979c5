/**
 * Shows that blocks which are read together, again and again, come to lie together, that nobody reads
 * anything else by that, through a crash too, and that what others have a share in stays where it is. How
 * scattered something lies is how many reads of the medium it takes; what it holds is a plain array of bytes.
 */
import { expect, test } from 'vitest';
import { copyBlocks } from '../../../lun/copy-blocks.ts';
import { checkPool } from '../../../snapshot/check.ts';
import type { Medium } from '../../../snapshot/medium/medium.ts';
import { openMemoryMedium } from '../../../snapshot/medium/memory.ts';
import {
  killAndReopen,
  NO_FUA,
  newPool,
  type PoolWorld,
  range,
  readBytes,
  settle,
} from '../../support/pool-world.ts';
import { seededRandom } from '../../support/random.ts';

const BLOCK = 4096;
const BLOCKS = 256;
/** Of one read. */
const PART = 16;

class Disk {
  readonly contents = new Uint8Array(BLOCKS * BLOCK);
  readonly #random = seededRandom(11);
  reads = 0;
  world!: PoolWorld;

  static async scattered(options: { readonly capacityBlocks?: number } = {}): Promise<Disk> {
    const disk = new Disk();
    disk.world = await newPool({ ...options, wrap: (medium) => disk.counting(medium) });
    await disk.world.pool.createVlun({ name: 'a', sizeBytes: BLOCKS * BLOCK, blockBytes: 4096 });
    await disk.scatter();
    return disk;
  }

  counting(medium: Medium): Medium {
    const data = through(medium.data, (name) => {
      if (name === 'read') this.reads += 1;
    });
    return through(medium, () => undefined, { data });
  }

  device(name = 'a'): ReturnType<PoolWorld['pool']['unit']>['device'] {
    return this.world.pool.unit(name).device;
  }

  /** Every block is written, one after the other in no order. */
  async scatter(): Promise<void> {
    const order = Array.from({ length: BLOCKS }, (_, at) => (at * 89) % BLOCKS);
    for (const block of order) await this.write(block, 1);
  }

  async write(block: number, blocks: number): Promise<void> {
    const bytes = this.#random.bytes(blocks * BLOCK);
    this.contents.set(bytes, block * BLOCK);
    await this.device().write(range(block, blocks), bytes, NO_FUA);
  }

  /** Reads all of it in parts, compares it, and counts the reads of the medium. */
  async pass(name = 'a', expected = this.contents): Promise<number> {
    this.reads = 0;
    for (let at = 0; at < BLOCKS; at += PART) {
      const found = await readBytes(this.device(name), at, PART);
      expect(Buffer.compare(found, expected.subarray(at * BLOCK, (at + PART) * BLOCK))).toBe(0);
      await settle();
    }
    return this.reads;
  }

  async passes(count: number, name = 'a', expected = this.contents): Promise<number> {
    let reads = 0;
    for (let i = 0; i < count; i += 1) reads = await this.pass(name, expected);
    return reads;
  }

  async checkClosed(): Promise<void> {
    await this.world.pool.close();
    const { environment, store } = this.world;
    const checksum = (bytes: Uint8Array): number => environment.checksum(bytes);
    const report = await checkPool(openMemoryMedium(store), { checksum, data: true });
    expect(report.errors).toEqual([]);
  }
}

/** The same object, watched; `instead` has other values for some of its properties. */
function through<T extends object>(inner: T, called: (name: string) => void, instead: Partial<T> = {}): T {
  return new Proxy(inner, {
    get: (target, name) => {
      if (Object.hasOwn(instead, name)) return Reflect.get(instead, name) as unknown;
      const found = Reflect.get(target, name, target) as unknown;
      if (typeof found !== 'function') return found;
      return (...words: readonly unknown[]) => {
        called(String(name));
        return found.apply(target, words) as unknown;
      };
    },
  });
}

const IN_ORDER = BLOCKS / PART;

test('what is read in sequence lies in sequence after some reads, and is the same after a crash', async () => {
  const disk = await Disk.scattered();
  expect(await disk.pass()).toBeGreaterThan(BLOCKS - PART);
  expect(await disk.passes(60)).toBe(IN_ORDER);
  await killAndReopen(disk.world);
  await disk.pass();
  await disk.checkClosed();
});

test('a block that is written meanwhile keeps what was written', async () => {
  const disk = await Disk.scattered();
  for (let i = 0; i < 60; i += 1) {
    const at = (i % IN_ORDER) * PART;
    await Promise.all([readBytes(disk.device(), at, PART), disk.write(at + (i % PART), 1)]);
  }
  await disk.pass();
  await killAndReopen(disk.world);
  await disk.pass();
  await disk.checkClosed();
});

test('a VLUN that tracks the one that is put in order keeps what it has of its own', async () => {
  const disk = await Disk.scattered();
  await disk.world.pool.preserve({ name: 'a', newName: 'side' });
  const side = disk.contents.slice();
  const own = new Uint8Array(BLOCK).fill(0x5a);
  for (let block = 3; block < BLOCKS; block += PART) {
    side.set(own, block * BLOCK);
    await disk.device('side').write(range(block, 1), own, NO_FUA);
  }
  expect(await disk.passes(60)).toBe(IN_ORDER);
  await disk.pass('side', side);
  await killAndReopen(disk.world);
  await disk.pass('side', side);
  await disk.checkClosed();
});

test('what a snapshot has stays where it is, and so does what a copy refers to', async () => {
  const disk = await Disk.scattered();
  await disk.world.pool.createSnapshots([{ vlun: 'a', snapshot: 'monday' }]);
  expect(await disk.passes(20)).toBeGreaterThan(BLOCKS - PART);

  const other = await Disk.scattered();
  await other.world.pool.createVlun({ name: 'b', sizeBytes: BLOCKS * BLOCK, blockBytes: 4096 });
  const whole = range(0, BLOCKS);
  await copyBlocks(
    { device: other.device('b'), range: whole },
    { device: other.device(), range: whole },
    NO_FUA,
  );
  expect(await other.passes(20)).toBeGreaterThan(BLOCKS - PART);
  await other.checkClosed();
});

test('nothing is moved in an image that a snapshot froze between the read and the move', async () => {
  for (let turns = 0; turns < 8; turns += 1) {
    const disk = await Disk.scattered();
    const made = disk.world.pool.createSnapshots([{ vlun: 'a', snapshot: 's' }]);
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    await Promise.all(Array.from({ length: IN_ORDER }, (_, at) => readBytes(disk.device(), at * PART, PART)));
    await made;
    await disk.pass();
    await killAndReopen(disk.world);
    await disk.pass();
    expect((await disk.world.pool.usageOf('a')).exclusiveBytes).toBe(0);
  }
});

test('a pool without room for it leaves everything where it is', async () => {
  const disk = await Disk.scattered({ capacityBlocks: BLOCKS + 20 });
  expect(await disk.passes(20)).toBeGreaterThan(BLOCKS - PART);
});
