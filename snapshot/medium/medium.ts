/**
 * The narrow waist: what a pool needs of the thing it is stored on. Everything above knows no files;
 * everything below can be swapped (files, memory, a faulty one for tests, objects of a cluster).
 *
 * So the engine may lean on nothing else: no rename, no directory order, no ordering between
 * concurrent writes, and no place that means an offset in one particular file.
 *
 * Three strengths of "done" occur:
 *  - completed: the bytes survive the death of this process (SIGKILL), not power loss;
 *  - flushed: they survive power loss;
 *  - neither: after a power loss any subset of the bytes may be there, in units of 512 bytes.
 * Failures are `StoreError` ('IO', 'NO_SPACE'); a flush that failed proves nothing ever again.
 */
import type { MaybePromise } from '../../lun/units.ts';

/** Bytes of a pool block, everywhere. */
export const POOL_BLOCK_BYTES = 4096;

/** Places of the largest data space. */
export const PLACES_MAX = 2 ** 40;

/** The number of a pool block in the flat data space: 0 … 2^40 - 1. */
export type Place = number;

/** One contiguous run to store: `bytes.byteLength` is a multiple of POOL_BLOCK_BYTES. */
export interface PlacedWrite {
  readonly place: Place;
  readonly bytes: Uint8Array;
}

/** One owner at a time. */
export interface Lease {
  /** Strictly larger at every acquisition of the pool, durable before it is handed out. */
  readonly epoch: number;
  /** Calls `listener` once when the lease is lost; nothing may be acknowledged after that. */
  onLost(listener: (why: string) => void): void;
}

/** The flat space of pool blocks. */
export interface DataSpace {
  readonly capacityBlocks: number;
  /**
   * Fills `into` (a multiple of the pool block) from `place` on. Completes at once where the bytes are
   * cached; never blocks the loop where they are not. Blocks never written, or discarded, may read as
   * anything.
   */
  read(place: Place, into: Uint8Array): MaybePromise<void>;
  /**
   * The same past what is cached above the medium, where it can be told apart: what is really stored. Not for
   * those who wait.
   */
  readStored?(place: Place, into: Uint8Array): Promise<void>;
  /** Stores all the runs, in any order; completed when all are. */
  write(writes: readonly PlacedWrite[]): MaybePromise<void>;
  /** Gives the space of a run back where the medium can. Completed means: it will not happen later. */
  discard(place: Place, blocks: number): MaybePromise<void>;
  /** Everything completed before the call is flushed when it completes. */
  flush(): Promise<void>;
  /**
   * How many blocks in all the medium could hold at this moment, what is stored included, where that may be
   * less than the capacity; undefined where it cannot tell. Cheap, but not for every command.
   */
  roomBlocks?(): number | undefined;
  /**
   * These blocks are likely to be written soon: a medium that has space only where something was written may
   * take theirs now. Changes nothing that can be read, and never fails.
   */
  prepare?(place: Place, blocks: number): void;
  /** Makes the space `capacityBlocks` large; it never shrinks. */
  grow(capacityBlocks: number): Promise<void>;
}

/**
 * A piece of the journal as it was found: bytes of one segment from its begin on, an unwritten tail
 * included.
 */
export interface JournalSegment {
  /** Ascending in the order in which the segments were begun. */
  readonly number: number;
  readonly bytes: Uint8Array;
}

/**
 * An append-only log in segments. An append never spans two segments: one that does not fit into what is left
 * of the present segment begins the next by itself. The bytes past the last append in a segment may be zeroes
 * or the remains of an older life: the engine's records prove themselves. Every opening appends to a segment
 * of its own. The number of a segment that was flushed is never used again; numbers may be skipped.
 */
export interface JournalSpace {
  /** The largest append, in bytes. */
  readonly appendBytesMax: number;
  /**
   * Appends one unit; completed in the order of the calls. After one that failed with 'IO' no later one
   * succeeds, since nothing says what of it was stored.
   */
  append(bytes: Uint8Array): MaybePromise<void>;
  /** Everything whose append completed before the call is flushed when it completes. */
  flush(): Promise<void>;
  /**
   * Ends the present segment; the next append begins a new one, whose number this returns: larger than that
   * of every segment appended to so far. Where nothing was appended to the present one, that is its own
   * number.
   */
  beginSegment(): MaybePromise<number>;
  /** The segment the next append goes to. */
  readonly segment: number;
  /** Bytes of all segments kept. */
  readonly keptBytes: number;
  /**
   * Every segment kept, in order, one at a time. Only before the first append of this opening. Segments
   * dropped may appear again after a crash, and one to which nothing was appended may appear.
   */
  replay(): AsyncIterable<JournalSegment>;
  /** Segments numbered below this are no longer needed; at most the present one's number. */
  dropBefore(segment: number): MaybePromise<void>;
}

export type MetaKey = Uint8Array;

/** Puts, or removes where `value` is undefined. */
export interface MetaChange {
  readonly key: MetaKey;
  readonly value: Uint8Array | undefined;
}

/**
 * Ordered small values (keys up to 64 bytes, compared bytewise; values up to 3,072 bytes, larger ones
 * allowed but slow).
 */
export interface MetaSpace {
  /** The value, to be copied or read before the loop turns. */
  get(key: MetaKey): MaybePromise<Uint8Array | undefined>;
  /**
   * Entries with `from` <= key < `to`, in order (or the reverse), at most `limit`. One consistent view per
   * call.
   */
  scan(range: {
    readonly from: MetaKey;
    readonly to: MetaKey;
    readonly limit?: number;
    readonly reverse?: boolean;
  }): MaybePromise<ReadonlyArray<{ readonly key: MetaKey; readonly value: Uint8Array }>>;
  /**
   * All the changes or none, flushed when it completes; of several changes of one key the last wins. One
   * commit at a time. `get` and `scan` may show the changes before that.
   */
  commit(changes: readonly MetaChange[]): Promise<void>;
}

/** An opened medium. Its lease is held until `close`. */
export interface Medium {
  /** What it is and where, for messages: "directory /var/lib/snaplun". */
  readonly description: string;
  readonly lease: Lease;
  readonly data: DataSpace;
  readonly journal: JournalSpace;
  readonly meta: MetaSpace;
  /** Drops what the medium caches of data and journal, so that recovery reads what is really stored. */
  dropCaches(): Promise<void>;
  close(): Promise<void>;
}
