/**
 * A checkpoint of the redirect tables: counters, summary chunks and pages as they were when it began, sorted
 * by key. Sorted commits are several times faster than random ones, and pages are many: they are gathered by
 * page number, the numbers are sorted as a typed array, and each slice takes a bounded number of items.
 */
import type { MaybePromise } from '../lun/units.ts';
import type { Checksum } from './checksum.ts';
import { type FrozenItems, flattened, type StructureCheckpoint } from './copy-on-change.ts';
import type { ImageStats } from './image-table.ts';
import { imageKey, summaryKey, tableKey } from './keys.ts';
import type { MetaChange } from './medium/medium.ts';
import type { SummaryChunk } from './summary.ts';
import { encodePage, type TablePage } from './table-page.ts';

const SLICE_ITEMS = 64;
const GATHER_ITEMS = 4096;

export interface FrozenTables {
  readonly stats: FrozenItems<ImageStats>;
  readonly chunks: FrozenItems<SummaryChunk>;
  readonly pages: FrozenItems<TablePage>;
}

export interface TableCheckpointOptions {
  readonly frozen: FrozenTables;
  readonly checksum: Checksum;
  readonly committed: () => void;
  readonly failed: () => void;
}

export class TableCheckpoint implements StructureCheckpoint {
  readonly #frozen: FrozenTables;
  readonly #checksum: Checksum;
  readonly committed: () => void;
  readonly failed: () => void;

  constructor(options: TableCheckpointOptions) {
    this.#frozen = options.frozen;
    this.#checksum = options.checksum;
    this.committed = options.committed;
    this.failed = options.failed;
  }

  prepare(): MaybePromise<void> {
    return undefined;
  }

  changes(): MetaChange[] {
    return flattened(this.slices());
  }

  *slices(): Generator<MetaChange[]> {
    yield* this.#statsSlices();
    yield* this.#chunkSlices();
    yield* this.#pageSlices();
  }

  *#statsSlices(): Generator<MetaChange[]> {
    const { stats } = this.#frozen;
    const sorted = [...stats.items].sort((one, other) => one.image - other.image);
    for (let from = 0; from < sorted.length; from += SLICE_ITEMS) {
      yield sorted.slice(from, from + SLICE_ITEMS).map((item) => {
        const state = stats.take(item);
        const value = state.entries === 0 ? undefined : state.encode(this.#checksum);
        return { key: imageKey(item.image), value };
      });
    }
  }

  *#chunkSlices(): Generator<MetaChange[]> {
    const { chunks } = this.#frozen;
    const sorted = [...chunks.items].sort((one, other) => one.image - other.image || one.chunk - other.chunk);
    for (let from = 0; from < sorted.length; from += SLICE_ITEMS) {
      yield sorted.slice(from, from + SLICE_ITEMS).map((item) => {
        const state = chunks.take(item);
        const value = state.count === 0 ? undefined : state.encode(this.#checksum);
        return { key: summaryKey(item.image, item.chunk), value };
      });
    }
  }

  *#pageSlices(): Generator<MetaChange[]> {
    const { pages } = this.#frozen;
    const byNumber = new Map<number, TablePage | TablePage[]>();
    for (let at = 0; at < pages.items.length; at += 1) {
      const page = pages.items[at] as TablePage;
      const same = byNumber.get(page.page);
      if (same === undefined) byNumber.set(page.page, page);
      else if (Array.isArray(same)) same.push(page);
      else byNumber.set(page.page, [same, page]);
      if (at % GATHER_ITEMS === GATHER_ITEMS - 1) yield [];
    }
    const numbers = Float64Array.from(byNumber.keys()).sort();
    yield [];
    let slice: MetaChange[] = [];
    for (const number of numbers) {
      const found = byNumber.get(number) as TablePage | TablePage[];
      const images = Array.isArray(found) ? found.sort((one, other) => one.image - other.image) : [found];
      for (const item of images) {
        const state = pages.take(item);
        const value = state.entries === 0 ? undefined : encodePage(state, this.#checksum);
        slice.push({ key: tableKey(item.page, item.image), value });
        if (slice.length < SLICE_ITEMS) continue;
        yield slice;
        slice = [];
      }
    }
    yield slice;
  }
}
