/**
 * A medium that fails the way real ones do, over a store in memory that knows what is flushed and what
 * is not. A test runs the engine on it with a seeded plan (`fault-plan.ts`), ends it by a power cut or
 * a kill, opens what is left and compares with a plain model.
 *
 * It is as unkind as the contract allows: blocks never written read as rubbish, a discarded block may
 * keep its bytes, new journal segments begin with the remains of old ones, and a buffer that the caller
 * changes while its call is in flight is an assertion failure.
 */
import assert from 'node:assert';
import { OperatorError, StoreError } from '../../lun/errors.ts';
import type { MaybePromise } from '../../lun/units.ts';
import { FaultGate, type Step } from './fault-gate.ts';
import { chance, type Fault, type FaultPlan, type FaultRandom, type Operation } from './fault-plan.ts';
import type { FaultyData, Version } from './faulty-data.ts';
import type { FaultyJournal, FaultySegment } from './faulty-journal.ts';
import type { FaultyStore } from './faulty-store.ts';
import type {
  DataSpace,
  JournalSegment,
  JournalSpace,
  Medium,
  MetaChange,
  MetaSpace,
  Place,
  PlacedWrite,
} from './medium.ts';
import { POOL_BLOCK_BYTES } from './medium.ts';
import { assertRun, MemoryLease } from './memory.ts';
import type { EntryRange, OrderedEntries } from './ordered-entries.ts';

/** Opens a store. One that is open is refused with the operator error 'in-use'. */
export function openFaultyMedium(store: FaultyStore, plan: FaultPlan): FaultyMedium {
  if (store.holder !== undefined) {
    throw new OperatorError('in-use', 'The faulty pool is open already.');
  }
  store.epoch += 1;
  const medium = new FaultyMedium(store, plan);
  store.holder = medium;
  return medium;
}

export class FaultyMedium implements Medium {
  readonly description = 'faulty memory';
  readonly lease: MemoryLease;
  readonly data: DataSpace;
  readonly journal: JournalSpace;
  readonly meta: MetaSpace;
  readonly #gate: FaultGate;
  readonly #store: FaultyStore;

  constructor(store: FaultyStore, plan: FaultPlan) {
    this.#store = store;
    this.#gate = new FaultGate(plan);
    this.lease = new MemoryLease(store.epoch);
    this.data = new FaultyDataSpace(store.data, this.#gate);
    this.journal = new FaultyJournalSpace(store.journal, this.#gate);
    this.meta = new FaultyMetaSpace(store, this.#gate);
  }

  /** Operations of one kind so far. */
  count(operation: Operation): number {
    return this.#gate.counts.get(operation) ?? 0;
  }

  /** Operations so far that change something: every number below is a place for `cutAt`. */
  get changes(): number {
    return this.#gate.changes;
  }

  /** It was closed, killed or its power cut. */
  get ended(): boolean {
    return this.#gate.ended;
  }

  /** Every call fails with CLOSED from now on, those in flight too when their turn comes. */
  end(why: string): void {
    this.#gate.end(why);
  }

  /** Adds a fault to the plan. */
  inject(fault: Fault): void {
    this.#gate.inject(fault);
  }

  /** Another owner takes over: listeners are told, and every call fails. */
  revokeLease(why: string): void {
    this.end('The lease was lost.');
    if (this.#store.holder === this) this.#store.kill(this.#gate.plan.random);
    this.lease.lose(why);
  }

  dropCaches(): Promise<void> {
    const { data, journal } = this.#store;
    return this.#gate.runLater('drop-caches', () => {
      const covered = { data: data.beginFlush(), journal: journal.beginFlush() };
      return {
        complete: () => {
          data.completeFlush(covered.data);
          journal.completeFlush(covered.journal);
          data.dropCaches();
          journal.dropCaches();
        },
      };
    });
  }

  async close(): Promise<void> {
    // After a power cut the store must not open again as if nothing had happened.
    if (this.ended) return;
    this.end('The faulty pool was closed.');
    if (this.#store.holder === this) this.#store.holder = undefined;
  }
}

/** Blocks of a set of runs, as places and bytes. */
function* blocksOf(writes: readonly PlacedWrite[]): Generator<{ place: Place; bytes: Uint8Array }> {
  for (const { place, bytes } of writes) {
    for (let offset = 0, at = place; offset < bytes.byteLength; offset += POOL_BLOCK_BYTES, at += 1) {
      yield { place: at, bytes: bytes.subarray(offset, offset + POOL_BLOCK_BYTES) };
    }
  }
}

function assertUnchanged(given: Uint8Array, taken: Uint8Array | undefined): void {
  assert(
    taken === undefined || Buffer.compare(given, taken) === 0,
    'a buffer was changed while its write was in flight',
  );
}

class FaultyDataSpace implements DataSpace {
  readonly #data: FaultyData;
  readonly #gate: FaultGate;

  constructor(data: FaultyData, gate: FaultGate) {
    this.#data = data;
    this.#gate = gate;
  }

  get capacityBlocks(): number {
    return this.#data.capacityBlocks;
  }

  read(place: Place, into: Uint8Array): MaybePromise<void> {
    assertRun({ place, bytes: into.byteLength, capacityBlocks: this.capacityBlocks });
    return this.#gate.run('read', () => ({
      complete: () => this.#data.read(place, into),
      fail: () => void into.fill(0x5a),
    }));
  }

