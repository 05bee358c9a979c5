/**
 * One hostile connection: a mad initiator, a recorded session played wrong, or bytes that look like PDUs.
 * It reads what the target answers and is as strict about that as the target should be about what it
 * gets.
 */
import assert from 'node:assert';
import { Deframer, decodeText, type Frame, Opcode, pduOfOpcode } from 'node-iscsi-pdu';
import { crc32c } from '../../src/checksums.ts';
import type { Transport } from '../support/initiator/index.ts';
import type { Random } from '../support/random.ts';
import { Attacker } from './attacker.ts';
import { mutatedPdu, mutatedSession } from './mutate.ts';
import { loadRecordings, RECORDED_TARGET } from './recordings.ts';

/** What a run has tried and seen, by name. */
export class Tally {
  readonly counts = new Map<string, number>();
  pdus = 0;

  add(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

const RECORDINGS = loadRecordings();
const STEPS_MAX = 120;
/** Of hanging up at any step, in the middle of whatever is under way. */
const HANG_UP_CHANCE = 0.01;
/** Target opcodes have this bit (RFC 7143 §11.2.1.2). */
const TARGET_OPCODE_BIT = 0x20;

export class Assault {
  readonly #transport: Transport;
  readonly #random: Random;
  readonly #tally: Tally;
  readonly #deframer = new Deframer({ maxDataSegmentLength: 0xffffff, crc32c });
  readonly #attacker: Attacker | undefined;
  readonly #script: Uint8Array[];
  #stepsLeft: number;
  #closed = false;
  #fault: string | undefined;

  constructor(transport: Transport, random: Random, tally: Tally) {
    this.#transport = transport;
    this.#random = random;
    this.#tally = tally;
    const kind = random.next();
    this.#attacker = kind < 0.65 ? new Attacker(random, RECORDED_TARGET) : undefined;
    this.#script = kind < 0.9 ? mutatedSession(RECORDINGS, random) : garbage(random);
    this.#stepsLeft = this.#attacker === undefined ? this.#script.length : random.between(1, STEPS_MAX);
    transport.onBytes((chunk) => this.#receive(chunk));
    transport.onClose(() => {
      this.#closed = true;
    });
    tally.add(kind < 0.65 ? 'mad initiators' : kind < 0.9 ? 'recordings played' : 'streams of garbage');
  }

  /** What the target sent and may not send. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Nothing more comes of it. */
  get over(): boolean {
    return this.#closed;
  }

  /** Sends one PDU, in one piece or in several. */
  step(): void {
    if (this.#stepsLeft <= 0 || this.#random.chance(HANG_UP_CHANCE)) {
      this.close();
      return;
    }
    this.#stepsLeft -= 1;
    this.#tally.pdus += 1;
    const bytes = this.#attacker?.next() ?? this.#script.shift() ?? new Uint8Array(0);
    this.#tally.add(`sent ${pduOfOpcode((bytes[0] ?? 0xff) & 0x3f)?.name ?? 'nothing that is known'}`);
    for (const piece of cut(bytes, this.#random)) this.#transport.write([piece]);
  }

  close(): void {
    this.#closed = true;
    this.#transport.close();
  }

  #receive(chunk: Uint8Array): void {
    try {
      this.#take(chunk);
    } catch (error) {
      this.#fault ??= error instanceof Error ? error.message : String(error);
    }
  }

  #take(chunk: Uint8Array): void {
    this.#deframer.push(chunk);
    for (let frame = this.#deframer.next(); frame !== undefined; frame = this.#deframer.next())
      this.#judge(frame);
  }

  #judge(frame: Frame): void {
    const definition = pduOfOpcode(frame.opcode);
    assert(
      definition !== undefined && (frame.opcode & TARGET_OPCODE_BIT) !== 0,
      `a target sent opcode ${frame.opcode}`,
    );
    assert(frame.dataDigestOk, 'a data digest of the target is wrong');
    this.#tally.add(`got ${definition.name}`);
    this.#attacker?.receive(frame);
    if (frame.opcode === Opcode.LOGIN_RESPONSE) this.#learnDigests(frame);
  }

  /** The digests begin behind the last Login Response (RFC 7143 §13.1). */
  #learnDigests(frame: Frame): void {
    const [, flags = 0] = frame.bhs;
    for (const [key, value] of decodeText(frame.data)) this.#agreed.set(key, value);
    if ((flags & 0x83) !== 0x83 || frame.bhs[36] !== 0) return;
    const header = this.#agreed.get('HeaderDigest') === 'CRC32C';
    const data = this.#agreed.get('DataDigest') === 'CRC32C';
    this.#deframer.setDigests({ header, data });
    this.#attacker?.setDigests({ headerDigest: header, dataDigest: data });
  }

  readonly #agreed = new Map<string, string>();
}

function cut(bytes: Uint8Array, random: Random): Uint8Array[] {
  if (random.chance(0.8) || bytes.length < 2) return [bytes];
  const at = random.below(bytes.length);
  return [bytes.subarray(0, at), bytes.subarray(at)];
}

/** A login that may be right, then bytes that are PDUs only by chance. */
function garbage(random: Random): Uint8Array[] {
  const [login = new Uint8Array(48)] = random.pick(RECORDINGS);
  const pdus = random.chance(0.6) ? [login] : [];
  for (let count = random.between(1, 20); count > 0; count -= 1) {
    const noise = random.bytes(random.chance(0.7) ? 48 : random.below(300));
    if (noise.length >= 8) noise.set([0, random.chance(0.8) ? 0 : random.below(256), random.below(256)], 4);
    pdus.push(random.chance(0.3) ? mutatedPdu(login, random) : noise);
  }
  return pdus;
}
