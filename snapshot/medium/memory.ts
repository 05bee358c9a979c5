/**
 * A medium in memory, for tests and for shape benchmarks. Its contents live in a `MemoryStore`, which
 * outlives the mediums opened over it, so that a test can close or abandon one and open the next.
 * Only written blocks take memory. Completed and flushed are the same here: nothing is ever lost.
 * (`faulty.ts` is the one that loses things.)
 */
import assert from 'node:assert';
import { OperatorError, StoreError } from '../../lun/errors.ts';
import {
  type DataSpace,
  type JournalSegment,
  type JournalSpace,
  type Lease,
  type Medium,
  type MetaChange,
  type MetaSpace,
  type Place,
  type PlacedWrite,
  POOL_BLOCK_BYTES,
} from './medium.ts';
import { type EntryRange, OrderedEntries } from './ordered-entries.ts';

const JOURNAL_SEGMENT_BYTES = 4 * 1024 * 1024;
/** A segment's memory grows from this by doubling. */
const SEGMENT_BEGIN_BYTES = 64 * 1024;

export interface MemoryOptions {
  /** Pool blocks of the data space: 1 … 2^40. */
  readonly capacityBlocks: number;
  /** Bytes of one journal segment; also the largest append. 4 MiB unless told. */
  readonly journalSegmentBytes?: number;
}

interface Segment {
  readonly number: number;
  bytes: Uint8Array;
  appendedBytes: number;
}

/** What a memory medium stores; open it with `openMemoryMedium`. */
export class MemoryStore {
  capacityBlocks: number;
  readonly journalSegmentBytes: number;
  readonly blocks = new Map<Place, Uint8Array>();
  readonly segments: Segment[] = [];
  readonly entries = new OrderedEntries();
  /** The segment number given to the next one begun. */
  nextSegment = 1;
  epoch = 0;
  holder: MemoryMedium | undefined;

  constructor(options: MemoryOptions) {
    assert(Number.isSafeInteger(options.capacityBlocks) && options.capacityBlocks > 0);
    this.capacityBlocks = options.capacityBlocks;
    this.journalSegmentBytes = options.journalSegmentBytes ?? JOURNAL_SEGMENT_BYTES;
  }

  /** Like the death of the process that had it open: the medium fails from now on, the next may open. */
  abandon(): void {
    this.holder?.end();
    this.holder = undefined;
  }

  /** Like a take-over by another owner: the medium fails from now on and its listeners are told why. */
  revokeLease(why: string): void {
    const { holder } = this;
    this.abandon();
    holder?.lease.lose(why);
  }
}

/**
 * Opens a store, or a new empty one of the form given. A store that is open is refused with the
 * operator error 'in-use'.
 */
export function openMemoryMedium(form: MemoryOptions | MemoryStore): Medium {
  const store = form instanceof MemoryStore ? form : new MemoryStore(form);
  if (store.holder !== undefined) throw new OperatorError('in-use', 'The pool in memory is open already.');
  store.epoch += 1;
  store.holder = new MemoryMedium(store);
  return store.holder;
}

/** An epoch, and who wants to know when it is over. Shared by the media that live in memory. */
export class MemoryLease implements Lease {
  readonly epoch: number;
  #listeners: Array<(why: string) => void> = [];

  constructor(epoch: number) {
    this.epoch = epoch;
  }

  onLost(listener: (why: string) => void): void {
    this.#listeners.push(listener);
  }

  lose(why: string): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener(why);
  }
}

class MemoryMedium implements Medium {
  readonly description = 'memory';
  readonly lease: MemoryLease;
  readonly data: DataSpace;
  readonly journal: JournalSpace;
  readonly meta: MetaSpace;
  readonly #store: MemoryStore;
  #open = true;

