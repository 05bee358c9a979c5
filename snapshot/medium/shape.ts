/**
 * A medium for shape benchmarks: tables and journal in memory, data dropped. It shows what depth, fan-out
 * and table size cost at capacities for which no data would fit. Every block reads as zeroes, so only
 * zeroes may be written: a block's checksum must still be that of what is read back.
 */
import assert from 'node:assert';
import { type DataSpace, type Medium, type Place, type PlacedWrite, POOL_BLOCK_BYTES } from './medium.ts';
import { assertRun, type MemoryOptions, type MemoryStore, openMemoryMedium } from './memory.ts';

/** Opens a store, or a new one, whose data is dropped; else as `openMemoryMedium`. */
export function openShapeMedium(form: MemoryOptions | MemoryStore): Medium {
  const memory = openMemoryMedium(form);
  return {
    description: 'shape',
    lease: memory.lease,
    data: new DroppedData(memory.data),
    journal: memory.journal,
    meta: memory.meta,
    dropCaches: () => memory.dropCaches(),
    close: () => memory.close(),
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
