/**
 * What is on a faulty medium, apart from who has it open: so a test can end the holder by a kill or a
 * power cut, look at every outcome of it, and open what is left.
 */
import assert from 'node:assert';
import { chance, type FaultRandom } from './fault-plan.ts';
import { FaultyData } from './faulty-data.ts';
import { FaultyJournal } from './faulty-journal.ts';
import type { MetaChange, Place } from './medium.ts';
import type { MemoryOptions } from './memory.ts';
import { OrderedEntries } from './ordered-entries.ts';

const JOURNAL_SEGMENT_BYTES = 256 * 1024;

/** What a faulty medium stores. It outlives the mediums opened over it. */
export class FaultyStore {
  readonly data: FaultyData;
  readonly journal: FaultyJournal;
  entries = new OrderedEntries();
  /** The commit in flight. */
  committing: readonly MetaChange[] | undefined;
  epoch = 0;
  holder: { end(why: string): void } | undefined;

  /** A new, empty one; a segment is 256 KiB unless told. */
  constructor(options: MemoryOptions | { readonly data: FaultyData; readonly journal: FaultyJournal }) {
    const made = 'data' in options;
    this.data = made ? options.data : new FaultyData(options.capacityBlocks);
    this.journal = made
      ? options.journal
      : new FaultyJournal(options.journalSegmentBytes ?? JOURNAL_SEGMENT_BYTES);
  }

  /**
   * The process that has it open dies, as by SIGKILL: what was completed stays (flushed or not), what
   * was in flight is there, in part or not at all. The store can be opened again.
   */
  kill(random: FaultRandom): void {
    this.holder?.end('The process was killed.');
    this.holder = undefined;
    this.data.kill(random);
    this.journal.kill(random);
    if (this.committing !== undefined && chance(random, 0.5)) this.entries.apply(this.committing);
    this.committing = undefined;
  }

  /**
   * The power goes; the result is a store with what one such loss leaves. This one stays as it is, but
   * for its holder, which fails from now on: call again for another outcome of the same moment.
   */
  afterPowerLoss(random: FaultRandom): FaultyStore {
    this.holder?.end('The power was cut.');
    const data = this.data.afterPowerLoss(random);
    const left = new FaultyStore({ data, journal: this.journal.afterPowerLoss(random) });
    left.entries = new OrderedEntries(this.entries);
    if (this.committing !== undefined && chance(random, 0.5)) left.entries.apply(this.committing);
    left.epoch = this.epoch;
    return left;
  }

  /** Flips one bit of a stored data block. */
  rotData(place: Place, bit: number): void {
    this.data.rot(place, bit);
  }

  /** Flips one bit of a journal segment; `offsetBytes` counts from its begin. */
  rotJournal(segment: number, offsetBytes: number): void {
    const found = this.journal.segments.find(({ number }) => number === segment);
    assert(found !== undefined && offsetBytes < this.journal.segmentBytes);
    for (const bytes of [found.live, found.durable]) {
      bytes[offsetBytes] = (bytes[offsetBytes] as number) ^ 1;
    }
  }

  /** Flips one bit of a value of the tables. */
  rotMeta(key: Uint8Array, offsetBytes: number): void {
    const value = this.entries.get(key)?.slice();
    assert(value !== undefined && offsetBytes < value.byteLength);
    value[offsetBytes] = (value[offsetBytes] as number) ^ 1;
    this.entries.apply([{ key, value }]);
  }
}
