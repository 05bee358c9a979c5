/**
 * Keeps one session's commands outstanding at a fixed depth until a moment, and counts. Nothing here makes a
 * promise or an object for a command; the clock is read twice for each batch of responses that arrives.
 */
import assert from 'node:assert';
import { DataIn, NopIn, Opcode, R2T, RESERVED_TAG, ScsiResponse, serialLessOrEqual } from 'node-iscsi-pdu';
import type { Case } from './cases.ts';
import type { Histogram } from './histogram.ts';
import type { Negotiated } from './login.ts';
import { type Numbering, Requests } from './requests.ts';
import { Skimmer } from './skimmer.ts';
import type { Timeline } from './timeline.ts';
import type { Wire } from './wire.ts';

const FLAGS_AT = 1;
const STATUS_PRESENT = 1;
const STATUS_AT = ScsiResponse.layout.status.byte;
const RESPONSE_AT = ScsiResponse.layout.response.byte;
const TAG_AT = ScsiResponse.layout.initiatorTaskTag.byte;
const STAT_SN_AT = ScsiResponse.layout.statSN.byte;
const MAX_CMD_SN_AT = ScsiResponse.layout.maxCmdSN.byte;
const DATA_IN_OFFSET_AT = DataIn.layout.bufferOffset.byte;
const R2T_TRANSFER_TAG_AT = R2T.layout.targetTransferTag.byte;
const R2T_OFFSET_AT = R2T.layout.bufferOffset.byte;
const R2T_LENGTH_AT = R2T.layout.desiredDataTransferLength.byte;
const NOP_TRANSFER_TAG_AT = NopIn.layout.targetTransferTag.byte;

const NANOSECONDS_PER_MS = 1e6;
/** A target that completes nothing for this long has failed. */
const SILENCE_MS_MAX = 10_000;
const CHECK_CONDITION = 2;
const NONE = -1;

const Kind = { READ: 0, WRITE: 1, SYNC: 2 } as const;

export interface PumpOptions {
  readonly wire: Wire;
  readonly negotiated: Negotiated;
  readonly lun: number;
  readonly blockBytes: number;
  /** The part of the unit that this session works in. */
  readonly region: { readonly firstBlock: number; readonly blocks: number };
  readonly pattern: Case;
  readonly seed: number;
  readonly payload: Uint8Array;
  /** Latencies of all sessions of this process. */
  readonly latencies: Histogram;
  readonly timeline: Timeline;
  /** A write may end with CHECK CONDITION. */
  readonly attentions: boolean;
}

export interface Until {
  readonly durationMs: number;
  readonly commandsMax: number;
}

export class Pump {
  readonly #pattern: Case;
  readonly #wire: Wire;
  readonly #latencies: Histogram;
  readonly #timeline: Timeline;
  readonly #attentions: boolean;
  readonly #numbering: Numbering;
  readonly #requests: Requests;
  readonly #freeTags: Int32Array;
  readonly #kinds: Uint8Array;
  readonly #startedMs: Float64Array;
  readonly #receivedBytes: Float64Array;
  readonly #firstBlock: number;
  readonly #stepBlocks: number;
  readonly #steps: number;
  #freeCount: number;
  #step = 0;
  #random: number;
  #nowMs = 0;
  #endMs = 0;
  #left = 0;
  #count = 0;
  #ending = NONE;
  #status = 0;
  #settle: { resolve: (count: number) => void; reject: (why: Error) => void } | undefined;
  #broken: Error | undefined;

