/**
 * The one pipeline through which everything changes. Intents gather during a turn of the loop; a drain takes
 * what is there, up to a bound of bytes, as one batch:
 *
 *   make resident the table pages the batch changes → allocate → one data write of all runs → one journal
 *   append of all records → apply them in order → complete the intents
 *
 * From end to end that is synchronous where the medium is; while one batch is under way the next one gathers.
 * Nothing else changes tables, allocator or catalogue. So "the image is the VLUN's live image at that place
 * of the journal" holds by construction: a structural verb is a boundary, a batch of its own.
 *
 * A data write that fails costs the commands it belonged to: their places are abandoned, the others go on.
 * A failed append fails the pool, and so does every fault of our own from then on: nothing is acknowledged.
 */
import assert from 'node:assert';
import { StoreError } from '../lun/errors.ts';
import type { MaybePromise } from '../lun/units.ts';
import type { Allocator } from './allocator.ts';
import type { Applier } from './apply.ts';
import { Batch, type Intent, type PlacedIntent } from './batch.ts';
import { CommitQueue } from './commit-queue.ts';
import type { RecordEncoder } from './journal-record.ts';
import { JournalWriter, type JournalWriterOptions } from './journal-writer.ts';
import type { DataSpace } from './medium/medium.ts';
import { Starving, type StarvingOptions } from './starving.ts';
import type { Views, VlunNode } from './views.ts';

export interface CommitterOptions extends JournalWriterOptions, StarvingOptions {
  readonly data: DataSpace;
  readonly allocator: Allocator;
  readonly applier: Applier;
  readonly views: Views;
  readonly checksum: (bytes: Uint8Array) => number;
  readonly defer: (run: () => void) => void;
  /** Runs `run` in the next turn of the loop. */
  readonly nextTurn: (run: () => void) => void;
  readonly batchBytes: number;
  readonly recordBytes: number;
  /** What a batch has to wait for before it begins; undefined: nothing. */
  readonly pressure: () => Promise<void> | undefined;
  /** How many blocks a command of this VLUN may take; of none: one without a reservation. */
  readonly allowedBlocks: (node: VlunNode | undefined) => number;
  /** Whether blocks may be shared by reference now. */
  readonly mayShare: () => boolean;
  /** Told after each batch how many bytes of data it stored. */
  readonly onBatch: (dataBytes: number) => void;
}

/** Most changes in one batch: of 4 KiB each, the medium in files writes so many without a thread. */
export const BATCH_CHANGES_MAX = 64;
/** Most that begin in one turn: where many have gathered, reads and other initiators wait no longer. */
const TURN_CHANGES_MAX = 2 * BATCH_CHANGES_MAX;

/** What a change that shares blocks is told where that is not allowed. */
export const NOT_SHARED = new StoreError('NO_SPACE', 'Blocks are not shared where space is reserved.');

interface Boundary {
  readonly run: () => MaybePromise<void>;
  readonly reject: (cause: unknown) => void;
}

type Item = Intent | Boundary;

interface Starved {
  readonly intent: Intent;
  readonly cause: unknown;
}

export class Committer {
  readonly #options: CommitterOptions;
  readonly #writer: JournalWriter;
  readonly #queue = new CommitQueue<Item>();
  #scheduled = false;
  #busy = false;
  readonly #starving: Starving;
  #failure: StoreError | undefined;
  /** The last record that stands in the journal and in the tables. */
  #sequence: number;
  readonly #whenIdle: Array<() => void> = [];
  readonly #whenQuiet: Array<() => void> = [];

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#writer = new JournalWriter(options);
    this.#starving = new Starving(options, (intent) => this.#push(intent));
    this.#sequence = options.encoder.sequence;
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** Checksum of the last record; the next one names it as its predecessor. */
  get previous(): number {
    return this.#writer.previous;
  }

  /** Takes a change of blocks; `intent.done` is called once, when it stands or has failed. */
  submit(intent: Intent): void {
    this.#push(intent);
  }

