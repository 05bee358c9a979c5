/**
 * What goes on in the background with images that nobody needs by themselves any more: dropped ones are given
 * back, hidden ones merged or swept (image-relations.ts). Page after page through the pipeline, in steps of a
 * bounded length, so that it goes on after a restart where it was; when an image has no pages left, a record
 * takes it out of the catalogue.
 *
 * Nobody waits for the background, so it flushes nothing by itself: a verb that comes meanwhile would wait
 * for that flush and then for its own. What a power loss takes of its records is done again.
 *
 * A step takes as many pages as fit into a few milliseconds. While commands come in as well, steps are short,
 * whatever they take (they wait for commands then, so their time says nothing), and a pause follows each;
 * unless space is running out. Steps wait while more pages have changed than two checkpoints are to hold.
 */
import type { HiddenImages } from './apply-merge.ts';
import type { Piece } from './batch.ts';
import type { Catalogue } from './catalogue.ts';
import type { Committer } from './committer.ts';
import { type HiddenImage, ImageRelations, mergedChild } from './image-relations.ts';
import type { StructureWriter } from './structure-writer.ts';
import { Sweeps } from './sweeps.ts';
import type { TableStore } from './table-store.ts';

export interface ReclaimerOptions {
  readonly catalogue: Catalogue;
  readonly tables: TableStore;
  readonly hidden: HiddenImages;
  readonly committer: Committer;
  readonly structure: StructureWriter;
  readonly pagesPerStep: number;
  readonly pauseMs: number;
  /** Reads of commands, counted. */
  readonly reads: () => number;
  /** Whether space is running out. */
  readonly hurries: () => boolean;
  readonly dirtyPagesMax: number;
  readonly nowMs: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
  /** Begins a checkpoint where one is due. */
  readonly considerCheckpoint: () => void;
  readonly onFailed: (cause: unknown) => void;
}

/** An image on which a step failed is left alone for this many pauses. */
const FAILED_PAUSES = 100;
/** A step that takes longer is followed by a smaller one. */
const STEP_MS = 2;
/** Records of a step and the flushes around it; more than these were commands. */
const OWN_RECORDS_MAX = 3;
/** Between two looks whether a checkpoint has come; after one that failed that takes a second. */
const CHECKPOINT_LOOK_MS = 1;
/** Pages of a step beside commands: full ones take 3 ms, those with an entry each a tenth of that. */
const BUSY_PAGES = 16;

type Task =
  | { readonly kind: 'reclaim'; readonly image: number }
  | { readonly kind: 'merge' | 'sweep'; readonly image: number; readonly hidden: HiddenImage };

export class Reclaimer {
  readonly #options: ReclaimerOptions;
  readonly #sweeps: Sweeps;
  /** Images on which a step failed. */
  readonly #failing = new Set<number>();
  #pages: number;
  /** What had come in when the last step ended. */
  #sequence = 0;
  #reads = 0;
  #busy = false;
  #cancel: (() => void) | undefined;
  #running = false;
  #stopped = false;

  constructor(options: ReclaimerOptions) {
    this.#options = options;
    this.#sweeps = new Sweeps(options.tables);
    this.#pages = options.pagesPerStep;
  }

  /** Data blocks that dropped images still hold. */
  get heldBlocks(): number {
    let blocks = 0;
    for (const { id, dropped } of this.#options.catalogue.images.values()) {
      if (dropped === true) blocks += this.#options.tables.imageStats(id).data;
    }
    return blocks;
  }