  constructor(options: PumpOptions) {
    const { wire, negotiated, pattern, region, blockBytes, seed } = options;
    const { depth, transferBytes } = pattern;
    this.#pattern = pattern;
    this.#wire = wire;
    this.#latencies = options.latencies;
    this.#timeline = options.timeline;
    this.#attentions = options.attentions;
    this.#numbering = {
      cmdSN: negotiated.cmdSN,
      expStatSN: negotiated.expStatSN,
      maxCmdSN: negotiated.maxCmdSN,
    };
    const { lun, payload } = options;
    const numbering = this.#numbering;
    this.#requests = new Requests({
      wire,
      negotiated,
      numbering,
      lun,
      depth,
      transferBytes,
      blockBytes,
      payload,
    });
    this.#freeTags = Int32Array.from({ length: depth }, (_, tag) => tag);
    this.#freeCount = depth;
    this.#kinds = new Uint8Array(depth);
    this.#startedMs = new Float64Array(depth);
    this.#receivedBytes = new Float64Array(depth);
    this.#firstBlock = region.firstBlock;
    this.#stepBlocks = transferBytes / blockBytes;
    this.#steps = Math.floor(region.blocks / this.#stepBlocks);
    assert(this.#steps >= 1, 'the part of the unit for one session is smaller than one transfer');
    this.#random = (Math.imul(seed + 1, 0x9e3779b1) | 1) >>> 0;
    const reader = {
      header: (view: DataView, at: number, dataBytes: number) => this.#header(view, at, dataBytes),
      whole: () => this.#whole(),
    };
    const skimmer = new Skimmer(reader, negotiated.digests);
    wire.attach(
      (bytes) => {
        this.#nowMs = performance.now();
        skimmer.take(bytes);
        this.#submit();
      },
      (why) => this.#fail(why),
    );
  }

  /** Loads the target, and resolves with the number of commands when the last one submitted is answered. */
  run({ durationMs, commandsMax }: Until): Promise<number> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    this.#endMs = performance.now() + durationMs;
    this.#left = commandsMax;
    this.#count = 0;
    return new Promise<number>((resolve, reject) => {
      let seen = NONE;
      const watch = setInterval(() => {
        if (this.#count === seen) this.#fail(new assert.AssertionError({ message: 'the target is silent' }));
        seen = this.#count;
      }, SILENCE_MS_MAX);
      this.#settle = {
        resolve: (count) => {
          clearInterval(watch);
          resolve(count);
        },
        reject: (why) => {
          clearInterval(watch);
          reject(why);
        },
      };
      this.#submit();
    });
  }

  close(): void {
    this.#wire.close();
  }

  #fail(why: Error): void {
    this.#broken ??= why;
    this.#left = 0;
    this.#settle?.reject(why);
    this.#settle = undefined;
  }

  #submit(): void {
    const nowMs = performance.now();
    const numbering = this.#numbering;
    const going = nowMs < this.#endMs;
    while (going && this.#freeCount > 0 && this.#left > 0) {
      if (!serialLessOrEqual(numbering.cmdSN, numbering.maxCmdSN)) break;
      this.#freeCount -= 1;
      this.#left -= 1;
      this.#begin(this.#freeTags[this.#freeCount] as number, nowMs);
    }
    this.#requests.flush();
    const idle = this.#freeCount === this.#freeTags.length;
    if (idle && (!going || this.#left === 0)) {
      this.#settle?.resolve(this.#count);
      this.#settle = undefined;
    }
  }

  #begin(tag: number, nowMs: number): void {
    const lba = this.#firstBlock + this.#nextStep() * this.#stepBlocks;
    this.#startedMs[tag] = nowMs;
    this.#receivedBytes[tag] = 0;
    const { readPercent } = this.#pattern;
    const reads = readPercent === 100 || (readPercent > 0 && this.#chance() * 100 < readPercent);
    this.#kinds[tag] = reads ? Kind.READ : Kind.WRITE;
    if (reads) this.#requests.read(tag, lba);
    else this.#requests.write(tag, lba);
  }

  #nextStep(): number {
    if (this.#pattern.order === 'random') return Math.floor(this.#chance() * this.#steps);
    const step = this.#step;
    this.#step = step + 1 === this.#steps ? 0 : step + 1;
    return step;
  }

  /** A number in [0, 1): xorshift, which costs a nanosecond where a better one would cost ten. */
  #chance(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x >>> 0;
    return this.#random / 4294967296;
  }

  #header(view: DataView, at: number, dataBytes: number): void {
    const opcode = view.getUint8(at) & 0x3f;
    const tag = view.getUint32(at + TAG_AT);
    this.#numbering.maxCmdSN = view.getUint32(at + MAX_CMD_SN_AT);
    switch (opcode) {
      case Opcode.DATA_IN:
        if (view.getUint32(at + DATA_IN_OFFSET_AT) !== this.#receivedBytes[tag])
          assert.fail('Data-In out of order');
        this.#receivedBytes[tag] = (this.#receivedBytes[tag] as number) + dataBytes;
        if ((view.getUint8(at + FLAGS_AT) & STATUS_PRESENT) !== 0) this.#answered(view, at, tag);
        return;
      case Opcode.SCSI_RESPONSE:
        if (view.getUint8(at + RESPONSE_AT) !== 0) assert.fail('a SCSI Response says target failure');
        this.#answered(view, at, tag);
        return;
      case Opcode.R2T:
        this.#requests.dataOut({
          tag,
          transferTag: view.getUint32(at + R2T_TRANSFER_TAG_AT),
          offsetBytes: view.getUint32(at + R2T_OFFSET_AT),
          byteCount: view.getUint32(at + R2T_LENGTH_AT),
        });
        return;
      case Opcode.NOP_IN:
        if (view.getUint32(at + NOP_TRANSFER_TAG_AT) !== RESERVED_TAG) {
          this.#requests.pong(view.getUint32(at + NOP_TRANSFER_TAG_AT));
        }
        return;
      case Opcode.ASYNC_MESSAGE:
        // A snapshot or a rollback beside the load: news for an operating system, not for this.
        this.#numbering.expStatSN = (view.getUint32(at + STAT_SN_AT) + 1) >>> 0;
        return;
      default:
        assert.fail(`the target sent a PDU of opcode ${opcode.toString(16)}h`);
    }
  }

  #answered(view: DataView, at: number, tag: number): void {
    this.#ending = tag;
    this.#status = view.getUint8(at + STATUS_AT);
    this.#numbering.expStatSN = (view.getUint32(at + STAT_SN_AT) + 1) >>> 0;
  }

  #whole(): void {
    const tag = this.#ending;
    if (tag === NONE) return;
    this.#ending = NONE;
    const attention = this.#attentions && this.#status === CHECK_CONDITION;
    if (this.#status !== 0 && !attention)
      assert.fail(`a command ended with status ${this.#status.toString(16)}h`);
    const kind = this.#kinds[tag];
    if (kind === Kind.WRITE && this.#pattern.syncEach) {
      this.#kinds[tag] = Kind.SYNC;
      this.#requests.sync(tag);
      return;
    }
    const wanted = kind === Kind.READ ? this.#pattern.transferBytes : 0;
    if (this.#receivedBytes[tag] !== wanted) assert.fail(`a read gave ${this.#receivedBytes[tag]} bytes`);
    const latencyMs = this.#nowMs - (this.#startedMs[tag] as number);
    this.#latencies.add(latencyMs * NANOSECONDS_PER_MS);
    this.#timeline.add(this.#nowMs, latencyMs);
    this.#freeTags[this.#freeCount] = tag;
    this.#freeCount += 1;
    this.#count += 1;
  }
}
