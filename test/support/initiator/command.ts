import {
  DataIn,
  DataOut,
  type Frame,
  Opcode,
  R2T,
  RESERVED_TAG,
  ScsiResponse,
  ScsiResponseCode,
} from 'node-iscsi-pdu';
import type { PduLink } from './pdu-link.ts';

export interface CommandOptions {
  readonly cdb: Uint8Array;
  /** Default 0. */
  readonly lun?: number | Uint8Array;
  readonly dataOut?: Uint8Array;
  /** Expected data-in, bytes. */
  readonly dataInBytes?: number;
  /** Says another Expected Data Transfer Length than the data has. */
  readonly expectedBytes?: number;
  readonly immediate?: boolean;
  /** RFC 7143 §11.3.1; default 1, simple. */
  readonly attribute?: number;
  readonly tag?: number;
  readonly cmdSN?: number;
}

export interface Residual {
  readonly kind: 'none' | 'overflow' | 'underflow';
  readonly bytes: number;
}

export interface CommandResult {
  /** iSCSI response code (RFC 7143 §11.4.3). */
  readonly response: number;
  /** SAM status byte. */
  readonly status: number;
  /** Empty when there is none. */
  readonly sense: Uint8Array;
  /** What arrived. */
  readonly dataIn: Uint8Array;
  readonly residual: Residual;
  /** Data-In PDUs received, and R2Ts answered. */
  readonly dataInPdus: number;
  readonly r2ts: number;
}

/** How a command leaves: with how much of its data, and whether Data-Outs follow unasked. */
interface SendPlan {
  readonly immediate: Uint8Array;
  readonly final: boolean;
}

/** The status of a command has come. */
export interface CommandEnd {
  readonly statSN: number;
  readonly settle: () => void;
}

/** The target broke a rule that this initiator watches over. */
export class TargetFault extends Error {
  override readonly name = 'TargetFault';
}

const NO_BYTES = new Uint8Array(0);

export class PendingCommand {
  readonly tag: number;
  readonly reads: boolean;
  readonly writes: boolean;
  readonly expectedBytes: number;
  readonly done: Promise<CommandResult>;
  readonly #parameters: ReadonlyMap<string, string>;
  readonly #dataOut: Uint8Array;
  #resolve: (result: CommandResult) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;
  #sentBytes = 0;
  #dataIn: Uint8Array = NO_BYTES;
  #dataInBytes = 0;
  #dataInPdus = 0;
  #r2ts = 0;

  constructor(options: CommandOptions, tag: number, parameters: ReadonlyMap<string, string>) {
    this.tag = tag;
    this.#parameters = parameters;
    this.#dataOut = options.dataOut ?? NO_BYTES;
    this.writes = options.dataOut !== undefined;
    this.reads = options.dataInBytes !== undefined;
    this.expectedBytes = options.expectedBytes ?? (this.#dataOut.length || (options.dataInBytes ?? 0));
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // A caller that only looks at tags must not be brought down by a connection that closes.
    this.done.catch(() => undefined);
  }

  fail(error: Error): void {
    this.#reject(error);
  }

  #number(key: string, fallback: number): number {
    const value = Number(this.#parameters.get(key));
    return Number.isNaN(value) ? fallback : value;
  }

  get #segmentBytes(): number {
    return this.#number('MaxRecvDataSegmentLength', 8192);
  }

  get #firstBurstBytes(): number {
    return Math.min(this.#number('FirstBurstLength', 65536), this.#number('MaxBurstLength', 262144));
  }

