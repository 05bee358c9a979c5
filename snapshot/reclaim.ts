/**
 * Giving back the space of dropped images, in the background: page after page through the pipeline, a bounded number at
 * a time with a pause in between, so that it goes on after a restart where it was. When an image has no pages
 * left, a record takes it out of the catalogue.
 */
import type { Piece } from './batch.ts';
import type { Catalogue, ImageObject } from './catalogue.ts';
import type { Committer } from './committer.ts';
import type { StructureWriter } from './structure-writer.ts';
import type { TableStore } from './table-store.ts';

export interface ReclaimerOptions {
  readonly catalogue: Catalogue;
  readonly tables: TableStore;
  readonly committer: Committer;
  readonly structure: StructureWriter;
  readonly pagesPerStep: number;
  readonly pauseMs: number;
  readonly after: (ms: number, run: () => void) => () => void;
  readonly onFailed: (cause: unknown) => void;
}

/** After a step that failed, the next waits this many pauses. */
const FAILED_PAUSES = 100;

export class Reclaimer {
  readonly #options: ReclaimerOptions;
  #cancel: (() => void) | undefined;
  #running = false;
  #stopped = false;

  constructor(options: ReclaimerOptions) {
    this.#options = options;
  }

  /** Data blocks that dropped images still hold. */
  get heldBlocks(): number {
    let blocks = 0;
    for (const { id } of this.#dropped()) blocks += this.#options.tables.imageStats(id).data;
    return blocks;
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#stopped || this.#running || this.#cancel !== undefined) return;
    if (this.#dropped().next().done === true) return;
    this.#schedule(this.#options.pauseMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #schedule(ms: number): void {
    this.#cancel = this.#options.after(ms, () => {
      this.#cancel = undefined;
      this.#running = true;
      this.#step().then(
        () => this.#stepped(),
        (cause: unknown) => this.#failed(cause),
      );
    });
  }

  #stepped(): void {
    this.#running = false;
    this.wake();
  }

  #failed(cause: unknown): void {
    this.#running = false;
    if (this.#stopped) return;
    this.#options.onFailed(cause);
    this.#schedule(this.#options.pauseMs * FAILED_PAUSES);
  }

  async #step(): Promise<void> {
    const image = this.#dropped().next().value as ImageObject | undefined;
    if (image === undefined) return;
    const pages = this.#options.tables.pagesOf(image.id, 0, this.#options.pagesPerStep);
    if (pages.length > 0) await this.#giveBack(image.id, pages);
    else await this.#options.structure.change((draft) => draft.removeImage(image.id));
  }

  #giveBack(image: number, pages: readonly number[]): Promise<void> {
    const pieces = pages.map(
      (page): Piece => ({ kind: 'reclaim', vlun: image, block: page, blocks: 0, place: 0, bytes: undefined }),
    );
    return new Promise((resolve, reject) => {
      this.#options.committer.submit({
        node: undefined,
        pieces,
        dataBytes: 0,
        atomic: false,
        retried: false,
        done: (error) => (error === undefined ? resolve() : reject(error)),
      });
    });
  }

  *#dropped(): Generator<ImageObject, undefined> {
    for (const image of this.#options.catalogue.images.values()) if (image.dropped === true) yield image;
    return undefined;
  }
}
