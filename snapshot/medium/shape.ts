/**
 * A medium for shape benchmarks: tables and journal where another medium keeps them, data dropped. It shows
 * what depth, fan-out and table size cost at capacities for which no data would fit. Every block reads as
 * zeroes, so only zeroes may be written: a block's checksum must still be that of what is read back.
 */
import assert from 'node:assert';
import { type DataSpace, type Medium, type Place, type PlacedWrite, POOL_BLOCK_BYTES } from './medium.ts';
import { assertRun, type MemoryOptions, type MemoryStore, openMemoryMedium } from './memory.ts';

/** Opens a store in memory, or a new one, whose data is dropped; else as `openMemoryMedium`. */
export function openShapeMedium(form: MemoryOptions | MemoryStore): Medium {
  return withoutData(openMemoryMedium(form));
}

/** The medium as it is, but for the data, which is dropped. */
export function withoutData(medium: Medium): Medium {
  return {
    description: `${medium.description}, without data`,
    lease: medium.lease,
    data: new DroppedData(medium.data),
    journal: medium.journal,
    meta: medium.meta,
    dropCaches: () => medium.dropCaches(),
    close: () => medium.close(),
  };
}

class DroppedData implements DataSpace {
  readonly #inner: DataSpace;

  constructor(inner: DataSpace) {
    this.#inner = inner;
  }

  get capacityBlocks(): number {
    return this.#inner.capacityBlocks;
  }

  read(place: Place, into: Uint8Array): void {
    assertRun({ place, bytes: into.byteLength, capacityBlocks: this.capacityBlocks });
    into.fill(0);
  }

  write(writes: readonly PlacedWrite[]): void {
    for (const { place, bytes } of writes) {
      assertRun({ place, bytes: bytes.byteLength, capacityBlocks: this.capacityBlocks });
      assert(bytes[0] === 0 && bytes[bytes.byteLength - 1] === 0, 'a shape benchmark writes zeroes');
    }
  }

  discard(place: Place, blocks: number): void {
    const bytes = blocks * POOL_BLOCK_BYTES;
    if (blocks > 0) assertRun({ place, bytes, capacityBlocks: this.capacityBlocks });
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  grow(capacityBlocks: number): Promise<void> {
    return this.#inner.grow(capacityBlocks);
  }
}
