/**
 * A pool that serves: the pipeline and everything that hangs on it, over structures that recovery brought up
 * to date. It fails as a whole: after a failed append, a failed flush or the loss of the lease nothing is
 * acknowledged any more, and only another opening finds out what stands.
 */
import { StoreError } from '../lun/errors.ts';
import { Checkpoint } from './checkpoint.ts';
import { Checkpointer } from './checkpointer.ts';
import { Committer } from './committer.ts';
import { Flusher } from './flusher.ts';
import { Gate } from './gate.ts';
import { RecordEncoder } from './journal-record.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import { Merger } from './merge.ts';
import type { PoolParts } from './parts.ts';
import type { PoolState } from './pool-types.ts';
import { BlockReader } from './reader.ts';
import { Reclaimer } from './reclaim.ts';
import type { Replay } from './recover.ts';
import { Reorder } from './reorder.ts';
import { Scrubber } from './scrub.ts';
import { Space } from './space.ts';
import { SpaceAhead } from './space-ahead.ts';
import { StructureWriter } from './structure-writer.ts';
import { Trimmer } from './trim.ts';

/** How often a purge looks whether the background is through. */
const PURGE_LOOK_MS = 20;
/** With less than this part of the pool free, giving space back does not wait for commands. */
const HURRY_SHARE = 1 / 16;
/** With less room than this part of what is stored, nothing is moved for the sake of its order. */
const ROOM_SHARE = 1 / 8;

export class PoolService {
  readonly parts: PoolParts;
  readonly gate = new Gate();
  readonly reader: BlockReader;
  readonly merger: Merger;
  readonly committer: Committer;
  readonly flusher: Flusher;
  readonly reorder: Reorder;
  readonly structure: StructureWriter;
  readonly checkpoint: Checkpoint;
  readonly checkpointer: Checkpointer;
  readonly reclaimer: Reclaimer;
  readonly trimmer: Trimmer;
  readonly space: Space;
  readonly scrubber: Scrubber;
  /** Told whenever the pool reaches a soft threshold. */
  onThreshold: () => void = () => undefined;
  #state: PoolState = 'serving';
  #closing: Promise<void> | undefined;

  constructor(parts: PoolParts, replayed: Replay) {
    const { medium, environment, tables, resolver } = parts;
    this.parts = parts;
    this.space = this.#makeSpace();
    this.reader = new BlockReader({
      data: medium.data,
      resolver,
      epochs: parts.epochs,
      checksum: (bytes) => environment.checksum(bytes),
      onCorrupt: (view, at) => environment.onFact({ type: 'corrupt', unit: view.label, ...at }),
    });
    this.merger = new Merger({ reader: this.reader, resolver, tables });
    this.committer = this.#makeCommitter(replayed);
    this.flusher = this.#makeFlusher();
    this.reorder = this.#makeReorder();
    this.structure = new StructureWriter({
      parts,
      committer: this.committer,
      flusher: this.flusher,
      appendBytesMax: medium.journal.appendBytesMax,
      nowMs: () => environment.nowMs(),
      onFailure: (why, cause) => this.fail(why, cause),
    });
    this.checkpoint = new Checkpoint({
      ...parts,
      epoch: medium.lease.epoch,
      meta: medium.meta,
      journal: medium.journal,
      checksum: (bytes) => environment.checksum(bytes),
      after: (ms, run) => environment.after(ms, run),
    });
    this.checkpointer = this.#makeCheckpointer();
    this.reclaimer = this.#makeReclaimer();
    this.trimmer = this.#makeTrimmer();
    this.scrubber = new Scrubber({
      parts,
      activity: () => this.committer.sequence + this.reader.reads,
      onError: ({ what, ranges }) => environment.onFact({ type: 'damaged', what, ranges }),
    });
  }

  get state(): PoolState {
    return this.#state;
  }

