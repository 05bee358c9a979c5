import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  decodeText,
  encodeText,
  type Frame,
  formatBase64,
  formatHex,
  LoginRequest,
  LoginResponse,
  parseBinary,
  type TextPair,
} from 'node-iscsi-pdu';
import type { PduLink } from './pdu-link.ts';

export interface InitiatorChap {
  readonly name: string;
  readonly secret: Uint8Array;
  /** Offered in this order; all four by default. */
  readonly algorithms?: readonly number[];
  readonly encoding?: 'hex' | 'base64';
  /** Asks the target to prove itself with this secret. */
  readonly mutual?: { readonly name: string; readonly secret: Uint8Array };
}

export interface LoginOptions {
  readonly initiatorName?: string;
  /** Without it the session is a discovery session. */
  readonly targetName?: string;
  readonly isid?: Uint8Array;
  readonly tsih?: number;
  readonly cid?: number;
  /** Operational keys to offer, in this order, over those of `DEFAULT_KEYS`; undefined leaves one out. */
  readonly keys?: Readonly<Record<string, string | undefined>>;
  readonly chap?: InitiatorChap;
  /** Straight to the operational stage, as Linux does for discovery. */
  readonly skipSecurity?: boolean;
}

/** What a login came to. */
export interface LoginResult {
  /** Status-Class and Status-Detail, `LoginStatus`. */
  readonly status: number;
  readonly tsih: number;
  /** Every key the target sent, the last value of each. */
  readonly answers: ReadonlyMap<string, string>;
}

/** The target refused, or could not prove itself. */
export class LoginFailure extends Error {
  override readonly name = 'LoginFailure';
  readonly status: number;
  readonly answers: ReadonlyMap<string, string>;

  constructor(message: string, status: number, answers: ReadonlyMap<string, string>) {
    super(message);
    this.status = status;
    this.answers = answers;
  }
}

export const DEFAULT_INITIATOR_NAME = 'iqn.2026-01.test:initiator';
/** Type "random" (RFC 7143 §11.12.5). */
export const DEFAULT_ISID = Uint8Array.of(0x80, 0, 0, 1, 0, 0);

export const DEFAULT_KEYS: Readonly<Record<string, string>> = {
  HeaderDigest: 'None',
  DataDigest: 'None',
  MaxRecvDataSegmentLength: '262144',
  InitialR2T: 'No',
  ImmediateData: 'Yes',
  MaxBurstLength: '16776192',
  FirstBurstLength: '262144',
  DefaultTime2Wait: '2',
  DefaultTime2Retain: '0',
  MaxOutstandingR2T: '1',
  MaxConnections: '1',
  ErrorRecoveryLevel: '0',
  DataPDUInOrder: 'Yes',
  DataSequenceInOrder: 'Yes',
};

const SECURITY = 0;
const OPERATIONAL = 1;
const FULL_FEATURE = 3;
const HASHES: Readonly<Record<number, string>> = { 5: 'md5', 6: 'sha1', 7: 'sha256', 8: 'sha3-256' };

/** Numbers that go on counting after the login. */
export interface LoginNumbers {
  cmdSN: number;
  expStatSN: number;
}

/** Runs the login phase over a link whose next frames belong to it. */
export class LoginExchange {
  readonly #link: PduLink;
  readonly #options: LoginOptions;
  readonly #numbers: LoginNumbers;
  readonly #nextFrame: () => Promise<Frame>;
  readonly #answers = new Map<string, string>();
  #tsih: number;

  constructor(link: PduLink, options: LoginOptions, numbers: LoginNumbers, nextFrame: () => Promise<Frame>) {
    this.#link = link;
    this.#options = options;
    this.#numbers = numbers;
    this.#nextFrame = nextFrame;
    this.#tsih = options.tsih ?? 0;
  }

  async run(): Promise<LoginResult> {
    const names = this.#names();
    if (this.#options.skipSecurity === true) {
      await this.#request(OPERATIONAL, FULL_FEATURE, [...names, ...this.#operationalKeys()]);
    } else {
      await this.#security(names);
      await this.#request(OPERATIONAL, FULL_FEATURE, this.#operationalKeys());
    }
    return { status: 0, tsih: this.#tsih, answers: this.#answers };
  }

  #names(): TextPair[] {
    const { initiatorName = DEFAULT_INITIATOR_NAME, targetName } = this.#options;
    const names: TextPair[] = [['InitiatorName', initiatorName]];
    if (targetName === undefined) names.push(['SessionType', 'Discovery']);
    else names.push(['SessionType', 'Normal'], ['TargetName', targetName]);
    return names;
  }