  write(writes: readonly PlacedWrite[]): MaybePromise<void> {
    for (const { place, bytes } of writes) {
      assertRun({ place, bytes: bytes.byteLength, capacityBlocks: this.capacityBlocks });
    }
    return this.#gate.run('write', () => this.#beginWrite([...blocksOf(writes)]));
  }

  #beginWrite(blocks: ReadonlyArray<{ place: Place; bytes: Uint8Array }>): Step<void> {
    const { random, spaceBlocks } = this.#gate.plan;
    const places = blocks.map(({ place }) => place);
    if (spaceBlocks !== undefined) this.#data.occupy(places, spaceBlocks);
    const versions = blocks.map(({ place, bytes }) => this.#data.beginWrite(place, bytes));
    return {
      complete: () => {
        for (const [i, version] of versions.entries()) {
          assertUnchanged((blocks[i] as { bytes: Uint8Array }).bytes, version.bytes);
          this.#data.complete(version);
        }
      },
      fail: (how) => this.#failAll(versions, how, random),
    };
  }

  discard(place: Place, blocks: number): MaybePromise<void> {
    if (blocks === 0) return undefined;
    assertRun({ place, bytes: blocks * POOL_BLOCK_BYTES, capacityBlocks: this.capacityBlocks });
    return this.#gate.run('discard', () => {
      const { random } = this.#gate.plan;
      const versions: Version[] = [];
      for (let at = place; at < place + blocks; at += 1) versions.push(this.#data.beginDiscard(at, random));
      return {
        complete: () => {
          for (const version of versions) this.#data.complete(version);
        },
        fail: (how) => this.#failAll(versions, how, random),
      };
    });
  }

  flush(): Promise<void> {
    return this.#gate.runLater('data-flush', () => {
      const covered = this.#data.beginFlush();
      return {
        complete: () => this.#data.completeFlush(covered),
        fail: () => this.#data.failFlush(covered, this.#gate.plan.random),
      };
    });
  }

  async grow(capacityBlocks: number): Promise<void> {
    assert(capacityBlocks >= this.capacityBlocks, 'a space never shrinks');
    await this.#gate.runLater('grow', () => ({
      complete: () => {
        this.#data.capacityBlocks = capacityBlocks;
      },
    }));
  }

  #failAll(versions: readonly Version[], how: Fault['how'], random: FaultRandom): void {
    const stored = how === 'short' ? Math.floor(random.next() * versions.length) : 0;
    for (const [i, version] of versions.entries()) {
      if (how === 'no-space') this.#data.undo(version);
      else if (i < stored) this.#data.complete(version);
      else this.#data.fail(version, random);
    }
  }
}

