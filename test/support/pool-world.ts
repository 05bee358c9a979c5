/**
 * A pool for tests: over a medium in memory, with time and turns in the test's hands. `defer` is a turn of
 * the real loop; timers run only when the test advances the clock.
 */
import xxhash from '@node-rs/xxhash';
import type { BlockDevice } from '../../lun/block-device.ts';
import type { BlockRange } from '../../lun/units.ts';
import type { Medium } from '../../snapshot/medium/medium.ts';
import { MemoryStore, openMemoryMedium } from '../../snapshot/medium/memory.ts';
import { Pool } from '../../snapshot/pool.ts';
import type { PoolEnvironment, PoolFact, PoolOptions } from '../../snapshot/pool-types.ts';
import { ManualTimers } from './manual-timers.ts';
import { seededRandom } from './random.ts';

export { settle } from './manual-timers.ts';

export class TestEnvironment implements PoolEnvironment {
  readonly facts: PoolFact[] = [];
  readonly #timers = new ManualTimers(1_700_000_000_000);
  readonly #random = seededRandom(7);

  nowMs(): number {
    return this.#timers.nowMs;
  }

  defer(run: () => void): void {
    setImmediate(run);
  }

  after(ms: number, run: () => void): () => void {
    return this.#timers.after(ms, run);
  }

  checksum(bytes: Uint8Array): number {
    return Number(xxhash.xxh64(bytes) & 0xffffffffn);
  }

  randomBytes(count: number): Uint8Array {
    return this.#random.bytes(count);
  }

  onFact(fact: PoolFact): void {
    this.facts.push(fact);
  }

  /** Runs what is due within this time, in order. */
  advance(ms: number): Promise<void> {
    return this.#timers.advance(ms);
  }
}

export interface PoolWorld {
  readonly store: MemoryStore;
  readonly environment: TestEnvironment;
  pool: Pool;
  medium: Medium;
}

export async function newPool(
  options: Partial<PoolOptions> & {
    readonly capacityBlocks?: number;
    /** Stands between the pool and its medium. */
    readonly wrap?: (medium: Medium) => Medium;
  } = {},
): Promise<PoolWorld> {
  const { capacityBlocks = 1 << 20, wrap = (medium) => medium, ...bounds } = options;
  const store = new MemoryStore({ capacityBlocks });
  const environment = new TestEnvironment();
  const medium = wrap(openMemoryMedium(store));
  return { store, environment, medium, pool: await Pool.create(medium, environment, bounds) };
}

/** As after the death of the process: the medium as it is, opened by the next. */
export async function killAndReopen(world: PoolWorld, options: Partial<PoolOptions> = {}): Promise<void> {
  world.store.abandon();
  world.medium = openMemoryMedium(world.store);
  world.pool = await Pool.open(world.medium, world.environment, options);
}

export const NO_FUA = { fua: false } as const;

export function range(lba: number, blocks: number): BlockRange {
  return { lba, blocks } as BlockRange;
}

export async function readBytes(device: BlockDevice, lba: number, blocks: number): Promise<Uint8Array> {
  const into = new Uint8Array(blocks * device.geometry.blockBytes).fill(0xee);
  await device.read(range(lba, blocks), into);
  return into;
}

/** Writes one byte value over a range. */
export async function fill(device: BlockDevice, at: BlockRange, value: number): Promise<void> {
  const bytes = new Uint8Array(at.blocks * device.geometry.blockBytes).fill(value);
  await device.write(at, bytes, NO_FUA);
}