  constructor(store: MemoryStore) {
    const check = (): void => {
      if (!this.#open) throw new StoreError('CLOSED', 'The pool in memory was closed.');
    };
    this.#store = store;
    this.lease = new MemoryLease(store.epoch);
    this.data = new MemoryData(store, check);
    this.journal = new MemoryJournal(store, check);
    this.meta = new MemoryMeta(store, check);
  }

  end(): void {
    this.#open = false;
  }

  async dropCaches(): Promise<void> {
    if (!this.#open) throw new StoreError('CLOSED', 'The pool in memory was closed.');
  }

  async close(): Promise<void> {
    this.#open = false;
    if (this.#store.holder === this) this.#store.holder = undefined;
  }
}

/** The run lies in the space; anything else is our own fault. */
export function assertRun(run: { place: Place; bytes: number; capacityBlocks: number }): void {
  assert(run.bytes > 0 && run.bytes % POOL_BLOCK_BYTES === 0, 'a run is whole pool blocks');
  assert(Number.isSafeInteger(run.place) && run.place >= 0, 'a place is a whole number from 0 on');
  assert(run.place + run.bytes / POOL_BLOCK_BYTES <= run.capacityBlocks, 'a run ends inside the space');
}

class MemoryData implements DataSpace {
  readonly #store: MemoryStore;
  readonly #check: () => void;

  constructor(store: MemoryStore, check: () => void) {
    this.#store = store;
    this.#check = check;
  }

  get capacityBlocks(): number {
    return this.#store.capacityBlocks;
  }

  read(place: Place, into: Uint8Array): void {
    this.#check();
    assertRun({ place, bytes: into.byteLength, capacityBlocks: this.capacityBlocks });
    for (let offset = 0, at = place; offset < into.byteLength; offset += POOL_BLOCK_BYTES, at += 1) {
      const block = this.#store.blocks.get(at);
      if (block === undefined) into.fill(0, offset, offset + POOL_BLOCK_BYTES);
      else into.set(block, offset);
    }
  }

  write(writes: readonly PlacedWrite[]): void {
    this.#check();
    const { blocks } = this.#store;
    for (const { place, bytes } of writes) {
      assertRun({ place, bytes: bytes.byteLength, capacityBlocks: this.capacityBlocks });
      for (let offset = 0, at = place; offset < bytes.byteLength; offset += POOL_BLOCK_BYTES, at += 1) {
        const block = bytes.subarray(offset, offset + POOL_BLOCK_BYTES);
        const present = blocks.get(at);
        if (present === undefined) blocks.set(at, new Uint8Array(block));
        else present.set(block);
      }
    }
  }

  discard(place: Place, blocks: number): void {
    this.#check();
    if (blocks === 0) return;
    assertRun({ place, bytes: blocks * POOL_BLOCK_BYTES, capacityBlocks: this.capacityBlocks });
    for (let at = place; at < place + blocks; at += 1) this.#store.blocks.delete(at);
  }

  async flush(): Promise<void> {
    this.#check();
  }

  async grow(capacityBlocks: number): Promise<void> {
    this.#check();
    assert(capacityBlocks >= this.capacityBlocks, 'a space never shrinks');
    this.#store.capacityBlocks = capacityBlocks;
  }
}

class MemoryJournal implements JournalSpace {
  readonly #store: MemoryStore;
  readonly #check: () => void;
  /** The segment appended to; undefined until the first append after an opening or `beginSegment`. */
  #present: Segment | undefined;
  #appended = false;

  constructor(store: MemoryStore, check: () => void) {
    this.#store = store;
    this.#check = check;
  }

  get appendBytesMax(): number {
    return this.#store.journalSegmentBytes;
  }

  get segment(): number {
    return this.#present?.number ?? this.#store.nextSegment;
  }

  get keptBytes(): number {
    return this.#store.segments.reduce((sum, { appendedBytes }) => sum + appendedBytes, 0);
  }

  append(bytes: Uint8Array): void {
    this.#check();
    assert(bytes.byteLength > 0 && bytes.byteLength <= this.appendBytesMax, 'an append fits into a segment');
    this.#appended = true;
    let present = this.#present;
    if (present === undefined || present.appendedBytes + bytes.byteLength > this.appendBytesMax) {
      present = this.#begin();
    }
    this.#reserve(present, bytes.byteLength);
    present.bytes.set(bytes, present.appendedBytes);
    present.appendedBytes += bytes.byteLength;
  }

  async flush(): Promise<void> {
    this.#check();
  }

  beginSegment(): number {
    this.#check();
    this.#present = undefined;
    return this.segment;
  }

  async *replay(): AsyncGenerator<JournalSegment> {
    assert(!this.#appended, 'replay comes before the first append');
    for (const { number, bytes } of this.#store.segments.slice()) {
      this.#check();
      yield { number, bytes };
    }
  }

  dropBefore(segment: number): void {
    this.#check();
    assert(segment <= this.segment, 'the present segment is kept');
    const { segments } = this.#store;
    while (segments[0] !== undefined && segments[0].number < segment) segments.shift();
  }

  #begin(): Segment {
    const bytes = new Uint8Array(Math.min(SEGMENT_BEGIN_BYTES, this.appendBytesMax));
    const present = { number: this.#store.nextSegment, bytes, appendedBytes: 0 };
    this.#store.nextSegment += 1;
    this.#store.segments.push(present);
    this.#present = present;
    return present;
  }

  #reserve(present: Segment, bytes: number): void {
    const wanted = present.appendedBytes + bytes;
    if (wanted <= present.bytes.byteLength) return;
    let grown = present.bytes.byteLength;
    while (grown < wanted) grown *= 2;
    const larger = new Uint8Array(Math.min(grown, this.appendBytesMax));
    larger.set(present.bytes.subarray(0, present.appendedBytes));
    present.bytes = larger;
  }
}

class MemoryMeta implements MetaSpace {
  readonly #store: MemoryStore;
  readonly #check: () => void;

  constructor(store: MemoryStore, check: () => void) {
    this.#store = store;
    this.#check = check;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#check();
    return this.#store.entries.get(key);
  }

  scan(range: EntryRange): ReturnType<OrderedEntries['scan']> {
    this.#check();
    return this.#store.entries.scan(range);
  }

  async commit(changes: readonly MetaChange[]): Promise<void> {
    this.#check();
    this.#store.entries.apply(changes);
  }
}
