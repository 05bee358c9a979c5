/** A checkpoint of the reference counts: their summary and their pages, as they were when it began. */
import type { Checksum } from './checksum.ts';
import {
  type ChangeTracker,
  type FrozenItems,
  flattened,
  type StructureCheckpoint,
} from './copy-on-change.ts';
import { referenceKey, referenceSummaryKey } from './keys.ts';
import type { MetaChange } from './medium/medium.ts';
import type { ReferencePage } from './reference-page.ts';
import type { SummaryChunk } from './summary.ts';

const SLICE_ITEMS = 64;

export interface ReferenceCheckpointOptions {
  readonly pages: ChangeTracker<ReferencePage>;
  readonly chunks: ChangeTracker<SummaryChunk>;
  readonly checksum: Checksum;
}

export class ReferenceCheckpoint implements StructureCheckpoint {
  readonly #options: ReferenceCheckpointOptions;
  readonly #pages: FrozenItems<ReferencePage>;
  readonly #chunks: FrozenItems<SummaryChunk>;

  constructor(options: ReferenceCheckpointOptions) {
    this.#options = options;
    this.#pages = options.pages.begin();
    this.#chunks = options.chunks.begin();
  }

  prepare(): undefined {
    return undefined;
  }

  *slices(): Generator<MetaChange[]> {
    const { checksum } = this.#options;
    const chunks = [...this.#chunks.items].sort((one, other) => one.chunk - other.chunk);
    yield chunks.map((item) => {
      const state = this.#chunks.take(item);
      const value = state.count === 0 ? undefined : state.encode(checksum);
      return { key: referenceSummaryKey(item.chunk), value };
    });
    const pages = [...this.#pages.items].sort((one, other) => one.number - other.number);
    for (let from = 0; from < pages.length; from += SLICE_ITEMS) {
      yield pages.slice(from, from + SLICE_ITEMS).map((item) => {
        const value = this.#pages.take(item).encode(checksum);
        return { key: referenceKey(item.number), value };
      });
    }
  }

  changes(): MetaChange[] {
    return flattened(this.slices());
  }

  committed(): void {
    this.#options.pages.committed();
    this.#options.chunks.committed();
  }

  failed(): void {
    this.#options.pages.failed();
    this.#options.chunks.failed();
  }
}
