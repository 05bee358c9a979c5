/**
 * What the outside sees of a pool: its options, its facts, and what it says about VLUNs and snapshots.
 * `Pool` in pool.ts has the verbs.
 */
import type { UnitIdentity } from '../lun/logical-unit.ts';
import type { LogicalBlockBytes } from '../lun/units.ts';
import type { DamagedRange, ScrubProgress } from './scrub-report.ts';

/** Everything a pool takes from the process around it. */
export interface PoolEnvironment {
  /** Milliseconds since 1970; used for creation times and durations alone. */
  nowMs(): number;
  /** Runs `run` soon, after the work of the present turn: what arrives until then shares one batch. */
  defer(run: () => void): void;
  /** Runs `run` once after this time; the returned function cancels it. */
  after(ms: number, run: () => void): () => void;
  /** The low 32 bits of xxHash64 (seed 0) of the bytes, as an unsigned number. */
  checksum(bytes: Uint8Array): number;
  randomBytes(count: number): Uint8Array;
  /** Told what an operator or a log would want to know. Must not throw. */
  onFact(fact: PoolFact): void;
}

/** Bounds of a pool; each has a default in `POOL_DEFAULTS`. */
export interface PoolOptions {
  /** The pool flushes itself this long after the first write that is not flushed. */
  readonly flushIntervalMs: number;
  /** It flushes earlier when this much was written. */
  readonly flushBytes: number;
  /** Memory for clean pages of redirect tables. */
  readonly tableCacheBytes: number;
  /** Memory for resolved pages (what a VLUN with several layers reads, merged). */
  readonly resolvedCacheBytes: number;
  /** Memory for the allocator's bitmaps. */
  readonly allocatorCacheBytes: number;
  /**
   * Writes wait for a flush while this much was written that no durable flush mark covers: an opening after a
   * crash reads all of it.
   */
  readonly unflushedBytesMax: number;
  /** A checkpoint begins when the journal holds this much. */
  readonly checkpointJournalBytes: number;
  /** A checkpoint begins when an opening after a crash would have so many records to apply. */
  readonly checkpointJournalRecords: number;
  /** A checkpoint begins when this many table pages differ from the last one. */
  readonly checkpointDirtyPages: number;
  /** Most bytes of data that go into one batch. */
  readonly batchBytes: number;
  /** Most bytes of data that one journal record describes; COMPARE AND WRITE is always one. */
  readonly recordBytes: number;
  /** Free runs at least this long are discarded on the medium; shorter ones are only reused. */
  readonly discardBlocksMin: number;
  /** Free runs that came together from shorter ones, or from an earlier life, wait this long for that. */
  readonly trimDelayMs: number;
  /** Pages given back, merged or swept in one step of the background, at most. */
  readonly reclaimPagesPerStep: number;
  /** Pause between two steps of the background while commands come in. */
  readonly reclaimPauseMs: number;
  /** Shortest read, in blocks, whose scattered blocks are put in order. */
  readonly reorderBlocksMin: number;
  /** One of so many scattered reads is followed by that. */
  readonly reorderOneIn: number;
  /** Shares of the space, in percent, at which initiators and operator are warned. */
  readonly thresholdPercents: readonly number[];
}

const MiB = 1024 * 1024;

export const POOL_DEFAULTS: PoolOptions = {
  flushIntervalMs: 1000,
  flushBytes: 64 * MiB,
  tableCacheBytes: 256 * MiB,
  resolvedCacheBytes: 64 * MiB,
  allocatorCacheBytes: 32 * MiB,
  unflushedBytesMax: 256 * MiB,
  checkpointJournalBytes: 32 * MiB,
  checkpointJournalRecords: 131_072,
  checkpointDirtyPages: 16_384,
  batchBytes: 8 * MiB,
  recordBytes: 4 * MiB,
  discardBlocksMin: 16,
  trimDelayMs: 2000,
  reclaimPagesPerStep: 1024,
  reclaimPauseMs: 10,
  reorderBlocksMin: 8,
  reorderOneIn: 4,
  thresholdPercents: [80, 90],
};

/** One changed page for so much of the cache: while it is stored it is in memory in several forms. */
const DIRTY_PAGE_BYTES = 128 * 1024;

/**
 * The bounds of a pool that has this much memory for all its caches together. Not in it is what is always in
 * memory: the catalogue, and the summaries and counts, 2 KiB for every 16 GiB of an image and 4 KiB for every
 * 64 GiB of the data space.
 */
export function cacheBounds(
  bytes: number,
): Pick<
  PoolOptions,
  'tableCacheBytes' | 'resolvedCacheBytes' | 'allocatorCacheBytes' | 'checkpointDirtyPages'
