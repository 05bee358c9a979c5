/**
 * How the outcome of a command leaves (RFC 7143 §4.2.5.3, §11.4, §11.7): Data-In PDUs no longer than the
 * initiator takes, in sequences of MaxBurstLength, the status in the last of them when there is no
 * sense data, else in a SCSI Response. The residual is what the command wanted to transfer minus what
 * the initiator expected.
 */
import { paddedTo4, paddingOf, writeDigest } from 'node-iscsi-pdu';
import type { TaskResult } from './effects.ts';
import {
  type DataInFields,
  HeaderSlab,
  type StatusFields,
  writeDataIn,
  writeScsiResponse,
} from './fast-headers.ts';
import { STATUS_CHECK_CONDITION, STATUS_GOOD } from './iscsi-sense.ts';
import type { Task } from './task.ts';
import type { Wire } from './wire.ts';

const HEADER_BYTES = 48;
const DIGEST_BYTES = 4;
const NO_BYTES = new Uint8Array(0);

/** What the initiator takes. */
export interface DataInRules {
  /** Its MaxRecvDataSegmentLength. */
  segmentBytes: number;
  readonly maxBurstBytes: number;
}

export class Responder {
  readonly #wire: Wire;
  readonly #rules: DataInRules;
  readonly #slab = new HeaderSlab();

  constructor(wire: Wire, rules: DataInRules) {
    this.#wire = wire;
    this.#rules = rules;
  }

  /** Sends data-in and status of one command as one effect. */
  respond(task: Task, result: TaskResult): void {
    if (this.#wire.closed) return;
    const { dataIn = NO_BYTES, sense = NO_BYTES, status } = result;
    const dataBytes = task.reads ? Math.min(dataIn.length, task.expectedBytes) : 0;
    const residual = result.transferBytes - task.expectedBytes;
    const collapsed = status === STATUS_GOOD && sense.length === 0 && dataBytes > 0;
    const pieces: Uint8Array[] = [];
    const outcome: StatusFields = { status, residual, statSN: this.#wire.takeStatSN() };
    let dataSN = 0;
    if (dataBytes > 0)
      dataSN = this.#dataIn(pieces, task.tag, dataIn, dataBytes, collapsed ? outcome : undefined);
    if (!collapsed) this.#status(pieces, task, outcome, sense, dataSN + (task.gatherer?.r2tCount ?? 0));
    this.#wire.sendPieces(pieces);
  }

  /** Ends a command that SCSI never saw, with CHECK CONDITION. */
  refuse(task: Task, sense: Uint8Array): void {
    this.respond(task, { status: STATUS_CHECK_CONDITION, sense, transferBytes: 0 });
  }

  /** Returns the number of PDUs. */
  #dataIn(
    pieces: Uint8Array[],
    tag: number,
    dataIn: Uint8Array,
    dataBytes: number,
    outcome: StatusFields | undefined,
  ): number {
    const { segmentBytes, maxBurstBytes } = this.#rules;
    let offsetBytes = 0;
    let dataSN = 0;
    let burstEnd = maxBurstBytes;
    while (offsetBytes < dataBytes) {
      const end = Math.min(offsetBytes + segmentBytes, burstEnd, dataBytes);
      const whole = offsetBytes === 0 && end === dataIn.length;
      const data = whole ? dataIn : dataIn.subarray(offsetBytes, end);
      const final = end === burstEnd || end === dataBytes;
      if (end === burstEnd) burstEnd += maxBurstBytes;
      const header = this.#slab.take(this.#wire.headerDigest);
      const fields: DataInFields = { tag, dataSN, offsetBytes, dataBytes: data.length, final };
      writeDataIn(header, fields, this.#wire.window, end === dataBytes ? outcome : undefined);
      this.#append(pieces, header, data);
      offsetBytes = end;
      dataSN += 1;
    }
    return dataSN;
  }

  #status(
    pieces: Uint8Array[],
    task: Task,
    outcome: StatusFields,
    sense: Uint8Array,
    expDataSN: number,
  ): void {
    const data = sense.length === 0 ? NO_BYTES : withSenseLength(sense);
    const header = this.#slab.take(this.#wire.headerDigest);
    const fields = { tag: task.tag, expDataSN, dataBytes: data.length };
    writeScsiResponse(header, fields, this.#wire.window, outcome);
    this.#append(pieces, header, data);
  }

  #append(pieces: Uint8Array[], header: Uint8Array, data: Uint8Array): void {
    const { headerDigest, dataDigest, crc32c } = this.#wire;
    if (headerDigest) writeDigest(crc32c(header.subarray(0, HEADER_BYTES)), header, HEADER_BYTES);
    pieces.push(header);
    if (data.length === 0) return;
    pieces.push(data);
    const padding = paddedTo4(data.length) - data.length;
    if (dataDigest) pieces.push(digestAfter(data, padding, crc32c));
    else if (padding > 0) pieces.push(paddingOf(data.length));
  }
}

function digestAfter(data: Uint8Array, padding: number, crc32c: Wire['crc32c']): Uint8Array {
  const tail = new Uint8Array(padding + DIGEST_BYTES);
  const digest = crc32c(data);
  const overPadding = padding > 0 ? crc32c(tail.subarray(0, padding), digest) : digest;
  writeDigest(overPadding, tail, padding);
  return tail;
}

/** SenseLength before the sense data (RFC 7143 §11.4.7). */
export function withSenseLength(sense: Uint8Array): Uint8Array {
  const data = new Uint8Array(2 + sense.length);
  data[0] = sense.length >>> 8;
  data[1] = sense.length;
  data.set(sense, 2);
  return data;
}
