/**
 * Finds the headers in a stream of PDUs and passes over their data without keeping it: what a load generator
 * needs of a response is in its 48 bytes.
 */
import { BHS_BYTES, DIGEST_BYTES, paddedTo4 } from 'node-iscsi-pdu';

const LENGTHS_AT = 4;
const AHS_WORD_BYTES = 4;

export interface PduReader {
  /** A header lies at `at` of `view`, only while this is called. `dataBytes` is its DataSegmentLength. */
  header(view: DataView, at: number, dataBytes: number): void;
  /** All of that PDU has been received. */
  whole(): void;
}

export class Skimmer {
  readonly #reader: PduReader;
  readonly #digestBytes: number;
  readonly #split = new Uint8Array(BHS_BYTES);
  readonly #splitView = new DataView(this.#split.buffer);
  #splitBytes = 0;
  /** Bytes of the PDU under way that are still to come. */
  #leftBytes = 0;
  #view: DataView = new DataView(this.#split.buffer);

  /** With digests, four bytes follow each header, and as many all data. They are passed over. */
  constructor(reader: PduReader, digests = false) {
    this.#reader = reader;
    this.#digestBytes = digests ? DIGEST_BYTES : 0;
  }

  take(bytes: Uint8Array): void {
    if (this.#view.buffer !== bytes.buffer) this.#view = new DataView(bytes.buffer);
    const endAt = bytes.byteOffset + bytes.byteLength;
    let at = bytes.byteOffset;
    while (at < endAt) {
      if (this.#leftBytes > 0) {
        const passed = Math.min(this.#leftBytes, endAt - at);
        at += passed;
        this.#leftBytes -= passed;
        if (this.#leftBytes === 0) this.#reader.whole();
      } else if (this.#splitBytes === 0 && endAt - at >= BHS_BYTES) {
        this.#begin(this.#view, at);
        at += BHS_BYTES;
      } else {
        const taken = Math.min(BHS_BYTES - this.#splitBytes, endAt - at);
        this.#split.set(new Uint8Array(bytes.buffer, at, taken), this.#splitBytes);
        this.#splitBytes += taken;
        at += taken;
        if (this.#splitBytes < BHS_BYTES) return;
        this.#splitBytes = 0;
        this.#begin(this.#splitView, 0);
      }
    }
  }

  #begin(view: DataView, at: number): void {
    const lengths = view.getUint32(at + LENGTHS_AT);
    const dataBytes = lengths & 0xffffff;
    const digests = dataBytes > 0 ? 2 * this.#digestBytes : this.#digestBytes;
    this.#leftBytes = (lengths >>> 24) * AHS_WORD_BYTES + paddedTo4(dataBytes) + digests;
    this.#reader.header(view, at, dataBytes);
    if (this.#leftBytes === 0) this.#reader.whole();
  }
}
