/**
 * A checkpoint of the allocator: exactly the places that tables referenced when it began. Groups that were
 * changed without being in memory are loaded by `prepare`.
 */
import type { MaybePromise } from '../lun/units.ts';
import type { Checksum } from './checksum.ts';
import { type FrozenItems, flattened, type StructureCheckpoint } from './copy-on-change.ts';
import type { GroupCounts } from './group-counts.ts';
import type { GroupTable } from './group-table.ts';
import { allocatorKey, countsKey } from './keys.ts';
import type { MetaChange } from './medium/medium.ts';
import type { PlaceGroup } from './place-group.ts';

const SLICE_ITEMS = 64;

export class AllocatorCheckpoint implements StructureCheckpoint {
  readonly #table: GroupTable;
  readonly #checksum: Checksum;
  readonly #groups: FrozenItems<PlaceGroup>;
  readonly #counts: FrozenItems<GroupCounts>;

  constructor(table: GroupTable, checksum: Checksum) {
    this.#table = table;
    this.#checksum = checksum;
    this.#groups = table.groupChanges.begin();
    this.#counts = table.countChanges.begin();
  }

  prepare(): MaybePromise<void> {
    const loads: Array<Promise<void>> = [];
    for (const group of this.#groups.items) {
      const load = this.#table.fillFrozen(group, (item) => this.#groups.stateOf(item));
      if (load instanceof Promise) loads.push(load);
    }
    return loads.length === 0 ? undefined : Promise.all(loads).then(() => undefined);
  }

  *slices(): Generator<MetaChange[]> {
    const counts = [...this.#counts.items].sort((one, other) => one.chunk - other.chunk);
    for (let from = 0; from < counts.length; from += SLICE_ITEMS) {
      yield counts.slice(from, from + SLICE_ITEMS).map((item) => {
        const value = this.#counts.take(item).encode(this.#checksum);
        return { key: countsKey(item.chunk), value };
      });
    }
    const groups = [...this.#groups.items].sort((one, other) => one.number - other.number);
    for (let from = 0; from < groups.length; from += SLICE_ITEMS) {
      yield groups.slice(from, from + SLICE_ITEMS).map((item) => {
        const value = this.#groups.take(item).encode(this.#checksum);
        return { key: allocatorKey(item.number), value };
      });
    }
  }

  changes(): MetaChange[] {
    return flattened(this.slices());
  }

  committed(): void {
    this.#table.groupChanges.committed();
    this.#table.countChanges.committed();
  }

  failed(): void {
    this.#table.groupChanges.failed();
    this.#table.countChanges.failed();
  }
}
