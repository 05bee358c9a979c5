/**
 * The way of a freed place back to the allocator (SYSTEM.md §6, free). A place may be given away again only
 * when  1. the record that freed it is durable, and a flush mark at or after it is durable too (or a
 * checkpoint that
 *     covers it): before that, recovery might check an older record against the new bytes in the place;
 *  2. every command that may have resolved to it has ended;
 *  3. the discard, where one is made, has completed: a late one would destroy acknowledged data.
 *
 * Whether it goes back to the medium is the trimmer's to decide (trim.ts), later: what is used again soon is
 * still in the cache of a file, and has its blocks there.
 *
 * Freed runs gather in an open batch. A flush closes the batch; the next but one durable mark settles it.
 * What a deleted image frees in a second may be a million runs, so a batch settles slice by slice, with turns
 * of the loop between.
 */
import type { Allocator, Run } from './allocator.ts';
import type { DataSpace } from './medium/medium.ts';
import type { ReaderEpochs } from './reader-epochs.ts';

export interface FreedPlacesOptions {
  readonly allocator: Allocator;
  readonly data: DataSpace;
  readonly epochs: ReaderEpochs;
  readonly after: (ms: number, run: () => void) => () => void;
  /** A discard failed: the run is allocatable all the same, unless the pool fails. */
  readonly onDiscardFailed: (cause: unknown) => void;
}

/** Runs as pairs of place and blocks. */
interface Batch {
  /** The last record that freed one of them. */
  sequence: number;
  runs: number[];
}

/** Runs, and blocks, that become allocatable in one turn of the loop. */
const SLICE_RUNS = 4096;
const SLICE_BLOCKS = 1 << 20;

export class FreedPlaces {
  readonly #options: FreedPlacesOptions;
  #open: Batch = { sequence: 0, runs: [] };
  readonly #closed: Batch[] = [];
  #settling = 0;
  /** Batches that become allocatable now, and how far the first one is through. */
  readonly #leaving: Batch[] = [];
  #leftRuns = 0;
  readonly #whenSettled: Array<() => void> = [];
  #onFree: (place: number, blocks: number) => void = () => undefined;

  constructor(options: FreedPlacesOptions) {
    this.#options = options;
  }

  /** Places were freed and are not allocatable yet. */
  get waiting(): boolean {
    return this.#needsMark || this.#settling > 0;
  }

  /** Places wait for a durable mark. */
  get needsMark(): boolean {
    return this.#needsMark;
  }

  /** The places lost their entries through the record of this sequence; they are busy in the allocator. */
  add({ place, blocks }: Run, sequence: number): void {
    const { runs } = this.#open;
    this.#open.sequence = sequence;
    const last = runs.length - 2;
    if (last >= 0 && (runs[last] as number) + (runs[last + 1] as number) === place) {
      runs[last + 1] = (runs[last + 1] as number) + blocks;
    } else {
      runs.push(place, blocks);
    }
  }

  /** A flush begins: what is freed from now on belongs to a later one. */
  closeBatch(): void {
    if (this.#open.runs.length === 0) return;
    this.#closed.push(this.#open);
    this.#open = { sequence: 0, runs: [] };
  }

  /** Every record up to this sequence is durable, and so is a mark or checkpoint that says so. */
  durable(sequence: number): void {
    while (this.#closed[0] !== undefined && this.#closed[0].sequence <= sequence) {
      const batch = this.#closed.shift() as Batch;
      this.#settling += 1;
      this.#options.epochs.whenQuiet(() => this.#settle(batch));
    }
  }

  /**
   * After a replay, before anything else: the life that wrote the journal may have used a place again that
   * one of its records had freed. So a place goes only once, and only if it has no entry now.
   */
  async keepUnreferenced(): Promise<void> {
    this.closeBatch();
    const places = new Set<number>();
    for (const { runs } of this.#closed.splice(0)) {
      for (let at = 0; at < runs.length; at += 2) {
        const place = runs[at] as number;
        for (let i = 0; i < (runs[at + 1] as number); i += 1) places.add(place + i);
      }
    }
    for (const place of [...places].sort((a, b) => a - b)) {
      if (!(await this.#options.allocator.isReferenced(place))) this.add({ place, blocks: 1 }, 0);
    }
  }

  /** Calls `run` when everything that is on its way by now has become allocatable. */
  whenSettled(run: () => void): void {
    if (this.#settling === 0) run();
    else this.#whenSettled.push(run);
  }

  /** Calls `listener` with every run that has become free. */
  onFree(listener: (place: number, blocks: number) => void): void {
    this.#onFree = listener;
  }

  /**
   * Discards runs that were taken in the allocator for this alone, one after the other and while `goOn` says
   * so. Then all of them are free again. Never fails; why the first discard did that failed, if one did.
   */
  async giveBack(runs: readonly Run[], goOn: () => boolean): Promise<unknown> {
    this.#settling += 1;
    let failure: unknown;
    for (const { place, blocks } of runs) {
      if (goOn()) failure ??= await this.#discard(place, blocks);
      this.#options.allocator.abandon(place, blocks);
    }
    this.#settled();
    return failure;
  }

  get #needsMark(): boolean {
    return this.#open.runs.length > 0 || this.#closed.length > 0;
  }

  #settle(batch: Batch): void {
    this.#leaving.push(batch);
    if (this.#leaving.length === 1) this.#settleSlice();
  }

  #settleSlice(): void {
    let blocksLeft = SLICE_BLOCKS;
    let runsLeft = SLICE_RUNS;
    for (let batch = this.#leaving[0]; batch !== undefined; batch = this.#leaving[0]) {
      const { runs } = batch;
      for (; this.#leftRuns < runs.length; this.#leftRuns += 2) {
        if (runsLeft <= 0 || blocksLeft <= 0) {
          this.#options.after(0, () => this.#settleSlice());
          return;
        }
        const blocks = runs[this.#leftRuns + 1] as number;
        this.#becameFree(runs[this.#leftRuns] as number, blocks);
        runsLeft -= 1;
        blocksLeft -= blocks;
      }
      this.#leaving.shift();
      this.#leftRuns = 0;
      this.#settled();
    }
  }

  #becameFree(place: number, blocks: number): void {
    this.#options.allocator.abandon(place, blocks);
    this.#onFree(place, blocks);
  }

  /** Never fails: a run that could not be discarded is merely not given back. */
  async #discard(place: number, blocks: number): Promise<unknown> {
    try {
      await this.#options.data.discard(place, blocks);
      return undefined;
    } catch (cause) {
      this.#options.onDiscardFailed(cause);
      return cause;
    }
  }

  #settled(): void {
    this.#settling -= 1;
    if (this.#settling > 0) return;
    for (const run of this.#whenSettled.splice(0)) run();
  }
}