> {
  const resolvedCacheBytes = Math.floor(bytes / 5);
  const allocatorCacheBytes = Math.floor(bytes / 10);
  return {
    tableCacheBytes: bytes - resolvedCacheBytes - allocatorCacheBytes,
    resolvedCacheBytes,
    allocatorCacheBytes,
    checkpointDirtyPages: Math.min(POOL_DEFAULTS.checkpointDirtyPages, Math.ceil(bytes / DIRTY_PAGE_BYTES)),
  };
}

/** Something that happened in a pool. */
export type PoolFact =
  /** The pool acknowledges nothing any more; it must be opened again. */
  | { readonly type: 'failed'; readonly why: string; readonly cause: unknown }
  /** An opening replayed the journal; `discardedRecords` were written after the last point that is whole. */
  | {
      readonly type: 'recovered';
      readonly records: number;
      readonly discardedRecords: number;
      readonly durationMs: number;
    }
  | { readonly type: 'checkpoint'; readonly pages: number; readonly durationMs: number }
  /** A checkpoint did not complete; the journal grows until one does. */
  | { readonly type: 'checkpoint-failed'; readonly cause: unknown }
  /** A stored block failed its checksum, and was not returned. */
  | { readonly type: 'corrupt'; readonly unit: string; readonly lba: number; readonly place: number }
  /** So much of the space is used or reserved now; once, until it was clearly less again. */
  | {
      readonly type: 'threshold';
      readonly percent: number;
      readonly usedBytes: number;
      readonly availableBytes: number;
    }
  /** A scrub found it: a stored block or value that is not what was stored, and who reads it. */
  | { readonly type: 'damaged'; readonly what: string; readonly ranges: readonly DamagedRange[] }
  /** A write found no space left; told once a minute while there is none. */
  | { readonly type: 'full'; readonly unit: string }
  /** What a VLUN gave back is gone from the medium, but for what snapshots and others keep of it. */
  | { readonly type: 'purged'; readonly unit: string; readonly keptBytes: number }
  /** A step of the background (giving back space) failed; it is tried again. */
  | { readonly type: 'background-failed'; readonly what: string; readonly cause: unknown };

export type PoolState = 'serving' | 'failed' | 'closed';

export interface VlunInfo extends Required<LimitRequest> {
  readonly id: number;
  readonly name: string;
  readonly identity: UnitIdentity;
  readonly sizeBytes: number;
  readonly blockBytes: LogicalBlockBytes;
  readonly readOnly: boolean;
  readonly removable: boolean;
  readonly writeCache: boolean;
  /** Space that it can store in its live image whatever others do; 0: none. */
  readonly reservedBytes: number;
  readonly createdAtMs: number;
  /** The name of the VLUN it tracks (SYSTEM P1–P13). */
  readonly tracks?: string;
  /** The names of the VLUNs that track it, directly. */
  readonly trackers: readonly string[];
  /** NAME@SNAP it was cloned from; either may be gone since. */
  readonly parent?: string;
  /** The names of its snapshots, oldest first. */
  readonly snapshots: readonly string[];
}

export interface SnapshotInfo {
  readonly id: number;
  /** The name of the VLUN it was taken of. */
  readonly vlun: string;
  readonly name: string;
  readonly identity: UnitIdentity;
  readonly sizeBytes: number;
  readonly blockBytes: LogicalBlockBytes;
  readonly createdAtMs: number;
  /** Of an imported snapshot: the NAA of the one it is a copy of, in hexadecimal. */
  readonly origin?: string;
  /** The name of the schedule that took it. */
  readonly schedule?: string;
}

/** Space of one VLUN or snapshot. */
export interface Usage {
  /** Stored blocks that it reads. */
  readonly usedBytes: number;
  /** Those of them that no other VLUN or snapshot reads. */
  readonly exclusiveBytes: number;
  readonly sharedBytes: number;
  /**
   * When it was so, milliseconds since 1970, where that is not now; null: it is being counted for the first
   * time, `usedBytes` is at most this much, and `exclusiveBytes` is not known.
   */
  readonly atMs?: number | null;
}

export interface PoolStatus {
  readonly state: PoolState;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** That part of the free space that is kept for LUNs with a reservation. */
  readonly reservedBytes: number;
  /** What others can still write: less than is free where some is reserved or the medium has less room. */
  readonly availableBytes: number;
  readonly thresholdPercents: readonly number[];
  /** Freed already or about to be given back by the background, and not yet allocatable. */
  readonly reclaimableBytes: number;
  readonly images: number;
  readonly journalBytes: number;
  readonly cacheBytes: number;
  /** The scrub that runs, or the last one since the pool was opened. */
  readonly scrub: ScrubProgress;
}

