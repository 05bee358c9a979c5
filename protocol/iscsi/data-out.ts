/**
 * The data-out of one command (RFC 7143 §4.2.5.2, §11.7, §11.8): immediate data, unsolicited Data-Outs up to
 * FirstBurstLength, then one sequence for each R2T. DataPDUInOrder and DataSequenceInOrder are Yes,
 * so every sequence has exactly one next offset and one next DataSN.
 *
 * The first thing wrong decides the sense data; from then on data is only counted, until the
 * initiator has finished every sequence it owes, because its answer must not overtake them
 * (RFC 7143 §7.8, §7.9).
 *
 * Data that came with the command stays where it was received until more comes. Then it is copied into
 * one buffer: of first-burst size while data is unsolicited, of full size once R2Ts are granted.
 */
import { RESERVED_TAG } from 'node-iscsi-pdu';
import { IscsiSense } from './iscsi-sense.ts';

/** What was negotiated that bounds data-out. */
export interface DataOutRules {
  readonly initialR2T: boolean;
  readonly immediateData: boolean;
  readonly firstBurstBytes: number;
  readonly maxBurstBytes: number;
}

/** A sequence the initiator owes: all of one R2T, or the unsolicited one. */
interface Sequence {
  readonly transferTag: number;
  readonly endBytes: number;
  nextBytes: number;
  dataSN: number;
}

/** A Data-Out PDU, already taken apart. */
export interface DataOutPdu {
  readonly transferTag: number;
  readonly dataSN: number;
  readonly offsetBytes: number;
  readonly final: boolean;
  readonly data: Uint8Array;
  readonly dataDigestOk: boolean;
}

/** What one R2T asks for. */
export interface Solicitation {
  readonly r2tSN: number;
  readonly offsetBytes: number;
  readonly bytes: number;
}

const NO_BYTES = new Uint8Array(0);

export class DataOutGatherer {
  readonly expectedBytes: number;
  readonly #rules: DataOutRules;
  readonly #allocate: (bytes: number) => Uint8Array;
  #own: Uint8Array | undefined;
  #received: Uint8Array = NO_BYTES;
  #filledBytes = 0;
  #solicitedBytes = 0;
  #unsolicited: Sequence | undefined;
  #solicited: Sequence[] = [];
  #r2tSN = 0;
  #granted = false;
  #failure: Uint8Array | undefined;

