/**
 * Group flush. A flush makes data and journal durable in parallel; when both have succeeded, everything that
 * stood in the journal when it began is durable, and a mark that says so is appended. The mark itself becomes
 * durable with the next flush; only then may places freed before it be used again (free.ts).
 *
 * A caller waits for a flush begun after its call; all who call while one is running share the next. By
 * itself the pool flushes some time after the first change, or after some amount of data, so that this is the
 * most that a power loss can take. A failed flush proves nothing ever again: the pool fails.
 *
 * What no durable mark covers an opening has to read and compare. That is bounded too: when the medium
 * flushes more slowly than it writes, writes wait for it.
 */
import type { StoreError } from '../lun/errors.ts';
import type { MaybePromise } from '../lun/units.ts';
import type { Committer } from './committer.ts';
import type { FreedPlaces } from './free.ts';
import type { DataSpace, JournalSpace } from './medium/medium.ts';

export interface FlusherOptions {
  readonly data: DataSpace;
  readonly journal: JournalSpace;
  readonly committer: Committer;
  readonly freed: FreedPlaces;
  readonly after: (ms: number, run: () => void) => () => void;
  readonly intervalMs: number;
  readonly bytesMax: number;
  readonly unflushedBytesMax: number;
  readonly onFailure: (why: string, cause: unknown) => void;
}

export class Flusher {
  readonly #options: FlusherOptions;
  /** Flushes of data and journal that succeeded. */
  flushes = 0;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  /** The last record that is more than a mark. */
  #dirtySequence: number;
  #durableSequence: number;
  /** What the last mark appended says is durable. */
  #markedSequence: number;
  #durableMark: number;
  #marking: Promise<void> | undefined;
  #dirtyBytes = 0;
  /** All that was ever written, and how much of it the last mark and the last durable mark cover. */
  #writtenBytes = 0;
  #markedBytes = 0;
  #durablyMarkedBytes = 0;
  #cancelTimer: (() => void) | undefined;
  /** Why nothing is flushed any more. */
  #refusal: StoreError | undefined;

  constructor(options: FlusherOptions) {
    this.#options = options;
    this.#dirtySequence = options.committer.sequence;
    this.#durableSequence = options.committer.sequence;
    this.#markedSequence = options.committer.sequence;
    this.#durableMark = options.committer.sequence;
  }

  /** Records were appended and applied. */
  wrote(dataBytes: number): void {
    this.#dirtySequence = this.#options.committer.sequence;
    this.#dirtyBytes += dataBytes;
    this.#writtenBytes += dataBytes;
    if (this.#dirtyBytes >= this.#options.bytesMax) {
      this.#dirtyBytes = 0;
      this.#request().catch(reported);
    }
    if (this.#cancelTimer === undefined) this.#arm();
  }

  /** Everything that stands in the journal now is durable when it completes. */
  flush(): MaybePromise<void> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    return this.#durableSequence >= this.#dirtySequence ? undefined : this.#request();
  }

  /** Before each batch: what it has to wait for, if anything. */
  pressure(): Promise<void> | undefined {
    const unflushedBytes = this.#writtenBytes - this.#durablyMarkedBytes;
    return unflushedBytes < this.#options.unflushedBytesMax ? undefined : this.#request().catch(reported);
  }

  /** Makes places that wait to be freed allocatable; undefined when none do. */
  makeRoom(): Promise<void> | undefined {
    return this.#options.freed.waiting ? this.#makeRoom() : undefined;
  }

  /**
   * The pool failed or is closed: no flush begins any more, and none that is under way says that anything is
   * durable. A flush that succeeds after one that failed proves nothing (SYSTEM promise 8).
   */
  refuse(refusal: StoreError): void {
    this.#refusal ??= refusal;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  async #makeRoom(): Promise<void> {
    await this.#request();
    await this.#marking;
    await this.#request();
    await new Promise<void>((resolve) => this.#options.freed.whenSettled(resolve));
  }

  #arm(): void {
    if (this.#refusal !== undefined) return;
    this.#cancelTimer = this.#options.after(this.#options.intervalMs, () => {
      this.#cancelTimer = undefined;
      const dirty = this.#dirtySequence > this.#durableSequence;
      if (!dirty && !this.#options.freed.needsMark) return;
      this.#request().then(() => this.#armWhileWaiting(), reported);
    });
  }

  /** Freed places wait for one more flush, even when nothing is written any more. */
  #armWhileWaiting(): void {
    if (this.#cancelTimer === undefined && this.#options.freed.needsMark) this.#arm();
  }

  #request(): Promise<void> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#start();
    });
    return this.#next;
  }

  #start(): Promise<void> {
    const running = this.#flushOnce();
    this.#running = running;
    const ended = (): void => {
      if (this.#running === running) this.#running = undefined;
    };
    running.then(ended, ended);
    return running;
  }

  async #flushOnce(): Promise<void> {
    const { committer, freed, data, journal } = this.#options;
    const { sequence } = committer;
    const marked = this.#markedSequence;
    const markedBytes = this.#markedBytes;
    const writtenBytes = this.#writtenBytes;
    freed.closeBatch();
    this.#dirtyBytes = 0;
    try {
      await Promise.all([data.flush(), journal.flush()]);
    } catch (cause) {
      this.#options.onFailure('a flush failed', cause);
      throw cause;
    }
    if (this.#refusal !== undefined) throw this.#refusal;
    this.flushes += 1;
    this.#durableSequence = Math.max(this.#durableSequence, sequence);
    if (marked > this.#durableMark) {
      this.#durableMark = marked;
      this.#durablyMarkedBytes = markedBytes;
      freed.durable(marked);
    }
    if (sequence > marked && this.#dirtySequence > marked) this.#mark(sequence, writtenBytes);
  }

  #mark(sequence: number, writtenBytes: number): void {
    const { committer } = this.#options;
    this.#marking = committer
      .atBoundary(() => committer.appendAlone((encoder) => encoder.mark(sequence)))
      .then(() => {
        if (sequence <= this.#markedSequence) return;
        this.#markedSequence = sequence;
        this.#markedBytes = writtenBytes;
      }, reported);
  }
}

/** The failure was reported to the pool where it arose; whoever waits for this one is told by it. */
function reported(): undefined {
  return undefined;
}