  /** Commits what was recovered, so that the journal begins anew with this epoch; then the pool may serve. */
  async begin(replayed: Replay): Promise<void> {
    const { medium, freed } = this.parts;
    const segment = await medium.journal.beginSegment();
    const last = { sequence: replayed.last.sequence, previous: replayed.last.checksum };
    await freed.keepUnreferenced();
    await this.checkpoint.commit(this.checkpoint.freeze(last, segment));
    await this.committer.atBoundary(() =>
      this.committer.appendAlone((encoder) => encoder.segment(this.parts.pool)),
    );
    medium.lease.onLost((why) => this.fail('the lease of the pool was lost', new StoreError('CLOSED', why)));
    this.reclaimer.wake();
    this.trimmer.begin();
    this.space.watch();
  }

  /** Nothing is acknowledged any more. */
  fail(why: string, cause: unknown): void {
    if (this.#state !== 'serving') return;
    this.#state = 'failed';
    this.#refuse(new StoreError('CLOSED', `The pool failed: ${why}.`, { cause }));
    this.parts.environment.onFact({ type: 'failed', why, cause });
  }

  /**
   * Everything that was freed before is gone from the medium when this completes, what the background still
   * had to free included. What something has an entry of stays.
   */
  async purge(): Promise<void> {
    while (this.reclaimer.backlogImages > 0) {
      this.gate.check();
      await new Promise<void>((resolve) => this.parts.environment.after(PURGE_LOOK_MS, resolve));
    }
    this.gate.check();
    await this.flusher.makeRoom();
    await this.trimmer.purge();
  }

  /** What runs is completed, everything is made durable, and the medium is given back. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const serving = this.#state === 'serving';
    const closed = new StoreError('CLOSED', 'The pool was closed.');
    this.gate.close(closed);
    this.reclaimer.stop();
    this.trimmer.stop();
    this.scrubber.stop();
    try {
      if (serving) await this.#settle();
    } finally {
      this.#state = 'closed';
      this.#refuse(closed);
      await this.#quiet();
      await this.parts.medium.close();
    }
  }

  async #settle(): Promise<void> {
    await this.committer.idle();
    await this.flusher.flush();
    await this.checkpointer.run();
    await this.committer.idle();
  }

  /** A write or a discard that came late would hit what the next owner has stored there. */
  async #quiet(): Promise<void> {
    await this.committer.quiet();
    await new Promise<void>((resolve) => this.parts.freed.whenSettled(resolve));
  }