  /** `allocate` may give memory that holds anything: a command runs only when all of it was overwritten. */
  constructor(
    expectedBytes: number,
    rules: DataOutRules,
    allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes),
  ) {
    this.expectedBytes = expectedBytes;
    this.#allocate = allocate;
    this.#rules = rules;
  }

  /** Takes the command's own data segment; `final` is its F bit: no unsolicited Data-Out follows. */
  begin({ data, final }: { readonly data: Uint8Array; readonly final: boolean }): void {
    const unsolicitedEnd = Math.min(this.expectedBytes, this.#rules.firstBurstBytes);
    if (data.length > 0 && (!this.#rules.immediateData || data.length > unsolicitedEnd)) {
      this.fail(IscsiSense.UNEXPECTED_UNSOLICITED_DATA);
    }
    if (!final) {
      if (this.#rules.initialR2T) this.fail(IscsiSense.UNEXPECTED_UNSOLICITED_DATA);
      const nextBytes = Math.min(data.length, unsolicitedEnd);
      this.#unsolicited = { transferTag: RESERVED_TAG, endBytes: unsolicitedEnd, nextBytes, dataSN: 0 };
    }
    if (this.#failure !== undefined) return;
    this.#received = data;
    this.#filledBytes = data.length;
    this.#solicitedBytes = data.length;
  }

  get failure(): Uint8Array | undefined {
    return this.#failure;
  }

  /** Every byte is here. */
  get complete(): boolean {
    return this.#failure === undefined && this.#filledBytes === this.expectedBytes && !this.owed;
  }

  /** The initiator has sequences to finish. */
  get owed(): boolean {
    return this.#unsolicited !== undefined || this.#solicited.length > 0;
  }

  /** Exactly the expected bytes, once complete. */
  get dataOut(): Uint8Array {
    return this.#received;
  }

  /** Whether an R2T would be of use now; `granted` says whether its memory is reserved already. */
  get wantsR2T(): boolean {
    return (
      this.#failure === undefined &&
      this.#unsolicited === undefined &&
      this.#solicitedBytes < this.expectedBytes
    );
  }

  /** What `allocate` gave and the data lies in; undefined while it lies where it was received. */
  get ownBuffer(): Uint8Array | undefined {
    return this.#own;
  }

  get granted(): boolean {
    return this.#granted;
  }

  get outstandingR2Ts(): number {
    return this.#solicited.length;
  }

  /** R2Ts sent so far. */
  get r2tCount(): number {
    return this.#r2tSN;
  }

  /** The full buffer may be allocated. */
  grant(): void {
    this.#granted = true;
  }

  /** The next R2T; asks for at most MaxBurstLength. */
  solicit(transferTag: number): Solicitation {
    const offsetBytes = this.#solicitedBytes;
    const bytes = Math.min(this.expectedBytes - offsetBytes, this.#rules.maxBurstBytes);
    this.#solicitedBytes += bytes;
    const endBytes = offsetBytes + bytes;
    this.#solicited.push({ transferTag, endBytes, nextBytes: offsetBytes, dataSN: 0 });
    const r2tSN = this.#r2tSN;
    this.#r2tSN += 1;
    return { r2tSN, offsetBytes, bytes };
  }

  /** Only the first failure counts. */
  fail(sense: Uint8Array): void {
    this.#failure ??= sense;
    this.#received = NO_BYTES;
  }

  /** Takes one Data-Out. False: its target transfer tag names no sequence of this command. */
  take(pdu: DataOutPdu): boolean {
    const sequence = this.#sequence(pdu.transferTag);
    if (sequence === undefined) {
      if (pdu.transferTag !== RESERVED_TAG) return false;
      this.fail(IscsiSense.UNEXPECTED_UNSOLICITED_DATA);
      return true;
    }
    if (!pdu.dataDigestOk) this.fail(IscsiSense.PROTOCOL_SERVICE_CRC_ERROR);
    else if (this.#failure === undefined) this.#accept(sequence, pdu);
    if (this.#failure !== undefined) sequence.nextBytes += pdu.data.length;
    if (pdu.final || (this.#failure !== undefined && sequence.nextBytes >= sequence.endBytes)) {
      this.#finish(sequence);
    }
    return true;
  }

  #sequence(transferTag: number): Sequence | undefined {
    if (transferTag === RESERVED_TAG) return this.#unsolicited;
    return this.#solicited.find((sequence) => sequence.transferTag === transferTag);
  }

  #accept(sequence: Sequence, pdu: DataOutPdu): void {
    const endBytes = pdu.offsetBytes + pdu.data.length;
    if (pdu.dataSN !== sequence.dataSN || pdu.offsetBytes !== sequence.nextBytes) {
      this.fail(IscsiSense.PROTOCOL_SERVICE_CRC_ERROR);
    } else if (endBytes > sequence.endBytes) {
      this.fail(this.#excess(sequence));
    } else if (pdu.final && endBytes !== sequence.endBytes) {
      this.fail(IscsiSense.INCORRECT_AMOUNT_OF_DATA);
    } else {
      if (pdu.data.length > 0) this.#store(pdu.data, pdu.offsetBytes);
      sequence.nextBytes = endBytes;
      sequence.dataSN += 1;
    }
  }

  #excess(sequence: Sequence): Uint8Array {
    return sequence === this.#unsolicited
      ? IscsiSense.UNEXPECTED_UNSOLICITED_DATA
      : IscsiSense.INCORRECT_AMOUNT_OF_DATA;
  }

  #finish(sequence: Sequence): void {
    if (sequence === this.#unsolicited) {
      this.#unsolicited = undefined;
      this.#solicitedBytes = this.#filledBytes;
      return;
    }
    this.#solicited = this.#solicited.filter((other) => other !== sequence);
  }

  #store(data: Uint8Array, offsetBytes: number): void {
    const endBytes = offsetBytes + data.length;
    if (endBytes > this.#received.length) this.#enlarge();
    this.#received.set(data, offsetBytes);
    this.#filledBytes += data.length;
  }

  #enlarge(): void {
    const bytes = this.#granted
      ? this.expectedBytes
      : Math.min(this.expectedBytes, this.#rules.firstBurstBytes);
    const larger = this.#allocate(bytes);
    larger.set(this.#received.subarray(0, this.#filledBytes));
    this.#received = larger;
    this.#own = larger;
  }
}
