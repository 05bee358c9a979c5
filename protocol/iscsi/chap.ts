/**
 * CHAP as the target sees it (RFC 7143 §12.1.3, RFC 1994): the initiator proves itself first, then, if
 * it asks, this end proves itself. One object serves one login. A challenge is used once; the
 * initiator's is refused when it is one of ours sent back, from whichever connection, or when both
 * directions share a secret, because then our own answer would pass as the initiator's (RFC 7143 §9.2.1).
 * A name that nobody has costs the same hash as one with a wrong secret.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { formatHex, LoginStatus, parseBinary, parseNumber, type TextPair } from 'node-iscsi-pdu';
import type { Authentication, ChapCredentials } from './directory.ts';
import type { LoginGuard } from './login-guard.ts';

interface ChapAlgorithm {
  /** As `node:crypto` names it. */
  readonly hash: string;
  readonly digestBytes: number;
}

/** The algorithms of RFC 7143 §12.1.3 and the IANA registry "iSCSI authentication methods", by number. */
export const CHAP_ALGORITHMS: ReadonlyMap<number, ChapAlgorithm> = new Map([
  [5, { hash: 'md5', digestBytes: 16 }],
  [6, { hash: 'sha1', digestBytes: 20 }],
  [7, { hash: 'sha256', digestBytes: 32 }],
  [8, { hash: 'sha3-256', digestBytes: 32 }],
]);

/** Longest challenge or response, bytes (RFC 7143 §12.1.3). */
export const CHAP_BINARY_BYTES_MAX = 1024;
/** Longest name, bytes. */
export const CHAP_NAME_BYTES_MAX = 255;

export type ChapStep =
  | { readonly kind: 'continue'; readonly answers: readonly TextPair[] }
  | { readonly kind: 'authenticated'; readonly answers: readonly TextPair[]; readonly userName: string }
  /** `why` may be logged: it names no secret, challenge or response. */
  | { readonly kind: 'refused'; readonly status: LoginStatus; readonly why: string };

type ChapAuthentication = Extract<Authentication, { method: 'chap' }>;

interface Sent {
  readonly algorithm: ChapAlgorithm;
  readonly identifier: number;
  readonly challenge: Uint8Array;
}

export class ChapAuthenticator {
  readonly #authentication: ChapAuthentication;
  readonly #randomBytes: (count: number) => Uint8Array;
  readonly #guard: LoginGuard;
  #sent: Sent | undefined;

  constructor(
    authentication: ChapAuthentication,
    {
      randomBytes,
      guard,
    }: { readonly randomBytes: (count: number) => Uint8Array; readonly guard: LoginGuard },
  ) {
    this.#authentication = authentication;
    this.#randomBytes = randomBytes;
    this.#guard = guard;
  }

  /** A challenge was sent: what comes next is a proof. */
  get awaitsProof(): boolean {
    return this.#sent !== undefined;
  }

  /** The login has ended; no answer to its challenge is taken any more. */
  end(): void {
    if (this.#sent !== undefined) this.#guard.challengeOver(this.#sent.challenge);
    this.#sent = undefined;
  }

  /** Takes the CHAP keys of one whole request. */
  step(keys: ReadonlyMap<string, string>): ChapStep {
    const sent = this.#sent;
    if (sent === undefined) return this.#chooseAlgorithm(keys);
    // Whatever comes next, this challenge has been used.
    this.end();
    return this.#verify(keys, sent);
  }

  #chooseAlgorithm(keys: ReadonlyMap<string, string>): ChapStep {
    const offered = keys.get('CHAP_A');
    if (offered === undefined) return missing('CHAP_A');
    const number = offered.split(',').map(parseNumber).find(isKnownAlgorithm);
    const algorithm = CHAP_ALGORITHMS.get(number ?? 0);
    if (algorithm === undefined) return denied('no CHAP algorithm in common');
    const identifier = this.#randomBytes(1)[0] ?? 0;
    const challenge = this.#randomBytes(algorithm.digestBytes);
    this.#sent = { algorithm, identifier, challenge };
    this.#guard.challengeSent(challenge);
    const answers: TextPair[] = [
      ['CHAP_A', String(number)],
      ['CHAP_I', String(identifier)],
      ['CHAP_C', formatHex(challenge)],
    ];
    return { kind: 'continue', answers };
  }

