/**
 * Logs in as a common initiator would that wants speed (no authentication, InitialR2T=No,
 * ImmediateData=Yes, long segments), sees that the logical unit is ready, and reads its size. One request at
 * a time: nothing here is measured.
 */
import assert from 'node:assert';
import {
  BHS_BYTES,
  Deframer,
  decodeText,
  encodeLun,
  encodePdu,
  encodeText,
  type Frame,
  LoginRequest,
  LoginResponse,
  LoginStage,
  LoginStatus,
  Opcode,
  RESERVED_TAG,
  ScsiCommand,
  ScsiResponse,
  serialNext,
} from 'node-iscsi-pdu';
import type { Wire } from './wire.ts';

/** What the generator must know of the session, with the values RFC 7143 §13 has when nobody speaks. */
export interface Negotiated {
  /** Data segment the target takes, bytes. */
  readonly segmentBytesMax: number;
  readonly firstBurstBytes: number;
  readonly initialR2T: boolean;
  readonly immediateData: boolean;
  /** Every header and all data are followed by their CRC32C. */
  readonly digests: boolean;
  readonly cmdSN: number;
  readonly expStatSN: number;
  readonly maxCmdSN: number;
}

export interface UnitSize {
  readonly blockBytes: number;
  readonly blocks: number;
}

const RECEIVE_SEGMENT_BYTES = 256 * 1024;
const INITIATOR = 'iqn.2026-11.io.snaplun:bench';
const READY_ATTEMPTS_MAX = 20;
const TEST_UNIT_READY = new Uint8Array(16);
const READ_CAPACITY_10 = Uint8Array.of(0x25, ...new Uint8Array(15));
const READ_CAPACITY_10_BYTES = 8;

interface Answer {
  readonly status: number;
  readonly data: Uint8Array;
}

/** A session from its first byte to the moment the load begins. */
export class Entry {
  readonly #wire: Wire;
  readonly #deframer = new Deframer({ maxDataSegmentLength: RECEIVE_SEGMENT_BYTES });
  readonly #frames: Frame[] = [];
  readonly #digests: boolean;
  #waiting: { resolve: (frame: Frame) => void; reject: (why: Error) => void } | undefined;
  #why: Error | undefined;
  #cmdSN = 1;
  #expStatSN = 0;
  #maxCmdSN = 0;

  constructor(wire: Wire, digests: boolean) {
    this.#wire = wire;
    this.#digests = digests;
    wire.attach(
      (bytes) => {
        this.#deframer.push(bytes.slice());
        for (let frame = this.#deframer.next(); frame !== undefined; frame = this.#deframer.next()) {
          this.#frames.push(frame);
        }
        this.#wake();
      },
      (why) => {
        this.#why = why;
        this.#wake();
      },
    );
  }

  async login(target: string, session: number): Promise<Negotiated> {
    const digest = this.#digests ? 'CRC32C' : 'None';
    const data = encodeText([
      ['InitiatorName', `${INITIATOR}-${session}`],
      ['SessionType', 'Normal'],
      ['TargetName', target],
      ['HeaderDigest', digest],
      ['DataDigest', digest],
      ['InitialR2T', 'No'],
      ['ImmediateData', 'Yes'],
      ['MaxRecvDataSegmentLength', String(RECEIVE_SEGMENT_BYTES)],
      ['FirstBurstLength', String(RECEIVE_SEGMENT_BYTES)],
      ['MaxBurstLength', '16776192'],
      ['MaxOutstandingR2T', '8'],
      ['MaxConnections', '1'],
      ['ErrorRecoveryLevel', '0'],
      ['DefaultTime2Wait', '2'],
      ['DefaultTime2Retain', '0'],
      ['DataPDUInOrder', 'Yes'],
      ['DataSequenceInOrder', 'Yes'],
    ]);
    const isid = Uint8Array.of(0x80, 0x62, 0x65, session >>> 8, session & 0xff, process.pid & 0xff);
    const keys = new Map<string, string>();
    let text: Uint8Array = data;
    for (let transit = false; !transit; text = new Uint8Array(0)) {
      const request = {
        transit: true,
        csg: LoginStage.OPERATIONAL_NEGOTIATION,
        nsg: LoginStage.FULL_FEATURE_PHASE,
        isid,
        initiatorTaskTag: 1,
        cmdSN: this.#cmdSN,
        expStatSN: this.#expStatSN,
      };
      const frame = await this.#ask(encodePdu(LoginRequest, request, { data: text }));
      assert.equal(frame.opcode, Opcode.LOGIN_RESPONSE);
      const response = LoginResponse.decode(frame.bhs);
      assert.equal(response.status, LoginStatus.SUCCESS, `login status ${response.status.toString(16)}h`);
      this.#expStatSN = serialNext(response.statSN);
      this.#maxCmdSN = response.maxCmdSN;
      for (const [key, value] of decodeText(frame.data)) keys.set(key, value);
      transit = response.transit;
    }
    const agreed = [keys.get('HeaderDigest'), keys.get('DataDigest')];
    assert.deepEqual(agreed, [digest, digest], 'digests');
    this.#deframer.setDigests({ header: this.#digests, data: this.#digests });
    return {
      segmentBytesMax: Number(keys.get('MaxRecvDataSegmentLength') ?? 8192),
      firstBurstBytes: Number(keys.get('FirstBurstLength') ?? 65_536),
      initialR2T: keys.get('InitialR2T') !== 'No',
      immediateData: keys.get('ImmediateData') !== 'No',
      digests: this.#digests,
      ...this.#numbers(),
    };
  }

