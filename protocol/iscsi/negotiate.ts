/**
 * Runs the key table as the responder: takes what the initiator offers or declares, keeps the result,
 * says what to answer. One `Negotiation` serves one login; after it only keys of use `all` may change.
 */
import { formatBoolean, parseBoolean, parseList, parseNumber } from 'node-iscsi-pdu';
import {
  type BooleanRow,
  initialParameters,
  type KeyRow,
  type KeyUse,
  keyRow,
  type ListRow,
  type NumberRow,
  OBSOLETE_KEYS,
  type ParameterName,
  type Parameters,
} from './keys.ts';
import type { Preferences } from './limits.ts';

/** What a key was met with. */
export type Verdict =
  /** `key=value` goes back; the value may be Reject, Irrelevant or NotUnderstood. */
  | { readonly kind: 'answer'; readonly value: string }
  /** A declaration: noted, nothing goes back. */
  | { readonly kind: 'declared' }
  /** The rules of negotiation are broken; the login, or the Text exchange, ends. */
  | { readonly kind: 'fault'; readonly message: string };

const DECLARED: Verdict = { kind: 'declared' };
const REJECT: Verdict = { kind: 'answer', value: 'Reject' };
const IRRELEVANT: Verdict = { kind: 'answer', value: 'Irrelevant' };
const NOT_UNDERSTOOD: Verdict = { kind: 'answer', value: 'NotUnderstood' };

