/**
 * Requests as bytes. The headers are encoded once; of each command only the numbers that change are written
 * into a copy. The copies, with short data beside them, lie in one ring of bytes, so that everything that is
 * submitted together leaves in one write; long data is sent from where it is.
 *
 * A place in the ring is free again without being asked about: a connection delivers in order, so when the
 * n-th command is submitted at depth d, one of the commands n - d or later was answered, and all bytes of
 * those before it have left.
 */
import {
  BHS_BYTES,
  DataOut,
  DIGEST_BYTES,
  encodeLun,
  NopOut,
  RESERVED_TAG,
  ScsiCommand,
  writeDigest,
  writeHeader,
} from 'node-iscsi-pdu';
import { crc32c } from '../../src/checksums.ts';
import type { Negotiated } from './login.ts';
import type { Wire } from './wire.ts';

/** Immediate data up to this many bytes is copied into the ring. */
const COPY_BYTES_MAX = 16 * 1024;

const OPERATION = { READ_10: 0x28, WRITE_10: 0x2a, SYNCHRONIZE_CACHE_10: 0x35 } as const;
const SIMPLE = 1;

const { cmdSN, expStatSN, initiatorTaskTag, cdb } = ScsiCommand.layout;
const TAG_AT = initiatorTaskTag.byte;
const CMD_SN_AT = cmdSN.byte;
const EXP_STAT_SN_AT = expStatSN.byte;
const LBA_AT = cdb.byte + 2;

/** Sequence numbers of a session, shared by those who send and those who receive. */
export interface Numbering {
  cmdSN: number;
  expStatSN: number;
  maxCmdSN: number;
}

/** What an R2T asks for, or what may follow a command unasked. */
export interface Solicited {
  readonly tag: number;
  readonly transferTag: number;
  readonly offsetBytes: number;
  readonly byteCount: number;
}

export interface RequestOptions {
  readonly wire: Wire;
  readonly negotiated: Negotiated;
  readonly numbering: Numbering;
  readonly lun: number;
  readonly depth: number;
  readonly transferBytes: number;
  readonly blockBytes: number;
  /** Data of every write, `transferBytes` long. */
  readonly payload: Uint8Array;
}

export class Requests {
  readonly #options: RequestOptions;
  readonly #lunField: Uint8Array;
  readonly #reading: Uint8Array;
  readonly #writing: Uint8Array;
  readonly #syncing: Uint8Array;
  /** Immediate data of a write: copied beside its header, or sent from the payload. */
  readonly #copied: Uint8Array | undefined;
  readonly #referred: Uint8Array | undefined;
  /** Data that may follow a write unasked ends here. */
  readonly #unaskedEndBytes: number;
  readonly #immediateBytes: number;
  readonly #ring: Uint8Array;
  readonly #view: DataView;
  readonly #digestBytes: number;
  /** Data digests by the offset of the data: the payload is the same for every write. */
  readonly #dataDigests = new Map<number, Uint8Array>();
  #at = 0;
  #sentAt = 0;

