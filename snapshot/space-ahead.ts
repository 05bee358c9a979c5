/**
 * Takes space of the medium a little ahead of the writes. Where a sparse file has no block yet, the kernel
 * reserves one under the lock of the file's extents, and while a flush gives what was written before its
 * blocks it holds that lock: the event loop was seen to wait 270 ms in a write for it. So the groups of
 * places after those in use get their blocks before they are written to. A pool within its first group takes
 * none.
 */
import type { Allocator } from './allocator.ts';
import type { DataSpace } from './medium/medium.ts';
import { GROUP_PLACES } from './place-group.ts';

/** Groups of places, 64 MiB each, prepared above those that were ever used. */
const GROUPS_AHEAD = 2;
const GROUPS_MIN = 2;

export interface SpaceAheadOptions {
  readonly allocator: Pick<Allocator, 'usedGroups' | 'capacityBlocks'>;
  readonly data: Pick<DataSpace, 'prepare'>;
}

export class SpaceAhead {
  readonly #options: SpaceAheadOptions;
  #preparedGroups: number;

  /** What lies below has its space, or was given back on purpose. */
  constructor(options: SpaceAheadOptions) {
    this.#options = options;
    this.#preparedGroups = options.allocator.usedGroups;
  }

  /** To be called after places were given away. */
  look(): void {
    const { allocator, data } = this.#options;
    const { usedGroups, capacityBlocks } = allocator;
    if (usedGroups + GROUPS_AHEAD <= this.#preparedGroups || usedGroups < GROUPS_MIN) return;
    const first = Math.max(this.#preparedGroups, usedGroups - 1) * GROUP_PLACES;
    this.#preparedGroups = usedGroups + GROUPS_AHEAD;
    const end = Math.min(this.#preparedGroups * GROUP_PLACES, capacityBlocks);
    if (first < end) data.prepare?.(first, end - first);
  }
}
