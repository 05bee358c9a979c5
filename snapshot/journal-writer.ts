/**
 * The end of the pipeline at which records go into the journal: encoded one behind the other, appended
 * together, in as few appends as they fit into. An append that fails fails the pool; after that nothing is
 * appended any more.
 */
import type { StoreError } from '../lun/errors.ts';
import type { MaybePromise } from '../lun/units.ts';
import { type Extent, type RecordEncoder, writeRecordBytes } from './journal-record.ts';
import type { JournalSpace } from './medium/medium.ts';
import type { PageContent } from './table-page.ts';

export interface JournalWriterOptions {
  readonly journal: JournalSpace;
  readonly encoder: RecordEncoder;
  /** The pool cannot go on. */
  readonly onFailure: (why: string, cause: unknown) => void;
}

/** A WRITE record to be; its sequence is set when it is encoded. */
export interface PendingRecord {
  readonly extents: readonly Extent[];
  readonly sums: ArrayLike<number>;
  /** Pages that a copy takes over as they are, by their number in the destination. */
  readonly lent: ReadonlyMap<number, PageContent> | undefined;
  sequence: number;
}

export class JournalWriter {
  readonly #journal: JournalSpace;
  readonly #encoder: RecordEncoder;
  readonly #onFailure: JournalWriterOptions['onFailure'];
  #failure: StoreError | undefined;

  constructor(options: JournalWriterOptions) {
    this.#journal = options.journal;
    this.#encoder = options.encoder;
    this.#onFailure = options.onFailure;
  }

  /** Checksum of the last record; the next one names it as its predecessor. */
  get previous(): number {
    return this.#encoder.previous;
  }

  fail(failure: StoreError): void {
    this.#failure ??= failure;
  }

  /** Throws what the pool failed with. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** One record of its own; its sequence, once it stands in the journal. */
  appendAlone(encode: (encoder: RecordEncoder) => number): MaybePromise<number> {
    const sequence = encode(this.#encoder);
    const stands = (): number => {
      // The pool may have failed meanwhile, and then this record may not be there.
      this.check();
      return sequence;
    };
    const appended = this.#append();
    return appended instanceof Promise ? appended.then(stands) : stands();
  }

  /** The records from this one on; it is done when all stand in the journal. */
  appendAll(records: readonly PendingRecord[], from = 0): MaybePromise<void> {
    for (let i = from; i < records.length; i += 1) {
      const record = records[i] as PendingRecord;
      const { byteLength } = this.#encoder;
      const bytes = writeRecordBytes(record.extents.length, record.sums.length);
      if (byteLength > 0 && byteLength + bytes > this.#journal.appendBytesMax) {
        const appended = this.#append();
        if (appended instanceof Promise) return appended.then(() => this.appendAll(records, i));
      }
      record.sequence = this.#encoder.write(record.extents, record.sums);
    }
    return this.#encoder.byteLength === 0 ? undefined : this.#append();
  }

  #append(): MaybePromise<void> {
    this.check();
    try {
      const appended = this.#journal.append(this.#encoder.bytes());
      if (!(appended instanceof Promise)) {
        this.#encoder.clear();
        return undefined;
      }
      return appended.then(
        () => this.#encoder.clear(),
        (cause: unknown) => this.#failed(cause),
      );
    } catch (cause) {
      return this.#failed(cause);
    }
  }

  #failed(cause: unknown): never {
    this.#onFailure('the journal could not be written', cause);
    throw cause;
  }
}