  #operationalKeys(): TextPair[] {
    const discovery = this.#options.targetName === undefined;
    const base: Readonly<Record<string, string>> = discovery
      ? { HeaderDigest: 'None', DataDigest: 'None', MaxRecvDataSegmentLength: '32768' }
      : DEFAULT_KEYS;
    const keys: TextPair[] = [];
    for (const [key, value] of Object.entries({ ...base, ...this.#options.keys })) {
      if (value !== undefined) keys.push([key, value]);
    }
    return keys;
  }

  async #security(names: readonly TextPair[]): Promise<void> {
    const { chap } = this.#options;
    if (chap === undefined) {
      await this.#request(SECURITY, OPERATIONAL, [...names, ['AuthMethod', 'None']]);
      return;
    }
    const method = await this.#request(SECURITY, undefined, [...names, ['AuthMethod', 'CHAP,None']]);
    if (method.get('AuthMethod') === 'None') {
      await this.#request(SECURITY, OPERATIONAL, []);
      return;
    }
    const { algorithms = [8, 7, 6, 5] } = chap;
    const offer = await this.#request(SECURITY, undefined, [['CHAP_A', algorithms.join(',')]]);
    await this.#proveOurselves(chap, offer);
  }

  async #proveOurselves(chap: InitiatorChap, offer: ReadonlyMap<string, string>): Promise<void> {
    const format = chap.encoding === 'base64' ? formatBase64 : formatHex;
    const hash = HASHES[Number(offer.get('CHAP_A'))] ?? 'md5';
    const challenge = parseBinary(offer.get('CHAP_C') ?? '') ?? new Uint8Array(0);
    const response = respond(hash, Number(offer.get('CHAP_I')), chap.secret, challenge);
    const pairs: TextPair[] = [
      ['CHAP_N', chap.name],
      ['CHAP_R', format(response)],
    ];
    const identifier = 7;
    const ours = randomBytes(16);
    if (chap.mutual !== undefined) pairs.push(['CHAP_I', String(identifier)], ['CHAP_C', format(ours)]);
    const answer = await this.#request(SECURITY, OPERATIONAL, pairs);
    if (chap.mutual === undefined) return;
    const expected = respond(hash, identifier, chap.mutual.secret, ours);
    const proof = parseBinary(answer.get('CHAP_R') ?? '') ?? new Uint8Array(0);
    const proven = proof.length === expected.length && timingSafeEqual(proof, expected);
    if (!proven || answer.get('CHAP_N') !== chap.mutual.name) {
      throw new LoginFailure('the target could not prove itself', 0, this.#answers);
    }
  }

  /** One request and its whole answer, continuations included. */
  async #request(
    csg: number,
    nsg: number | undefined,
    pairs: readonly TextPair[],
  ): Promise<ReadonlyMap<string, string>> {
    const texts: Uint8Array[] = [];
    let data = encodeText(pairs);
    for (;;) {
      this.#send(csg, nsg, data);
      const frame = await this.#nextFrame();
      const response = LoginResponse.decode(frame.bhs);
      this.#numbers.expStatSN = (response.statSN + 1) >>> 0;
      texts.push(frame.data);
      if (response.status !== 0 || !response.continue) {
        return this.#take(response, decodeText(concatenate(texts)));
      }
      data = new Uint8Array(0);
    }
  }

  #send(csg: number, nsg: number | undefined, data: Uint8Array): void {
    const { isid = DEFAULT_ISID, tsih = 0, cid = 0 } = this.#options;
    const transit = nsg !== undefined;
    const stages = { transit, csg, nsg: nsg ?? 0 };
    const numbers = { cmdSN: this.#numbers.cmdSN, expStatSN: this.#numbers.expStatSN };
    this.#link.send(LoginRequest, { ...stages, isid, tsih, cid, initiatorTaskTag: 0, ...numbers }, { data });
  }

  #take(response: LoginResponse, pairs: readonly TextPair[]): ReadonlyMap<string, string> {
    for (const [key, value] of pairs) this.#answers.set(key, value);
    if (response.status !== 0) {
      const status = response.status.toString(16).padStart(4, '0');
      throw new LoginFailure(`login status ${status}h`, response.status, this.#answers);
    }
    this.#tsih = response.tsih;
    return new Map(pairs);
  }
}

function respond(hash: string, identifier: number, secret: Uint8Array, challenge: Uint8Array): Uint8Array {
  return createHash(hash).update(Uint8Array.of(identifier)).update(secret).update(challenge).digest();
}

export function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((total, piece) => total + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
