/**
 * When checkpoints happen: when the journal or the changed pages outgrow a bound, on request, and one at a time. One
 * that fails is reported and tried again when the journal has grown by another bound.
 */
import type { Checkpoint } from './checkpoint.ts';
import type { Committer } from './committer.ts';
import type { Flusher } from './flusher.ts';
import type { JournalSpace } from './medium/medium.ts';
import type { PoolFact } from './pool-types.ts';
import type { TableStore } from './table-store.ts';

export interface CheckpointerOptions {
  readonly checkpoint: Checkpoint;
  readonly committer: Committer;
  readonly flusher: Flusher;
  readonly journal: JournalSpace;
  readonly tables: TableStore;
  readonly journalBytesMax: number;
  readonly dirtyPagesMax: number;
  readonly nowMs: () => number;
  readonly onFact: (fact: PoolFact) => void;
}

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  /** What the journal held when the last checkpoint had ended. */
  #keptBytes: number;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#keptBytes = options.journal.keptBytes;
  }

  /** After each batch: begins a checkpoint when one is due. */
  consider(): void {
    if (this.#running !== undefined) return;
    const { journal, tables, journalBytesMax, dirtyPagesMax } = this.#options;
    const grown = journal.keptBytes - this.#keptBytes;
    if (grown < journalBytesMax && tables.dirtyPages < dirtyPagesMax) return;
    this.run().catch((cause: unknown) => this.#options.onFact({ type: 'checkpoint-failed', cause }));
  }

  /** A checkpoint begun after this call. */
  run(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#startNext(),
      () => this.#startNext(),
    );
    return this.#next;
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
    await flusher.flush();
    const pages = await checkpoint.commit(frozen);
    onFact({ type: 'checkpoint', pages, durationMs: nowMs() - startedMs });
  }
}