  /** Images that are still to be given back or merged. */
  get backlogImages(): number {
    const { catalogue, hidden } = this.#options;
    let images = hidden.relations.merges.size;
    for (const { dropped } of catalogue.images.values()) if (dropped === true) images += 1;
    return images;
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#stopped || this.#running || this.#cancel !== undefined) return;
    const { pauseMs, hurries } = this.#options;
    if (this.#next() === undefined) {
      if (this.#failing.size > 0) this.#schedule(pauseMs * FAILED_PAUSES, () => this.#failing.clear());
      return;
    }
    this.#look();
    this.#schedule(this.#busy && !hurries() ? pauseMs : 0, () => undefined);
  }

  /** Whether commands came in since it was last asked. */
  #look(): void {
    const { committer, reads } = this.#options;
    this.#busy = committer.sequence - this.#sequence > OWN_RECORDS_MAX || reads() !== this.#reads;
    this.#sequence = committer.sequence;
    this.#reads = reads();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #schedule(ms: number, before: () => void): void {
    this.#cancel = this.#options.after(ms, () => {
      this.#cancel = undefined;
      before();
      this.#begin();
    });
  }

  #begin(): void {
    const { tables, dirtyPagesMax, pauseMs, considerCheckpoint } = this.#options;
    const task = this.#next();
    if (task === undefined) {
      this.wake();
      return;
    }
    if (tables.dirtyPages > 2 * dirtyPagesMax) {
      considerCheckpoint();
      this.#schedule(Math.max(pauseMs, CHECKPOINT_LOOK_MS), () => undefined);
      return;
    }
    this.#running = true;
    this.#timed(task).then(
      () => this.#ended(),
      (cause: unknown) => this.#failed(task, cause),
    );
  }

  #ended(): void {
    this.#running = false;
    this.wake();
  }

  #failed(task: Task, cause: unknown): void {
    if (!this.#stopped) this.#options.onFailed(cause);
    this.#failing.add(task.image);
    this.#ended();
  }

  #next(): Task | undefined {
    const { catalogue, hidden } = this.#options;
    for (const { id, dropped } of catalogue.images.values()) {
      if (dropped === true && !this.#failing.has(id)) return { kind: 'reclaim', image: id };
    }
    const { relations } = hidden;
    const merge = relations.nextMerge(this.#failing);
    if (merge !== undefined) return { kind: 'merge', image: merge.image.id, hidden: merge };
    const sweep = this.#sweeps.next(relations.sweeps, this.#failing);
    return sweep === undefined ? undefined : { kind: 'sweep', image: sweep.image.id, hidden: sweep };
  }

  async #timed(task: Task): Promise<void> {
    const { nowMs, pagesPerStep } = this.#options;
    const startedMs = nowMs();
    await this.#step(task, this.#busy ? Math.min(BUSY_PAGES, this.#pages) : this.#pages);
    if (this.#busy) return;
    if (nowMs() - startedMs > STEP_MS) this.#pages = Math.max(1, Math.floor(this.#pages / 2));
    else this.#pages = Math.min(pagesPerStep, this.#pages * 2);
  }

  async #step(task: Task, pagesMax: number): Promise<void> {
    const { tables, structure } = this.#options;
    if (task.kind === 'sweep') {
      const pages = this.#sweeps.pages(task.hidden, pagesMax);
      if (pages.length > 0) await this.#change(task, pages);
      return;
    }
    const pages = tables.pagesOf(task.image, 0, pagesMax);
    if (pages.length > 0) await this.#change(task, pages);
    else if (task.kind === 'merge') await this.#finishMerge(task.hidden);
    else await structure.record((draft) => draft.removeImage(task.image));
  }

  /** The image is empty: it goes, and its child takes its place. Unless a verb came first. */
  async #finishMerge(merge: HiddenImage): Promise<void> {
    const { structure, tables } = this.#options;
    const { id } = merge.image;
    await structure.record((draft) => {
      const now = new ImageRelations(draft).merges.get(id);
      if (now === undefined || tables.pagesOf(id, 0, 1).length > 0) return;
      draft.putImage(mergedChild(now));
      draft.removeImage(id);
    });
  }

  #change(task: Task, pages: readonly number[]): Promise<void> {
    const { hidden, committer } = this.#options;
    const place = task.kind === 'merge' ? (task.hidden.children[0]?.id ?? 0) : 0;
    const pieces = pages.map(
      (page): Piece => ({
        kind: task.kind,
        vlun: task.image,
        block: page,
        blocks: 0,
        place,
        bytes: undefined,
      }),
    );
    return new Promise((resolve, reject) => {
      committer.submit({
        node: undefined,
        pieces,
        stands: (piece) => hidden.stands(piece),
        dataBytes: 0,
        atomic: false,
        tries: 0,
        done: (error) => (error === undefined ? resolve() : reject(error)),
      });
    });
  }
}