  #refuse(why: StoreError): void {
    this.gate.close(why);
    this.reclaimer.stop();
    this.trimmer.stop();
    this.scrubber.stop();
    this.flusher.refuse(why);
    this.committer.fail(why);
  }

  #makeFlusher(): Flusher {
    const { medium, environment, options, freed } = this.parts;
    return new Flusher({
      data: medium.data,
      journal: medium.journal,
      committer: this.committer,
      freed,
      after: (ms, run) => environment.after(ms, run),
      intervalMs: options.flushIntervalMs,
      bytesMax: options.flushBytes,
      unflushedBytesMax: options.unflushedBytesMax,
      onFailure: (why, cause) => this.fail(why, cause),
    });
  }

  #makeReorder(): Reorder {
    const { tables, references, allocator, environment, options } = this.parts;
    return new Reorder({
      committer: this.committer,
      tables,
      references,
      blocksMin: options.reorderBlocksMin,
      oneIn: options.reorderOneIn,
      hasRoom: (blocks) => this.space.availableBlocks > allocator.referencedBlocks * ROOM_SHARE + blocks,
      onFailed: (cause) => environment.onFact({ type: 'background-failed', what: 'moving blocks', cause }),
    });
  }

  #makeCheckpointer(): Checkpointer {
    const { medium, environment, options, tables, references } = this.parts;
    return new Checkpointer({
      checkpoint: this.checkpoint,
      committer: this.committer,
      flusher: this.flusher,
      journal: medium.journal,
      tables,
      references,
      journalBytesMax: options.checkpointJournalBytes,
      journalRecordsMax: options.checkpointJournalRecords,
      dirtyPagesMax: options.checkpointDirtyPages,
      nowMs: () => environment.nowMs(),
      after: (ms, run) => environment.after(ms, run),
      onFact: (fact) => environment.onFact(fact),
    });
  }

  #makeReclaimer(): Reclaimer {
    const { environment, options, catalogue, tables, applier, allocator } = this.parts;
    return new Reclaimer({
      catalogue,
      tables,
      hidden: applier.hidden,
      committer: this.committer,
      structure: this.structure,
      pagesPerStep: options.reclaimPagesPerStep,
      pauseMs: options.reclaimPauseMs,
      reads: () => this.reader.reads,
      hurries: () => allocator.freeBlocks < allocator.capacityBlocks * HURRY_SHARE,
      dirtyPagesMax: options.checkpointDirtyPages,
      nowMs: () => environment.nowMs(),
      considerCheckpoint: () => this.checkpointer.consider(),
      after: (ms, run) => environment.after(ms, run),
      onFailed: (cause) =>
        environment.onFact({ type: 'background-failed', what: 'giving back space', cause }),
    });
  }

  #makeSpace(): Space {
    const { environment, options, allocator, tables, references, catalogue, medium } = this.parts;
    return new Space({
      allocator,
      tables,
      references,
      catalogue,
      data: medium.data,
      thresholdPercents: options.thresholdPercents,
      nowMs: () => environment.nowMs(),
      onThreshold: (percent) => {
        const usedBytes = allocator.referencedBlocks * POOL_BLOCK_BYTES;
        const availableBytes = this.space.availableBlocks * POOL_BLOCK_BYTES;
        environment.onFact({ type: 'threshold', percent, usedBytes, availableBytes });
        this.onThreshold();
      },
      onFull: (node) => environment.onFact({ type: 'full', unit: node.label }),
    });
  }

  #makeTrimmer(): Trimmer {
    const { environment, options, allocator, freed } = this.parts;
    return new Trimmer({
      allocator,
      freed,
      blocksMin: options.discardBlocksMin,
      delayMs: options.trimDelayMs,
      activity: () => this.committer.sequence,
      after: (ms, run) => environment.after(ms, run),
      onFailed: (cause) =>
        environment.onFact({ type: 'background-failed', what: 'discarding free space', cause }),
    });
  }

  /** The pool has no place free, or the file system below no block: whatever can be given back is, now. */
  #makeRoom(): Promise<void> | undefined {
    const settled = this.flusher.makeRoom();
    return settled === undefined ? this.trimmer.hurry() : settled.then(() => this.trimmer.hurry());
  }

  #makeCommitter(replayed: Replay): Committer {
    const { medium, environment, options, allocator, applier, views } = this.parts;
    const ahead = new SpaceAhead({ allocator, data: medium.data });
    const checksum = (bytes: Uint8Array): number => environment.checksum(bytes);
    const encoder = new RecordEncoder({
      checksum,
      sequence: replayed.last.sequence,
      previous: replayed.last.checksum,
      epoch: medium.lease.epoch,
    });
    return new Committer({
      data: medium.data,
      journal: medium.journal,
      allocator,
      applier,
      views,
      encoder,
      checksum,
      defer: (run) => environment.defer(run),
      nextTurn: (run) => void environment.after(0, run),
      batchBytes: options.batchBytes,
      recordBytes: options.recordBytes,
      pressure: () => this.checkpointer.pressure() ?? this.flusher.pressure(),
      allowedBlocks: (node) => this.space.allowedBlocks(node),
      mayShare: () => this.space.mayShare,
      onBatch: (dataBytes) => {
        ahead.look();
        this.space.changed();
        this.flusher.wrote(dataBytes);
        this.checkpointer.consider();
      },
      makeRoom: () => this.#makeRoom(),
      onFull: (node) => this.space.full(node),
      onFailure: (why, cause) => this.fail(why, cause),
    });
  }
}