/** What a pool has done; counters since it was opened unless stated. */
export interface PoolActivity {
  /** The number of the last record of the journal, from the pool's beginning on. */
  readonly journalRecords: number;
  /** Reads of blocks that commands asked for. */
  readonly blockReads: number;
  /** Flushes that made data and journal durable. */
  readonly flushes: number;
  /** Pages of redirect tables that were not in memory and were read. */
  readonly tablePageLoads: number;
  /** Pages of redirect tables that differ from the last checkpoint, now. */
  readonly dirtyTablePages: number;
  /** Images that the background has still to give back or to merge, now. */
  readonly backlogImages: number;
}

/** Changes of documents that take effect in the same journal record as a verb; undefined removes. */
export interface WithDocuments {
  readonly documents?: Readonly<Record<string, unknown>>;
}

/** What initiators may do with a VLUN in a second, all together; 0: there is no such bound. */
export interface LimitRequest {
  /** Commands that move blocks, 1 … 10^9. */
  readonly iopsMax?: number;
  /** Bytes that they move, 64 KiB … 2^53 - 1. */
  readonly throughputMaxBytes?: number;
}

export interface CreateVlunRequest extends WithDocuments, LimitRequest {
  /** 1 … 64 of A–Z a–z 0–9 . _ - */
  readonly name: string;
  /** A multiple of blockBytes, 1 block … 2^53 - 1 bytes. */
  readonly sizeBytes: number;
  readonly blockBytes?: LogicalBlockBytes;
  readonly readOnly?: boolean;
  readonly removable?: boolean;
  /** On unless told otherwise. Off: every write is flushed before it is acknowledged. */
  readonly writeCache?: boolean;
  /** At most its size; 0 or absent: none. */
  readonly reservedBytes?: number;
}

export interface ResizeRequest extends WithDocuments {
  readonly name: string;
  readonly sizeBytes: number;
  /** Without it a smaller size is refused ('shrinks'). A shrink counts as an UNMAP of what is cut off. */
  readonly shrink?: boolean;
}

export interface DeleteVlunRequest extends WithDocuments {
  readonly name: string;
  /** Without it a VLUN that has snapshots is refused ('has-snapshots'). */
  readonly withSnapshots?: boolean;
}

/** What is absent stays as it is. */
export interface SetVlunRequest extends WithDocuments, LimitRequest {
  readonly name: string;
  readonly readOnly?: boolean;
  readonly writeCache?: boolean;
  readonly reservedBytes?: number;
}

/** One snapshot of a consistency group; all of a request are one point of the journal. */
export interface SnapshotTarget {
  readonly vlun: string;
  readonly snapshot: string;
}

export interface SnapshotOptions extends WithDocuments {
  /** The name of the schedule that takes them. */
  readonly schedule?: string;
}

export interface SnapshotsTaken {
  readonly snapshots: readonly SnapshotInfo[];
  /** For how long new writes had to wait. */
  readonly pausedMs: number;
}

export interface CloneRequest extends WithDocuments {
  readonly vlun: string;
  readonly snapshot: string;
  readonly newName: string;
}

/** Back to one of its own snapshots; those taken since stay. */
export interface RollbackRequest extends WithDocuments {
  readonly vlun: string;
  readonly snapshot: string;
}

/** What `to` reads differently from `from`; each is VLUN@SNAPSHOT or VLUN. Without `from`: what is not zeroes. */
export interface DiffRequest {
  readonly from?: string;
  readonly to: string;
  /** Ranges before this are left out. A multiple of 4,096. */
  readonly offsetBytes?: number;
  /** At most so many ranges. */
  readonly rangesMax?: number;
}

export interface ByteRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface DiffAnswer {
  readonly ranges: readonly ByteRange[];
  /** There may be more from here on. */
  readonly nextOffsetBytes?: number;
}

/** A VLUN that nobody sees, empty or with the contents of a snapshot. */
export interface StageRequest {
  readonly sizeBytes: number;
  readonly blockBytes: LogicalBlockBytes;
  /** A snapshot at which its VLUN still is. */
  readonly base?: { readonly vlun: string; readonly snapshot: string };
}

/** A staged VLUN becomes VLUN `name`, or the contents of it where that is still at `base`, with a snapshot. */
export interface AdoptRequest extends WithDocuments {
  readonly staging: string;
  readonly name: string;
  readonly base?: string;
  readonly snapshot: string;
  readonly origin: string;
  readonly createdAtMs: number;
}

export interface PreserveRequest extends WithDocuments {
  /** The VLUN to follow. */
  readonly name: string;
  readonly newName: string;
}

/**
 * Named JSON values that survive restarts, owned by whoever names them (targets, LUN maps, access lists).
 * Names are 1 … 60 bytes; those that begin with 'unit/' are the pool's own.
 */
export interface Documents {
  get(name: string): unknown;
  /** The names that begin with `prefix`, in order. */
  names(prefix?: string): readonly string[];
  /** All the changes in one journal record, durable when it completes; undefined removes. */
  put(changes: Readonly<Record<string, unknown>>): Promise<void>;
}