  /** Runs `run` alone, after everything submitted before and before everything submitted after. */
  atBoundary<T>(run: () => MaybePromise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const runAndTell = (): MaybePromise<void> => {
        const result = run();
        if (result instanceof Promise) return result.then(resolve);
        resolve(result);
        return undefined;
      };
      this.#push({ run: runAndTell, reject });
    });
  }

  /** Inside a boundary: one record of its own. Its sequence, once it stands in the journal. */
  appendAlone(encode: (encoder: RecordEncoder) => number): MaybePromise<number> {
    const appended = this.#writer.appendAlone(encode);
    if (appended instanceof Promise) return appended.then((sequence) => this.#stands(sequence));
    return this.#stands(appended);
  }

  /** Completes when nothing is queued or under way. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  /** Completes when nothing is under way in the medium, whether the pool failed or not. */
  quiet(): Promise<void> {
    if (!this.#busy) return Promise.resolve();
    return new Promise((resolve) => this.#whenQuiet.push(resolve));
  }

  /** From now on everything is refused with this error, what is queued included. */
  fail(failure: StoreError): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#writer.fail(failure);
    for (const item of this.#queue.takeAll()) this.#refuse(item, failure);
    this.#tellIdle();
  }

  #stands(sequence: number): number {
    this.#sequence = sequence;
    return sequence;
  }

  #refuse(item: Item, failure: StoreError): void {
    if ('reject' in item) item.reject(failure);
    else item.done(failure);
  }

  #push(item: Item): void {
    if (this.#failure !== undefined) {
      this.#refuse(item, this.#failure);
      return;
    }
    this.#queue.push(item);
    if (!this.#busy) this.#plan(this.#options.defer);
  }

  #plan(soon: (run: () => void) => void): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    soon(() => {
      this.#scheduled = false;
      this.#drain();
    });
  }

  #drain(): void {
    const end = this.#queue.taken + TURN_CHANGES_MAX;
    while (!this.#busy && !this.#queue.isEmpty) {
      if (this.#queue.taken >= end) {
        this.#plan(this.#options.nextTurn);
        return;
      }
      const step = this.#step();
      if (step === undefined) continue;
      this.#busy = true;
      void step.then(() => {
        this.#busy = false;
        this.#drain();
      });
    }
    if (!this.#busy) for (const tell of this.#whenQuiet.splice(0)) tell();
    if (this.#isIdle()) this.#tellIdle();
  }

  /** One batch or one boundary. Never throws or rejects. */
  #step(): Promise<void> | undefined {
    const first = this.#queue.first as Item;
    const batch = 'reject' in first ? undefined : this.#takeBatch();
    try {
      const done = batch === undefined ? this.#runBoundary(first as Boundary) : this.#runBatch(batch);
      if (!(done instanceof Promise)) return undefined;
      return done.catch((cause: unknown) => this.#broken(batch, cause));
    } catch (cause) {
      this.#broken(batch, cause);
      return undefined;
    }
  }

  #broken(batch: Batch | undefined, cause: unknown): void {
    this.#options.onFailure('a change could not be completed', cause);
    assert(this.#failure, 'the pool that failed has told its pipeline');
    for (const placed of batch?.placed ?? []) placed.finish(this.#failure);
  }

  #runBoundary(boundary: Boundary): MaybePromise<void> {
    this.#queue.advance();
    try {
      const done = boundary.run();
      return done instanceof Promise ? done.catch((cause: unknown) => boundary.reject(cause)) : undefined;
    } catch (cause) {
      boundary.reject(cause);
      return undefined;
    }
  }

  #takeBatch(): Batch {
    const batch = new Batch();
    for (let item = this.#queue.first; item !== undefined; item = this.#queue.first) {
      if ('reject' in item) break;
      if (batch.placed.length > 0 && batch.dataBytes + item.dataBytes > this.#options.batchBytes) break;
      if (batch.placed.length >= BATCH_CHANGES_MAX) break;
      this.#queue.advance();
      if (item.node?.gone === true || item.shares?.from.gone === true) {
        item.done(new StoreError('CLOSED', 'The unit was deleted.'));
        continue;
      }
      if (item.shares !== undefined && !this.#options.mayShare()) {
        item.done(NOT_SHARED);
        continue;
      }
      batch.add(item, this.#options.views);
    }
    return batch;
  }

  #runBatch(batch: Batch): MaybePromise<void> {
    const pressure = this.#options.pressure();
    return pressure === undefined ? this.#prepare(batch) : pressure.then(() => this.#prepare(batch));
  }

  #prepare(batch: Batch): MaybePromise<void> {
    const { pages } = this.#options.applier;
    const cold = batch.placed.findIndex(({ pieces }) => !pages.isReady(pieces));
    return cold < 0 ? this.#allocate(batch) : this.#prepareFrom(batch, cold);
  }

  /**
   * Those before `cold` are ready, and are pinned before anything is loaded that might push their pages out.
   */
  async #prepareFrom(batch: Batch, cold: number): Promise<void> {
    const { pages } = this.#options.applier;
    for (const placed of batch.placed.slice(0, cold)) pages.pin(placed.pieces, batch.pins);
    for (const placed of batch.placed.slice(cold)) {
      try {
        const ready = pages.prepare(placed.pieces, batch.pins);
        // What is resident now is pinned in the same turn: a turn later it may have been pushed out.
        if (ready instanceof Promise) await ready;
        pages.pin(placed.pieces, batch.pins);
      } catch (cause) {
        placed.finish(cause);
      }
    }
    batch.removeFinished();
    return this.#allocate(batch);
  }

  #allocate(batch: Batch): MaybePromise<void> {
    batch.takeRuns(this.#options.allocator);
    const blocks = batch.dataBlocks();
    if (blocks === 0) return this.#store(batch);
    if (blocks > this.#options.allowedBlocks(undefined)) {
      this.#pinAll(batch);
      return this.#allocateEach(batch);
    }
    try {
      const runs = this.#options.allocator.allocate(blocks);
      if (runs instanceof Promise) {
        this.#pinAll(batch);
        return runs.then(
          (found) => this.#store(batch.place(found)),
          () => this.#allocateEach(batch),
        );
      }
      return this.#store(batch.place(runs));
    } catch (cause) {
      if (!(cause instanceof StoreError)) throw cause;
      this.#pinAll(batch);
      return this.#allocateEach(batch);
    }
  }

  /** There is not room for all of them: those that fit go on. */
  async #allocateEach(batch: Batch): Promise<void> {
    const starved: Starved[] = [];
    for (const placed of batch.placed) {
      try {
        if (placed.dataBlocks > 0) await this.#allocateOne(placed);
      } catch (cause) {
        if (!(cause instanceof StoreError)) throw cause;
        starved.push({ intent: placed.setAside(), cause });
      }
    }
    return this.#goOn(batch, starved, () => this.#store(batch));
  }

  /** Those that found no room come afterwards: what goes on may free what they need. */
  async #goOn(batch: Batch, starved: readonly Starved[], rest: () => MaybePromise<void>): Promise<void> {
    batch.removeFinished();
    try {
      await rest();
    } finally {
      for (const { intent, cause } of starved) this.#starving.take(intent, cause);
    }
  }

  async #allocateOne(placed: PlacedIntent): Promise<void> {
    const { allocator, allowedBlocks } = this.#options;
    if (placed.dataBlocks > allowedBlocks(placed.intent.node)) {
      throw new StoreError('NO_SPACE', 'What the pool has free is reserved for other VLUNs.');
    }
    placed.place(await allocator.allocate(placed.dataBlocks));
  }

  #store(batch: Batch): MaybePromise<void> {
    batch.sum(this.#options.checksum);
    const writes = batch.writes();
    if (writes.length === 0) return this.#append(batch);
    let stored: MaybePromise<void>;
    try {
      stored = this.#options.data.write(writes);
    } catch {
      this.#pinAll(batch);
      return this.#storeEach(batch);
    }
    if (!(stored instanceof Promise)) return this.#append(batch);
    this.#pinAll(batch);
    return stored.then(
      () => this.#append(batch),
      () => this.#storeEach(batch),
    );
  }

  /** The write of all of them failed: each is stored alone, and those that fail give their places back. */
  async #storeEach(batch: Batch): Promise<void> {
    const starved: Starved[] = [];
    for (const placed of batch.placed) {
      try {
        const writes = placed.writes();
        if (writes.length > 0) await this.#options.data.write(writes);
      } catch (cause) {
        placed.eachRun((place, blocks) => this.#options.allocator.abandon(place, blocks));
        starved.push({ intent: placed.setAside(), cause });
      }
    }
    return this.#goOn(batch, starved, () => this.#append(batch));
  }

  #append(batch: Batch): MaybePromise<void> {
    const appended = this.#writer.appendAll(batch.records(this.#options.recordBytes));
    if (!(appended instanceof Promise)) return this.#apply(batch);
    this.#pinAll(batch);
    return appended.then(() => this.#apply(batch));
  }

  #apply(batch: Batch): void {
    this.#writer.check();
    for (const placed of batch.placed) {
      for (const record of placed.records) {
        this.#options.applier.apply(record);
        this.#sequence = record.sequence;
      }
    }
    if (batch.pins.size > 0) this.#options.applier.pages.unpin(batch.pins);
    this.#options.applier.ended();
    this.#options.onBatch(batch.dataBytes);
    for (const placed of batch.placed) placed.finish(undefined);
  }

  /** Something takes time: what is resident now must still be so when the batch is applied. */
  #pinAll(batch: Batch): void {
    if (batch.pinned) return;
    batch.pinned = true;
    for (const placed of batch.placed) this.#options.applier.pages.pin(placed.pieces, batch.pins);
  }

  #isIdle(): boolean {
    return !this.#busy && this.#queue.isEmpty && this.#starving.waiting === 0;
  }

  #tellIdle(): void {
    if (!this.#isIdle() && this.#failure === undefined) return;
    for (const tell of this.#whenIdle.splice(0)) tell();
  }
}