  #verify(keys: ReadonlyMap<string, string>, sent: Sent): ChapStep {
    const name = keys.get('CHAP_N');
    const responseText = keys.get('CHAP_R');
    if (name === undefined) return missing('CHAP_N');
    if (responseText === undefined) return missing('CHAP_R');
    const response = toBinary(responseText);
    const credentials = this.#authentication.inbound.find((one) => one.name === name);
    const secret = credentials?.secret ?? this.#randomBytes(sent.algorithm.digestBytes);
    const expected = chapResponse(sent.algorithm, { ...sent, secret });
    const matches = response?.length === expected.length && timingSafeEqual(response, expected);
    if (!matches || credentials === undefined) return denied('wrong CHAP name or secret');
    return this.#answerChallenge(keys, sent, credentials);
  }

  #answerChallenge(keys: ReadonlyMap<string, string>, sent: Sent, inbound: ChapCredentials): ChapStep {
    const identifierText = keys.get('CHAP_I');
    const challengeText = keys.get('CHAP_C');
    if (identifierText === undefined && challengeText === undefined) {
      return { kind: 'authenticated', answers: [], userName: inbound.name };
    }
    if (identifierText === undefined) return missing('CHAP_I');
    if (challengeText === undefined) return missing('CHAP_C');
    const identifier = parseNumber(identifierText);
    const challenge = toBinary(challengeText);
    if (identifier === undefined || identifier > 255) return malformed('CHAP_I is not 0 to 255');
    if (challenge === undefined || challenge.length === 0) return malformed('CHAP_C is no challenge');
    const { outbound } = this.#authentication;
    if (outbound === undefined) return denied('mutual CHAP is asked for, and no secret is configured for it');
    if (sameBytes(challenge, sent.challenge) || this.#guard.isOurs(challenge)) {
      return denied('the CHAP challenge was sent back');
    }
    if (sameBytes(outbound.secret, inbound.secret)) return denied('the CHAP secret is the same both ways');
    const response = chapResponse(sent.algorithm, { identifier, challenge, secret: outbound.secret });
    const answers: TextPair[] = [
      ['CHAP_N', outbound.name],
      ['CHAP_R', formatHex(response)],
    ];
    return { kind: 'authenticated', answers, userName: inbound.name };
  }
}

/** The hash of identifier, secret and challenge in this order (RFC 1994 §4.1). */
function chapResponse(
  algorithm: ChapAlgorithm,
  parts: { readonly identifier: number; readonly secret: Uint8Array; readonly challenge: Uint8Array },
): Uint8Array {
  const hash = createHash(algorithm.hash);
  return hash.update(Uint8Array.of(parts.identifier)).update(parts.secret).update(parts.challenge).digest();
}

function isKnownAlgorithm(number: number | undefined): boolean {
  return number !== undefined && CHAP_ALGORITHMS.has(number);
}

/** A binary-value of at most 1024 bytes, in hex or base64; undefined when it is none. */
function toBinary(text: string): Uint8Array | undefined {
  const bytes = parseBinary(text);
  return bytes !== undefined && bytes.length <= CHAP_BINARY_BYTES_MAX ? bytes : undefined;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function missing(key: string): ChapStep {
  return { kind: 'refused', status: LoginStatus.MISSING_PARAMETER, why: `${key} is missing` };
}

function denied(why: string): ChapStep {
  return { kind: 'refused', status: LoginStatus.AUTHENTICATION_FAILURE, why };
}

function malformed(why: string): ChapStep {
  return { kind: 'refused', status: LoginStatus.INITIATOR_ERROR, why };
}