  /** The size of the unit, once it has told all its unit attentions. */
  async size(lun: number): Promise<UnitSize> {
    for (let attempt = 0; (await this.#command(lun, TEST_UNIT_READY, 0)).status !== 0; attempt += 1) {
      assert(attempt < READY_ATTEMPTS_MAX, `LUN ${lun} is not ready`);
    }
    const { status, data } = await this.#command(lun, READ_CAPACITY_10, READ_CAPACITY_10_BYTES);
    assert(status === 0 && data.byteLength >= READ_CAPACITY_10_BYTES, `READ CAPACITY(10): status ${status}`);
    const view = new DataView(data.buffer, data.byteOffset);
    return { blocks: view.getUint32(0) + 1, blockBytes: view.getUint32(4) };
  }

  /** Where the numbering stands: `login` gave it too, but commands have passed since. */
  numbering(negotiated: Negotiated): Negotiated {
    return { ...negotiated, ...this.#numbers() };
  }

  #numbers(): { cmdSN: number; expStatSN: number; maxCmdSN: number } {
    return { cmdSN: this.#cmdSN, expStatSN: this.#expStatSN, maxCmdSN: this.#maxCmdSN };
  }

  async #command(lun: number, cdb: Uint8Array, dataInBytes: number): Promise<Answer> {
    const request = {
      final: true,
      read: dataInBytes > 0,
      attr: 1,
      lun: encodeLun(lun),
      initiatorTaskTag: 2,
      expectedDataTransferLength: dataInBytes,
      cmdSN: this.#cmdSN,
      expStatSN: this.#expStatSN,
      cdb,
    };
    this.#cmdSN = serialNext(this.#cmdSN);
    let data: Uint8Array = new Uint8Array(0);
    let frame = await this.#ask(encodePdu(ScsiCommand, request, { headerDigest: this.#digests }));
    for (; frame.opcode !== Opcode.SCSI_RESPONSE; frame = await this.#next()) {
      const transferTag = new DataView(frame.bhs.buffer, frame.bhs.byteOffset).getUint32(20);
      if (frame.opcode !== Opcode.DATA_IN) {
        assert(frame.opcode === Opcode.NOP_IN && transferTag === RESERVED_TAG, `opcode ${frame.opcode}`);
        continue;
      }
      data = frame.data;
      if (((frame.bhs[1] as number) & 1) !== 0) break;
    }
    // Status and the numbers lie in the same bytes of a SCSI Response and of a Data-In with status.
    const response = ScsiResponse.decode(frame.bhs, 0);
    assert.equal(frame.bhs.byteLength, BHS_BYTES);
    this.#expStatSN = serialNext(response.statSN);
    this.#maxCmdSN = response.maxCmdSN;
    return { status: response.status, data };
  }

  #ask(pieces: readonly Uint8Array[]): Promise<Frame> {
    for (const piece of pieces) this.#wire.add(piece);
    this.#wire.flush();
    return this.#next();
  }

  #next(): Promise<Frame> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#wake();
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    if (waiting === undefined || (this.#frames.length === 0 && this.#why === undefined)) return;
    this.#waiting = undefined;
    const frame = this.#frames.shift();
    if (frame !== undefined) waiting.resolve(frame);
    else if (this.#why !== undefined) waiting.reject(this.#why);
  }
}