/** RFC 7143 §6.1, key-name: what can be said back. */
const KEY_NAME = /^[A-Za-z][A-Za-z0-9.\-+@_#]{0,62}$/;

/** When in the life of a connection a key arrives. */
export type NegotiationStage = 'security' | 'operational' | 'full-feature';

const USES: Readonly<Record<NegotiationStage, ReadonlySet<KeyUse>>> = {
  security: new Set(['initialise', 'security', 'all']),
  operational: new Set(['initialise', 'login', 'all']),
  'full-feature': new Set(['full-feature', 'all']),
};

export class Negotiation {
  readonly #preferences: Preferences;
  readonly #values = initialParameters();
  /** Offered values, so that a second offer of a key is seen. */
  readonly #seen = new Map<string, string>();
  #discovery = false;

  constructor(preferences: Preferences) {
    this.#preferences = preferences;
  }

  /** What holds now. FirstBurstLength never exceeds MaxBurstLength here (RFC 7143 §13.14). */
  parameters(): Parameters {
    const { FirstBurstLength, MaxBurstLength } = this.#values;
    return { ...this.#values, FirstBurstLength: Math.min(FirstBurstLength, MaxBurstLength) };
  }

  /** Keys marked "Irrelevant when SessionType=Discovery" are answered so from now on. */
  setDiscovery(): void {
    this.#discovery = true;
  }

  /**
   * Takes every key of one whole request (all its continuations). The answers come in the order of the
   * keys, but FirstBurstLength is judged last, because what it may be depends on three others.
   */
  offerAll(pairs: readonly (readonly [string, string])[], stage: NegotiationStage): Verdict[] {
    const verdicts: Verdict[] = new Array(pairs.length);
    const last = (key: string): boolean => key === 'FirstBurstLength';
    for (const [index, [key, value]] of pairs.entries()) {
      if (!last(key)) verdicts[index] = this.offer(key, value, stage);
    }
    for (const [index, [key, value]] of pairs.entries()) {
      if (last(key)) verdicts[index] = this.offer(key, value, stage);
    }
    return verdicts;
  }

  /** Takes one key. Security and naming keys are only checked for stage, sender and repetition. */
  offer(key: string, value: string, stage: NegotiationStage): Verdict {
    const row = keyRow(key);
    if (row === undefined) return answerUnknown(key, value);
    if (row.sender === 'target') return fault(`${key} is not the initiator's to send`);
    if (!USES[stage].has(row.use)) {
      if (stage === 'full-feature') return REJECT;
      return fault(`${key} has no place in the ${stage} stage`);
    }
    const repeated = stage === 'full-feature' ? undefined : this.#refuseRepetition(row, value);
    if (repeated !== undefined) return repeated;
    if (row.irrelevantInDiscovery && this.#discovery) return IRRELEVANT;
    switch (row.value) {
      case 'boolean':
        return this.#offerBoolean(row, value);
      case 'number':
        return this.#offerNumber(row, value);
      case 'list':
        return this.#offerList(row, value);
      case 'text':
        return DECLARED;
      default:
        return row satisfies never;
    }
  }

  /**
   * A key is negotiated at most once in a login (RFC 7143 §6.3). Declaring the same fact again is
   * harmless, and common: some initiators name themselves in each stage.
   */
  #refuseRepetition(row: KeyRow, value: string): Verdict | undefined {
    const before = this.#seen.get(row.key);
    this.#seen.set(row.key, value);
    if (before === undefined || row.use === 'security') return undefined;
    if (row.result === 'declare' && before === value) return undefined;
    return fault(`${row.key} was sent twice`);
  }

  #offerBoolean(row: BooleanRow, value: string): Verdict {
    const offered = parseBoolean(value);
    if (offered === undefined) return REJECT;
    const own = this.#ownBoolean(row.key);
    const result = row.result === 'and' ? offered && own : offered || own;
    this.#set(row.key, result);
    return { kind: 'answer', value: formatBoolean(result) };
  }

  #offerNumber(row: NumberRow, value: string): Verdict {
    const offered = parseNumber(value);
    const [least, most] = row.range;
    if (offered === undefined || offered < least || offered > most) return REJECT;
    if (row.result === 'declare') {
      this.#set(row.key, offered);
      return DECLARED;
    }
    if (row.key === 'FirstBurstLength' && this.#noUnsolicitedData()) return IRRELEVANT;
    const own = this.#ownNumber(row.key);
    const result = row.result === 'max' ? Math.max(offered, own) : Math.min(offered, own);
    this.#set(row.key, result);
    return { kind: 'answer', value: String(result) };
  }

  #offerList(row: ListRow, value: string): Verdict {
    const own = this.#ownList(row.key);
    const result = parseList(value)?.find((item) => own.includes(item));
    if (result === undefined) return REJECT;
    this.#set(row.key, result);
    return { kind: 'answer', value: result };
  }

  #noUnsolicitedData(): boolean {
    return this.#values.InitialR2T && !this.#values.ImmediateData;
  }

  #set(key: string, value: boolean | number | string): void {
    (this.#values as Record<string, boolean | number | string>)[key] = value;
  }

  #ownBoolean(key: string): boolean {
    if (key === 'InitialR2T') return this.#preferences.initialR2T;
    if (key === 'ImmediateData') return this.#preferences.immediateData;
    return true;
  }

  #ownNumber(key: string): number {
    const own: Partial<Record<ParameterName, number>> = {
      MaxBurstLength: this.#preferences.maxBurstLength,
      FirstBurstLength: Math.min(this.#preferences.firstBurstLength, this.#values.MaxBurstLength),
      DefaultTime2Wait: this.#preferences.defaultTime2Wait,
      DefaultTime2Retain: this.#preferences.defaultTime2Retain,
      MaxOutstandingR2T: this.#preferences.maxOutstandingR2T,
      MaxConnections: 1,
      ErrorRecoveryLevel: 0,
      iSCSIProtocolLevel: 1,
    };
    return own[key as ParameterName] ?? 0;
  }

  #ownList(key: string): readonly string[] {
    if (key === 'HeaderDigest') return this.#preferences.headerDigests;
    if (key === 'DataDigest') return this.#preferences.dataDigests;
    // One connection carries every response in order, which is all that ResponseFence asks.
    return ['RFC3720', 'ResponseFence'];
  }
}

function fault(message: string): Verdict {
  return { kind: 'fault', message };
}

/** RFC 7143 §6.2 for keys unknown, §13.25 for the markers that were once part of the standard. */
function answerUnknown(key: string, value: string): Verdict {
  if (!KEY_NAME.test(key)) return fault('a key name is malformed');
  if (!OBSOLETE_KEYS.has(key)) return NOT_UNDERSTOOD;
  const marker = key === 'IFMarker' || key === 'OFMarker';
  return marker && value === 'No' ? { kind: 'answer', value: 'No' } : REJECT;
}

/** The parameters as text, for `SessionFacts`. */
export function describeParameters(parameters: Parameters): Record<string, string> {
  const text: Record<string, string> = {};
  for (const [key, value] of Object.entries(parameters)) {
    text[key] = typeof value === 'boolean' ? formatBoolean(value) : String(value);
  }
  return text;
}
