/**
 * When checkpoints happen: when the journal, in bytes or in records, or the changed pages outgrow a bound, on
 * request, and one at a time. While one runs and the next is due several times over, changes wait for it: so
 * memory and journal stay bounded however slow the medium is. One that fails is reported, and tried again
 * after a pause.
 */
import type { Checkpoint } from './checkpoint.ts';
import type { Committer } from './committer.ts';
import type { Flusher } from './flusher.ts';
import type { JournalSpace } from './medium/medium.ts';
import type { PoolFact } from './pool-types.ts';
import type { ReferenceCounts } from './reference-counts.ts';
import type { TableStore } from './table-store.ts';

export interface CheckpointerOptions {
  readonly checkpoint: Checkpoint;
  readonly committer: Committer;
  readonly flusher: Flusher;
  readonly journal: JournalSpace;
  readonly tables: TableStore;
  readonly references: ReferenceCounts;
  readonly journalBytesMax: number;
  readonly journalRecordsMax: number;
  readonly dirtyPagesMax: number;
  readonly nowMs: () => number;
  readonly onFact: (fact: PoolFact) => void;
}

/**
 * Changes wait when pages or journal have outgrown their bounds by this factor and a checkpoint is running.
 */
const PRESSURE_FACTOR = 1.75;
/** After a failure no checkpoint begins by itself for this long. */
const FAILED_PAUSE_MS = 1000;

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  /** What the journal held when the last checkpoint had ended. */
  #keptBytes: number;
  /** The last record that a checkpoint covers. */
  #coveredSequence: number;
  #notBeforeMs = 0;
  /** Ends when checkpoints may begin again. */
  #held: Promise<void> | undefined;
  /** The running one has passed the pipeline, and ends without it. */
  #frozen = false;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#keptBytes = options.journal.keptBytes;
    this.#coveredSequence = options.committer.sequence;
  }

  /** After each batch: begins a checkpoint when one is due. */
  consider(): void {
    if (this.#running !== undefined || this.#held !== undefined || !this.#isOutgrown(1)) return;
    const { nowMs, onFact } = this.#options;
    if (nowMs() < this.#notBeforeMs) return;
    this.run().catch((cause: unknown) => {
      this.#notBeforeMs = nowMs() + FAILED_PAUSE_MS;
      onFact({ type: 'checkpoint-failed', cause });
    });
  }

  /** Before each batch: what it has to wait for, if anything. */
  pressure(): Promise<void> | undefined {
    if (this.#running === undefined || !this.#frozen) return undefined;
    if (!this.#isOutgrown(PRESSURE_FACTOR)) return undefined;
    return this.#running.catch(reported);
  }

  #isOutgrown(factor: number): boolean {
    const { committer, journal, tables, references, ...bounds } = this.#options;
    const { journalBytesMax, journalRecordsMax, dirtyPagesMax } = bounds;
    if (tables.dirtyPages + references.dirtyPages >= dirtyPagesMax * factor) return true;
    if (committer.sequence - this.#coveredSequence >= journalRecordsMax * factor) return true;
    return journal.keptBytes - this.#keptBytes >= journalBytesMax * factor;
  }

  /** A checkpoint begun after this call. */
  run(): Promise<void> {
    if (this.#held !== undefined) return this.#held.then(() => this.run());
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#startNext(),
      () => this.#startNext(),
    );
    return this.#next;
  }

  /** Takes a checkpoint, and lets none begin until `work` has ended. One such work at a time. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    while (this.#held !== undefined) await this.#held;
    let release = (): void => undefined;
    this.#held = new Promise((resolve) => {
      release = resolve;
    });
    try {
      while (this.#running !== undefined) await this.#running.catch(reported);
      await this.#start();
      return await work();
    } finally {
      this.#held = undefined;
      release();
      this.consider();
    }
  }

  #startNext(): Promise<void> {
    this.#next = undefined;
    return this.#start();
  }

  #start(): Promise<void> {
    const running = this.#once();
    this.#running = running;
    const ended = (): void => {
      this.#keptBytes = this.#options.journal.keptBytes;
      if (this.#running === running) this.#running = undefined;
    };
    running.then(ended, ended);
    return running;
  }

  async #once(): Promise<void> {
    const { checkpoint, committer, flusher, nowMs, onFact } = this.#options;
    const startedMs = nowMs();
    const frozen = await committer.atBoundary(() => checkpoint.freezeAtBoundary(committer));
    this.#frozen = true;
    try {
      await flusher.flush();
      const pages = await checkpoint.commit(frozen);
      this.#coveredSequence = frozen.state.sequence;
      onFact({ type: 'checkpoint', pages, durationMs: nowMs() - startedMs });
    } finally {
      this.#frozen = false;
    }
  }
}

/** Whoever began the checkpoint is told of its failure. */
function reported(): undefined {
  return undefined;
}
