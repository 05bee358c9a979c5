/**
 * What logins of all connections have in common where somebody guesses or reflects: the CHAP challenges that
 * were sent and not used yet, and how often logins from an address failed to prove themselves.
 *
 * After a few failures an address waits before each further proof is looked at, right or wrong, twice as long
 * after each failure up to a bound; its proofs are looked at one after the other, however many connections it
 * opens, so that guessing on many is no faster. Other addresses do not wait. An address is forgotten a minute
 * after its last failure. Of IPv6 addresses the first 64 bits count, since whoever has one has them all.
 */
export const GUARD_BOUNDS = {
  /** Failures of an address that cost nothing: somebody mistyped. */
  freeFailures: 3,
  firstWaitMs: 250,
  waitMsMax: 2_000,
  /** An attempt that would wait longer than this is refused unseen: login status 0301h. */
  queueMsMax: 8_000,
  forgetAfterMs: 60_000,
  /** The one that was idle longest is forgotten first. */
  addressesMax: 4_096,
} as const;

interface Suspect {
  failures: number;
  lastMs: number;
  /** When the next proof may be looked at. */
  freeAtMs: number;
}

export class LoginGuard {
  /** Proofs that had to wait, and those that were refused unseen. */
  delayed = 0;
  refused = 0;
  readonly #outstanding = new Set<string>();
  readonly #suspects = new Map<string, Suspect>();

  /** Addresses that failed lately. */
  get suspects(): number {
    return this.#suspects.size;
  }

  get outstandingChallenges(): number {
    return this.#outstanding.size;
  }

  challengeSent(challenge: Uint8Array): void {
    this.#outstanding.add(keyOf(challenge));
  }

  /** It was answered, or its login has ended. */
  challengeOver(challenge: Uint8Array): void {
    this.#outstanding.delete(keyOf(challenge));
  }

  /** Whether this end has sent it, on whichever connection, and would still take an answer to it. */
  isOurs(challenge: Uint8Array): boolean {
    return this.#outstanding.has(keyOf(challenge));
  }

  /** How long a proof from `address:port` has to wait until it is looked at; undefined: it is not. */
  admit(remoteAddress: string, nowMs: number): number | undefined {
    const suspect = this.#known(sourceOf(remoteAddress), nowMs);
    if (suspect === undefined) return 0;
    const startMs = Math.max(nowMs, suspect.freeAtMs);
    if (startMs - nowMs > GUARD_BOUNDS.queueMsMax) {
      this.refused += 1;
      return undefined;
    }
    suspect.freeAtMs = startMs + waitAfter(suspect.failures);
    if (startMs > nowMs) this.delayed += 1;
    return startMs - nowMs;
  }

  /** A proof from there was wrong. Returns how many were, lately. */
  failed(remoteAddress: string, nowMs: number): number {
    const source = sourceOf(remoteAddress);
    const suspect = this.#known(source, nowMs) ?? { failures: 0, lastMs: nowMs, freeAtMs: nowMs };
    this.#suspects.delete(source);
    if (this.#suspects.size >= GUARD_BOUNDS.addressesMax) this.#forgetOldest();
    this.#suspects.set(source, suspect);
    suspect.failures += 1;
    suspect.lastMs = nowMs;
    suspect.freeAtMs = Math.max(suspect.freeAtMs, nowMs + waitAfter(suspect.failures));
    return suspect.failures;
  }

  #known(source: string, nowMs: number): Suspect | undefined {
    const suspect = this.#suspects.get(source);
    if (suspect === undefined || nowMs - suspect.lastMs < GUARD_BOUNDS.forgetAfterMs) return suspect;
    this.#suspects.delete(source);
    return undefined;
  }

  #forgetOldest(): void {
    const [oldest] = this.#suspects.keys();
    if (oldest !== undefined) this.#suspects.delete(oldest);
  }
}

function waitAfter(failures: number): number {
  const beyond = failures - GUARD_BOUNDS.freeFailures;
  if (beyond < 0) return 0;
  return Math.min(GUARD_BOUNDS.waitMsMax, GUARD_BOUNDS.firstWaitMs * 2 ** beyond);
}

function keyOf(challenge: Uint8Array): string {
  return String.fromCharCode(...challenge);
}

/** `192.0.2.1` of `192.0.2.1:3260`; `2001:db8:0:1::/64` of any address there. */
function sourceOf(remoteAddress: string): string {
  const bracketed = /^\[([^%\]]*)/.exec(remoteAddress)?.[1];
  if (bracketed === undefined) return remoteAddress.replace(/:\d+$/, '');
  const [head = '', tail] = bracketed.split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  while (tail !== undefined && groups.length + after.length < 8) groups.push('0');
  return `${[...groups, ...after].slice(0, 4).join(':')}::/64`;
}