  constructor(options: RequestOptions) {
    const { negotiated, transferBytes, payload, lun } = options;
    this.#options = options;
    this.#lunField = encodeLun(lun);
    const { immediateData, initialR2T, firstBurstBytes, segmentBytesMax } = negotiated;
    const firstBytes = Math.min(transferBytes, firstBurstBytes);
    this.#immediateBytes = immediateData ? Math.min(firstBytes, segmentBytesMax) : 0;
    this.#unaskedEndBytes = initialR2T ? this.#immediateBytes : firstBytes;
    const immediate = payload.subarray(0, this.#immediateBytes);
    if (this.#immediateBytes > COPY_BYTES_MAX) this.#referred = immediate;
    else if (this.#immediateBytes > 0) this.#copied = immediate;
    this.#reading = this.#template('read');
    this.#writing = this.#template('write');
    this.#syncing = this.#template('sync');
    this.#digestBytes = negotiated.digests ? DIGEST_BYTES : 0;
    const requestBytesMax = BHS_BYTES + (this.#copied?.byteLength ?? 0) + 2 * this.#digestBytes;
    this.#ring = new Uint8Array((options.depth + 2) * requestBytesMax);
    this.#view = new DataView(this.#ring.buffer);
  }

  read(tag: number, lba: number): void {
    this.#command(this.#reading, tag, lba);
  }

  write(tag: number, lba: number): void {
    const { wire } = this.#options;
    this.#command(this.#writing, tag, lba, this.#copied);
    if (this.#referred !== undefined) {
      this.#closeRun();
      wire.add(this.#referred);
      if (this.#digestBytes > 0) wire.add(this.#digestOf(0, this.#referred));
    }
    const offsetBytes = this.#immediateBytes;
    const byteCount = this.#unaskedEndBytes - offsetBytes;
    if (byteCount > 0) this.dataOut({ tag, transferTag: RESERVED_TAG, offsetBytes, byteCount });
  }

  sync(tag: number): void {
    this.#command(this.#syncing, tag, 0);
  }

  /** Sends part of the payload as one sequence of Data-Out PDUs. */
  dataOut({ tag, transferTag, offsetBytes, byteCount }: Solicited): void {
    const { wire, negotiated, numbering, payload } = this.#options;
    this.#closeRun();
    const endBytes = offsetBytes + byteCount;
    let dataSN = 0;
    for (let at = offsetBytes; at < endBytes; dataSN += 1) {
      const dataSegmentLength = Math.min(negotiated.segmentBytesMax, endBytes - at);
      const header = new Uint8Array(BHS_BYTES);
      writeHeader(
        DataOut,
        {
          final: at + dataSegmentLength === endBytes,
          dataSegmentLength,
          lun: this.#lunField,
          initiatorTaskTag: tag,
          targetTransferTag: transferTag,
          expStatSN: numbering.expStatSN,
          dataSN,
          bufferOffset: at,
        },
        header,
      );
      const data = payload.subarray(at, at + dataSegmentLength);
      this.#add(header);
      wire.add(data);
      if (this.#digestBytes > 0) wire.add(this.#digestOf(at, data));
      at += dataSegmentLength;
    }
  }

  /** Answers a NOP-In that wants an answer. */
  pong(transferTag: number): void {
    const { numbering } = this.#options;
    this.#closeRun();
    const header = new Uint8Array(BHS_BYTES);
    const fields = { immediate: true, initiatorTaskTag: RESERVED_TAG, targetTransferTag: transferTag };
    const { cmdSN, expStatSN } = numbering;
    writeHeader(NopOut, { ...fields, lun: this.#lunField, cmdSN, expStatSN }, header);
    this.#add(header);
  }

  /** Hands everything over to the socket. */
  flush(): void {
    this.#closeRun();
    this.#options.wire.flush();
  }

  #command(template: Uint8Array, tag: number, lba: number, data?: Uint8Array): void {
    const { numbering } = this.#options;
    const digestBytes = this.#digestBytes;
    const dataBytes = data === undefined ? 0 : data.byteLength + digestBytes;
    const byteCount = BHS_BYTES + digestBytes + dataBytes;
    if (this.#at + byteCount > this.#ring.byteLength) {
      this.#closeRun();
      this.#at = 0;
      this.#sentAt = 0;
    }
    const at = this.#at;
    const view = this.#view;
    this.#ring.set(template, at);
    view.setUint32(at + TAG_AT, tag);
    view.setUint32(at + CMD_SN_AT, numbering.cmdSN);
    view.setUint32(at + EXP_STAT_SN_AT, numbering.expStatSN);
    view.setUint32(at + LBA_AT, lba);
    if (digestBytes > 0) {
      const headerEnd = at + BHS_BYTES;
      writeDigest(crc32c(this.#ring.subarray(at, headerEnd)), this.#ring, headerEnd);
      if (data !== undefined) this.#ring.set(this.#digestOf(0, data), at + byteCount - digestBytes);
    }
    if (data !== undefined) this.#ring.set(data, at + BHS_BYTES + digestBytes);
    numbering.cmdSN = (numbering.cmdSN + 1) >>> 0;
    this.#at += byteCount;
  }

  /** A header that is not in the ring. */
  #add(header: Uint8Array): void {
    const { wire } = this.#options;
    wire.add(header);
    if (this.#digestBytes > 0) wire.add(digest(header));
  }

  #digestOf(offsetBytes: number, data: Uint8Array): Uint8Array {
    let known = this.#dataDigests.get(offsetBytes);
    if (known === undefined) {
      known = digest(data);
      this.#dataDigests.set(offsetBytes, known);
    }
    return known;
  }

  #closeRun(): void {
    if (this.#at === this.#sentAt) return;
    this.#options.wire.add(this.#ring.subarray(this.#sentAt, this.#at));
    this.#sentAt = this.#at;
  }

  #template(kind: 'read' | 'write' | 'sync'): Uint8Array {
    const { transferBytes, blockBytes } = this.#options;
    const block = new Uint8Array(cdb.byteCount);
    const operations = {
      read: OPERATION.READ_10,
      write: OPERATION.WRITE_10,
      sync: OPERATION.SYNCHRONIZE_CACHE_10,
    };
    block[0] = operations[kind];
    // SYNCHRONIZE CACHE(10) of no blocks means all of them.
    if (kind !== 'sync') new DataView(block.buffer).setUint16(7, transferBytes / blockBytes);
    const header = new Uint8Array(BHS_BYTES);
    const writes = kind === 'write';
    writeHeader(
      ScsiCommand,
      {
        final: !writes || this.#unaskedEndBytes === this.#immediateBytes,
        read: kind === 'read',
        write: writes,
        attr: SIMPLE,
        dataSegmentLength: writes ? this.#immediateBytes : 0,
        lun: this.#lunField,
        expectedDataTransferLength: kind === 'sync' ? 0 : transferBytes,
        cdb: block,
      },
      header,
    );
    return header;
  }
}

/** The digest of whole words, as it stands on the wire. */
function digest(bytes: Uint8Array): Uint8Array {
  const found = new Uint8Array(DIGEST_BYTES);
  writeDigest(crc32c(bytes), found, 0);
  return found;
}
