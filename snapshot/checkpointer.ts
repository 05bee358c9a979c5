/**
 * When checkpoints happen: when the journal, in bytes or in records, or the changed pages outgrow a bound, on
 * request, and one at a time. While one runs and the next is due as well, changes are slowed down (brake.ts),
 * and at last wait for it: so memory and journal stay bounded however slow the medium is. One that fails is
 * reported, and tried again after a pause.
 */
import { Brake, PRESSURE_FACTOR } from './brake.ts';
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
  readonly after: (ms: number, run: () => void) => () => void;
  readonly onFact: (fact: PoolFact) => void;
}

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
  readonly #brake = new Brake();

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#keptBytes = options.journal.keptBytes;
    this.#coveredSequence = options.committer.sequence;
  }

  /** After each batch: begins a checkpoint when one is due. */
  consider(): void {
    if (this.#running !== undefined || this.#held !== undefined || this.#share < 1) return;
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
    const share = this.#share;
    if (share >= PRESSURE_FACTOR) return this.#running.catch(reported);
    const waitMs = this.#brake.waitMs(share);
    if (waitMs === 0) return undefined;
    return new Promise((resolve) => this.#options.after(waitMs, resolve));
  }

  /** How far the bounds are reached; 1: a checkpoint is due. */
  get #share(): number {
    const { committer, journal, tables, references } = this.#options;
    const { dirtyPagesMax, journalRecordsMax, journalBytesMax } = this.#options;
    return Math.max(
      (tables.dirtyPages + references.dirtyPages) / dirtyPagesMax,
      (committer.sequence - this.#coveredSequence) / journalRecordsMax,
      (journal.keptBytes - this.#keptBytes) / journalBytesMax,
    );
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
    const { frozen, share } = await committer.atBoundary(async () => {
      const reached = this.#share;
      return { share: reached, frozen: await checkpoint.freezeAtBoundary(committer) };
    });
    this.#frozen = true;
    this.#brake.began(this.#share);
    try {
      await flusher.flush();
      const pages = await checkpoint.commit(frozen);
      this.#coveredSequence = frozen.state.sequence;
      const durationMs = nowMs() - startedMs;
      this.#brake.stored(share, durationMs);
      onFact({ type: 'checkpoint', pages, durationMs });
    } finally {
      this.#frozen = false;
    }
  }
}

/** Whoever began the checkpoint is told of its failure. */
function reported(): undefined {
  return undefined;
}