class FaultyJournalSpace implements JournalSpace {
  readonly #journal: FaultyJournal;
  readonly #gate: FaultGate;
  readonly #inFlight: Array<() => void> = [];
  #present: FaultySegment | undefined;
  #appended = false;
  #failed = false;

  constructor(journal: FaultyJournal, gate: FaultGate) {
    this.#journal = journal;
    this.#gate = gate;
  }

  get appendBytesMax(): number {
    return this.#journal.segmentBytes;
  }

  get segment(): number {
    return this.#present?.number ?? this.#journal.nextSegment;
  }

  get keptBytes(): number {
    return this.#journal.segments.reduce((sum, { appendedBytes }) => sum + appendedBytes, 0);
  }

  append(bytes: Uint8Array): MaybePromise<void> {
    assert(bytes.byteLength > 0 && bytes.byteLength <= this.appendBytesMax, 'an append fits into a segment');
    return this.#gate.run('append', () => this.#beginAppend(bytes), this.#inFlight);
  }

  #beginAppend(bytes: Uint8Array): Step<void> {
    const { random } = this.#gate.plan;
    this.#appended = true;
    if (this.#present === undefined || this.#present.appendedBytes + bytes.byteLength > this.appendBytesMax) {
      this.#present = this.#journal.begin(random);
    }
    const piece = this.#journal.beginAppend(this.#present, bytes);
    return {
      complete: () => {
        if (this.#failed) throw new StoreError('IO', 'An earlier append failed.');
        assertUnchanged(bytes, piece.bytes);
        this.#journal.complete(piece);
      },
      fail: () => {
        this.#failed = true;
        this.#journal.fail(piece, random);
      },
    };
  }

  flush(): Promise<void> {
    return this.#gate.runLater('journal-flush', () => {
      const covered = this.#journal.beginFlush();
      return {
        complete: () => this.#journal.completeFlush(covered),
        fail: () => this.#journal.failFlush(covered, this.#gate.plan.random),
      };
    });
  }

  beginSegment(): MaybePromise<number> {
    return this.#gate.run('begin-segment', () => {
      this.#present = undefined;
      return { complete: () => this.segment };
    });
  }

  async *replay(): AsyncGenerator<JournalSegment> {
    assert(!this.#appended, 'replay comes before the first append');
    for (const { number, live } of this.#journal.segments.slice()) {
      await this.#gate.runLater('replay', () => ({ complete: () => undefined }));
      yield { number, bytes: live.slice() };
    }
  }

  dropBefore(segment: number): MaybePromise<void> {
    assert(segment <= this.segment, 'the present segment is kept');
    return this.#gate.run('drop-before', () => ({ complete: () => this.#journal.dropBefore(segment) }));
  }
}

class FaultyMetaSpace implements MetaSpace {
  readonly #store: FaultyStore;
  readonly #gate: FaultGate;

  constructor(store: FaultyStore, gate: FaultGate) {
    this.#store = store;
    this.#gate = gate;
  }

  get(key: Uint8Array): MaybePromise<Uint8Array | undefined> {
    return this.#gate.run('get', () => ({ complete: () => this.#store.entries.get(key)?.slice() }));
  }

  scan(range: EntryRange): MaybePromise<ReturnType<OrderedEntries['scan']>> {
    return this.#gate.run('scan', () => ({ complete: () => this.#store.entries.scan(range) }));
  }

  commit(changes: readonly MetaChange[]): Promise<void> {
    return this.#gate.runLater('commit', () => {
      assert(this.#store.committing === undefined, 'one commit at a time');
      const taken = changes.map(({ key, value }) => ({
        key: new Uint8Array(key),
        value: value && new Uint8Array(value),
      }));
      this.#store.committing = taken;
      return {
        complete: () => {
          this.#store.committing = undefined;
          this.#store.entries.apply(taken);
        },
        fail: () => {
          this.#store.committing = undefined;
          if (chance(this.#gate.plan.random, 0.5)) this.#store.entries.apply(taken);
        },
      };
    });
  }
}