  plan(): SendPlan {
    if (!this.writes) return { immediate: NO_BYTES, final: true };
    const immediateData = this.#parameters.get('ImmediateData') !== 'No';
    const initialR2T = this.#parameters.get('InitialR2T') !== 'No';
    const burst = Math.min(this.#firstBurstBytes, this.#dataOut.length);
    const immediateBytes = immediateData ? Math.min(burst, this.#segmentBytes) : 0;
    this.#sentBytes = immediateBytes;
    const final = initialR2T || immediateBytes === burst;
    return { immediate: this.#dataOut.subarray(0, immediateBytes), final };
  }

  /** The Data-Outs that follow the command when it was not final. */
  sendUnsolicited(link: PduLink, expStatSN: number): void {
    if (!this.writes || this.#parameters.get('InitialR2T') !== 'No') return;
    const burst = Math.min(this.#firstBurstBytes, this.#dataOut.length);
    if (this.#sentBytes >= burst) return;
    this.#sendRange(link, { from: this.#sentBytes, to: burst, transferTag: RESERVED_TAG, expStatSN });
  }

  #sendRange(
    link: PduLink,
    range: {
      readonly from: number;
      readonly to: number;
      readonly transferTag: number;
      readonly expStatSN: number;
      readonly lun?: Uint8Array;
    },
  ): void {
    const { from, to, transferTag, expStatSN } = range;
    const lun = range.lun === undefined ? {} : { lun: range.lun };
    let dataSN = 0;
    for (let at = from; at < to; ) {
      const end = Math.min(at + this.#segmentBytes, to);
      const tags = { initiatorTaskTag: this.tag, targetTransferTag: transferTag };
      const fields = { final: end === to, ...lun, ...tags, expStatSN, dataSN, bufferOffset: at };
      link.send(DataOut, fields, { data: this.#dataOut.subarray(at, end) });
      dataSN += 1;
      at = end;
    }
  }

  /** Takes a PDU of this command; defined when it was the last. */
  receive(frame: Frame, link: PduLink, expStatSN: number): CommandEnd | undefined {
    if (!frame.dataDigestOk) this.fail(new TargetFault('a data digest does not match'));
    if (frame.opcode === Opcode.R2T) {
      this.#answerR2T(R2T.decode(frame.bhs), link, expStatSN);
      return undefined;
    }
    if (frame.opcode === Opcode.DATA_IN) return this.#takeDataIn(DataIn.decode(frame.bhs), frame.data);
    return this.#takeResponse(ScsiResponse.decode(frame.bhs), frame.data);
  }

  #answerR2T(r2t: R2T, link: PduLink, expStatSN: number): void {
    const { bufferOffset, desiredDataTransferLength, r2tSN } = r2t;
    if (r2tSN !== this.#r2ts) this.fail(new TargetFault(`R2TSN ${r2tSN} where ${this.#r2ts} was due`));
    if (desiredDataTransferLength > this.#number('MaxBurstLength', 262144)) {
      this.fail(new TargetFault('an R2T asks for more than MaxBurstLength'));
    }
    this.#r2ts += 1;
    const to = bufferOffset + desiredDataTransferLength;
    const { targetTransferTag, lun } = r2t;
    this.#sendRange(link, { from: bufferOffset, to, transferTag: targetTransferTag, expStatSN, lun });
  }

  #takeDataIn(pdu: DataIn, data: Uint8Array): CommandEnd | undefined {
    if (pdu.dataSN !== this.#dataInPdus || pdu.bufferOffset !== this.#dataInBytes) {
      this.fail(new TargetFault(`Data-In ${pdu.dataSN} at ${pdu.bufferOffset} is out of order`));
    }
    if (this.#dataIn.length === 0) this.#dataIn = new Uint8Array(this.expectedBytes);
    if (pdu.bufferOffset + data.length > this.expectedBytes) {
      this.fail(new TargetFault('more data-in than was expected'));
      return undefined;
    }
    this.#dataIn.set(data, pdu.bufferOffset);
    this.#dataInBytes += data.length;
    this.#dataInPdus += 1;
    if (!pdu.statusPresent) return undefined;
    return this.#end(pdu, { response: ScsiResponseCode.COMMAND_COMPLETED_AT_TARGET, sense: NO_BYTES });
  }

  #takeResponse(pdu: ScsiResponse, data: Uint8Array): CommandEnd {
    const pdus = this.#dataInPdus + this.#r2ts;
    if (pdu.expDataSN !== pdus) this.fail(new TargetFault(`ExpDataSN ${pdu.expDataSN}, ${pdus} were seen`));
    const senseBytes = data.length < 2 ? 0 : ((data[0] ?? 0) << 8) | (data[1] ?? 0);
    return this.#end(pdu, { response: pdu.response, sense: data.slice(2, 2 + senseBytes) });
  }

  #end(
    pdu: Pick<DataIn, 'statSN' | 'status' | 'residualOverflow' | 'residualUnderflow' | 'residualCount'>,
    { response, sense }: { readonly response: number; readonly sense: Uint8Array },
  ): CommandEnd {
    const kind = pdu.residualOverflow ? 'overflow' : pdu.residualUnderflow ? 'underflow' : 'none';
    const result: CommandResult = {
      ...{ response, status: pdu.status, sense, dataIn: this.#dataIn.subarray(0, this.#dataInBytes) },
      residual: { kind, bytes: pdu.residualCount },
      ...{ dataInPdus: this.#dataInPdus, r2ts: this.#r2ts },
    };
    return { statSN: pdu.statSN, settle: () => this.#resolve(result) };
  }
}
