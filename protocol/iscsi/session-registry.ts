/**
 * Every session of one server, whatever connection carries it. It hands out TSIHs, finds the session
 * that a login reinstates (RFC 7143 §6.3.5), and counts. Pure: one object shared by all connections,
 * changed only inside their `handle`.
 */

/** What makes two sessions the same one (RFC 7143 §4.4.3, §6.3.5): the I_T nexus. */
export interface SessionIdentity {
  /** In its normalised form. */
  readonly initiatorName: string;
  /** 6 bytes. */
  readonly isid: Uint8Array;
  /** Undefined for a discovery session: those never reinstate one another. */
  readonly targetName: string | undefined;
  readonly portalGroupTag: number;
}

export interface RegistryLimits {
  readonly sessionsMax: number;
  readonly sessionsPerInitiatorMax: number;
}

interface Entry {
  readonly key: string | undefined;
  readonly initiatorName: string;
}

/** TSIH is 16 bits and 0 means "a new session" (RFC 7143 §11.12.6). */
const TSIH_MAX = 0xffff;

export class SessionRegistry {
  readonly #limits: RegistryLimits;
  readonly #byTsih = new Map<number, Entry>();
  readonly #byIdentity = new Map<string, number>();
  readonly #countByInitiator = new Map<string, number>();
  #lastTsih = 0;

  constructor(limits: RegistryLimits) {
    this.#limits = limits;
  }

  /** Sessions that are open, discovery sessions included. */
  get sessions(): number {
    return this.#byTsih.size;
  }

  /** The TSIH of the session this identity has, if it has one. */
  find(identity: SessionIdentity): number | undefined {
    const key = identityKey(identity);
    return key === undefined ? undefined : this.#byIdentity.get(key);
  }

  /** Whether `tsih` is the session of this identity. */
  isSession(tsih: number, identity: SessionIdentity): boolean {
    return this.#byTsih.has(tsih) && this.find(identity) === tsih;
  }

  /**
   * Opens a session and gives its TSIH (1 … 65535), or says which limit is in the way. `exists`: the
   * identity has a session, which must end first.
   */
  open(identity: SessionIdentity): number | 'exists' | 'too-many' | 'too-many-of-initiator' {
    const key = identityKey(identity);
    if (key !== undefined && this.#byIdentity.has(key)) return 'exists';
    if (this.#byTsih.size >= Math.min(this.#limits.sessionsMax, TSIH_MAX)) return 'too-many';
    const count = this.#countByInitiator.get(identity.initiatorName) ?? 0;
    if (count >= this.#limits.sessionsPerInitiatorMax) return 'too-many-of-initiator';
    const tsih = this.#freeTsih();
    this.#byTsih.set(tsih, { key, initiatorName: identity.initiatorName });
    if (key !== undefined) this.#byIdentity.set(key, tsih);
    this.#countByInitiator.set(identity.initiatorName, count + 1);
    return tsih;
  }

  /** Forgets a session; its TSIH is reused as late as possible. Harmless when it is not there. */
  close(tsih: number): void {
    const entry = this.#byTsih.get(tsih);
    if (entry === undefined) return;
    this.#byTsih.delete(tsih);
    if (entry.key !== undefined) this.#byIdentity.delete(entry.key);
    const left = (this.#countByInitiator.get(entry.initiatorName) ?? 1) - 1;
    if (left > 0) this.#countByInitiator.set(entry.initiatorName, left);
    else this.#countByInitiator.delete(entry.initiatorName);
  }

  #freeTsih(): number {
    do {
      this.#lastTsih = this.#lastTsih === TSIH_MAX ? 1 : this.#lastTsih + 1;
    } while (this.#byTsih.has(this.#lastTsih));
    return this.#lastTsih;
  }
}

function identityKey(identity: SessionIdentity): string | undefined {
  if (identity.targetName === undefined) return undefined;
  const isid = Array.from(identity.isid, (byte) => byte.toString(16).padStart(2, '0')).join('');
  // Names hold no spaces (RFC 7143 §4.2.7.1), so the joined parts cannot run into each other.
  return `${isid} ${identity.portalGroupTag} ${identity.initiatorName} ${identity.targetName}`;
}
