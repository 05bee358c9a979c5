/**
 * A medium that lets someone read the journal as it is appended. The records are decoded by the check's own
 * reader, so what the simulation believes of them owes nothing to the engine that wrote them.
 */
import assert from 'node:assert';
import type { MaybePromise } from '../../lun/units.ts';
import { type CheckedRecord, readRecord } from '../../snapshot/check-journal.ts';
import type { Checksum } from '../../snapshot/checksum.ts';
import type {
  DataSpace,
  JournalSegment,
  JournalSpace,
  Lease,
  Medium,
  MetaSpace,
} from '../../snapshot/medium/medium.ts';

export interface TapOptions {
  readonly checksum: Checksum;
  /** Called for every record, in order, when its append was given to the medium. */
  readonly onRecord: (record: CheckedRecord) => void;
}

export class TappedMedium implements Medium {
  readonly description: string;
  readonly lease: Lease;
  readonly data: DataSpace;
  readonly journal: JournalSpace;
  readonly meta: MetaSpace;
  readonly #inner: Medium;

  constructor(inner: Medium, options: TapOptions) {
    this.#inner = inner;
    this.description = inner.description;
    this.lease = inner.lease;
    this.data = inner.data;
    this.meta = inner.meta;
    this.journal = new TappedJournal(inner.journal, options);
  }

  dropCaches(): Promise<void> {
    return this.#inner.dropCaches();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

class TappedJournal implements JournalSpace {
  readonly #inner: JournalSpace;
  readonly #options: TapOptions;

  constructor(inner: JournalSpace, options: TapOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  get appendBytesMax(): number {
    return this.#inner.appendBytesMax;
  }

  get segment(): number {
    return this.#inner.segment;
  }

  get keptBytes(): number {
    return this.#inner.keptBytes;
  }

  append(bytes: Uint8Array): MaybePromise<void> {
    // An append that fails may be there all the same, whole or in part.
    for (let offset = 0; offset < bytes.byteLength; ) {
      const record = readRecord(bytes, offset, this.#options.checksum);
      assert(typeof record !== 'string', `an append holds a record at ${offset}: ${String(record)}`);
      this.#options.onRecord(record);
      offset += record.bytes;
    }
    return this.#inner.append(bytes);
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  beginSegment(): MaybePromise<number> {
    return this.#inner.beginSegment();
  }

  replay(): AsyncIterable<JournalSegment> {
    return this.#inner.replay();
  }

  dropBefore(segment: number): MaybePromise<void> {
    return this.#inner.dropBefore(segment);
  }
}
