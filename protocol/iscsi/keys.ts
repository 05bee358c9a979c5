/**
 * The keys of RFC 7143 §13 as rows: who may send one, when, how the two sides' values become one
 * result, and what holds when nobody mentions it. `negotiate.ts` runs the rows; nothing else knows a
 * key's rules. Security keys (§12) have rows for their stage and sender only; chap.ts gives them meaning.
 */

/**
 * How an offer and our own value become the result (RFC 7143 §6.2.1, §6.2.2):
 * `first-supported`: the first of the offered list that we have; `declare`: the sender states a fact
 * and gets no answer.
 */
export type ResultFunction = 'and' | 'or' | 'min' | 'max' | 'first-supported' | 'declare';

/** When a key may be sent, in the words of RFC 7143 §13. */
export type KeyUse =
  /** Initialisation Only: in a login, of the leading connection. Naming keys come in either stage. */
  | 'initialise'
  /** Security stage of a login only (§12). */
  | 'security'
  /** Login Only: the operational stage. */
  | 'login'
  /** Full Feature Phase Only. */
  | 'full-feature'
  /** ALL. */
  | 'all';

export type KeySender = 'initiator' | 'target' | 'both';

interface RowBase {
  readonly key: string;
  readonly use: KeyUse;
  readonly sender: KeySender;
  readonly scope: 'session' | 'connection';
  /** The key says nothing in a discovery session. */
  readonly irrelevantInDiscovery: boolean;
  readonly cite: string;
}

export interface BooleanRow extends RowBase {
  readonly value: 'boolean';
  readonly result: 'and' | 'or';
  readonly initial: boolean;
}
export interface NumberRow extends RowBase {
  readonly value: 'number';
  readonly result: 'min' | 'max' | 'declare';
  readonly initial: number;
  /** Both ends included. */
  readonly range: readonly [number, number];
}
export interface ListRow extends RowBase {
  readonly value: 'list';
  readonly result: 'first-supported';
  readonly initial: string;
}
export interface TextRow extends RowBase {
  readonly value: 'text';
  readonly result: 'declare';
}
export type KeyRow = BooleanRow | NumberRow | ListRow | TextRow;

const operational = {
  use: 'login',
  sender: 'both',
  scope: 'session',
  irrelevantInDiscovery: true,
} as const;
const alsoInDiscovery = { ...operational, irrelevantInDiscovery: false } as const;
const naming = { value: 'text', result: 'declare', scope: 'session', irrelevantInDiscovery: false } as const;

const SEGMENT_RANGE = [512, 0xffffff] as const;
const TIME_RANGE = [0, 3600] as const;
const COUNT_RANGE = [1, 65535] as const;

export const KEYS = [
  {
    ...alsoInDiscovery,
    scope: 'connection',
    key: 'HeaderDigest',
    value: 'list',
    result: 'first-supported',
    initial: 'None',
    cite: 'RFC 7143 §13.1',
  },
  {
    ...alsoInDiscovery,
    scope: 'connection',
    key: 'DataDigest',
    value: 'list',
    result: 'first-supported',
    initial: 'None',
    cite: 'RFC 7143 §13.1',
  },
  {
    ...operational,
    key: 'MaxConnections',
    value: 'number',
    result: 'min',
    initial: 1,
    range: COUNT_RANGE,
    cite: 'RFC 7143 §13.2',
  },
  {
    ...naming,
    key: 'SendTargets',
    use: 'full-feature',
    sender: 'initiator',
    cite: 'RFC 7143 §13.3',
  },
  { ...naming, key: 'TargetName', use: 'initialise', sender: 'both', cite: 'RFC 7143 §13.4' },
  { ...naming, key: 'InitiatorName', use: 'initialise', sender: 'initiator', cite: 'RFC 7143 §13.5' },
  { ...naming, key: 'TargetAlias', use: 'all', sender: 'target', cite: 'RFC 7143 §13.6' },
  { ...naming, key: 'InitiatorAlias', use: 'all', sender: 'initiator', cite: 'RFC 7143 §13.7' },
  { ...naming, key: 'TargetAddress', use: 'all', sender: 'target', cite: 'RFC 7143 §13.8' },
  { ...naming, key: 'TargetPortalGroupTag', use: 'initialise', sender: 'target', cite: 'RFC 7143 §13.9' },
  {
    ...operational,
    key: 'InitialR2T',
    value: 'boolean',
    result: 'or',
    initial: true,
    cite: 'RFC 7143 §13.10',
  },
  {
    ...operational,
    key: 'ImmediateData',
    value: 'boolean',
    result: 'and',
    initial: true,
    cite: 'RFC 7143 §13.11',
  },
  {
    key: 'MaxRecvDataSegmentLength',
    value: 'number',
    result: 'declare',
    initial: 8192,
    range: SEGMENT_RANGE,
    use: 'all',
    sender: 'both',
    scope: 'connection',
    irrelevantInDiscovery: false,
    cite: 'RFC 7143 §13.12',
  },
  {
    ...operational,
    key: 'MaxBurstLength',
    value: 'number',
    result: 'min',
    initial: 262144,
    range: SEGMENT_RANGE,
    cite: 'RFC 7143 §13.13',
  },
  {
    ...operational,
    key: 'FirstBurstLength',
    value: 'number',
    result: 'min',
    initial: 65536,
    range: SEGMENT_RANGE,
    cite: 'RFC 7143 §13.14',
  },
  {
    ...alsoInDiscovery,
    key: 'DefaultTime2Wait',
    value: 'number',
    result: 'max',
    initial: 2,
    range: TIME_RANGE,
    cite: 'RFC 7143 §13.15',
  },
  {
    ...alsoInDiscovery,
    key: 'DefaultTime2Retain',
    value: 'number',
    result: 'min',
    initial: 20,
    range: TIME_RANGE,
    cite: 'RFC 7143 §13.16',
  },
  {
    ...operational,
    key: 'MaxOutstandingR2T',
    value: 'number',
    result: 'min',
    initial: 1,
    range: COUNT_RANGE,
    cite: 'RFC 7143 §13.17',
  },
  {
    ...operational,
    key: 'DataPDUInOrder',
    value: 'boolean',
    result: 'or',
    initial: true,
    cite: 'RFC 7143 §13.18',
  },
  {
    ...operational,
    key: 'DataSequenceInOrder',
    value: 'boolean',
    result: 'or',
    initial: true,
    cite: 'RFC 7143 §13.19',
  },
  {
    ...alsoInDiscovery,
    key: 'ErrorRecoveryLevel',
    value: 'number',
    result: 'min',
    initial: 0,
    range: [0, 2],
    cite: 'RFC 7143 §13.20',
  },
  { ...naming, key: 'SessionType', use: 'initialise', sender: 'initiator', cite: 'RFC 7143 §13.21' },
  {
    ...operational,
    key: 'TaskReporting',
    value: 'list',
    result: 'first-supported',
    initial: 'RFC3720',
    cite: 'RFC 7143 §13.23',
  },
  {
    ...operational,
    key: 'iSCSIProtocolLevel',
    value: 'number',
    result: 'min',
    initial: 1,
    range: [0, 31],
    cite: 'RFC 7143 §13.24',
  },
  {
    ...naming,
    key: 'AuthMethod',
    use: 'security',
    sender: 'both',
    scope: 'connection',
    cite: 'RFC 7143 §12.1',
  },
  {
    ...naming,
    key: 'CHAP_A',
    use: 'security',
    sender: 'both',
    scope: 'connection',
    cite: 'RFC 7143 §12.1.3',
  },
  {
    ...naming,
    key: 'CHAP_I',
    use: 'security',
    sender: 'both',
    scope: 'connection',
    cite: 'RFC 7143 §12.1.3',
  },
  {
    ...naming,
    key: 'CHAP_C',
    use: 'security',
    sender: 'both',
    scope: 'connection',
    cite: 'RFC 7143 §12.1.3',
  },
  {
    ...naming,
    key: 'CHAP_N',
    use: 'security',
    sender: 'both',
    scope: 'connection',
    cite: 'RFC 7143 §12.1.3',
  },
  {
    ...naming,
    key: 'CHAP_R',
    use: 'security',
    sender: 'both',
    scope: 'connection',
    cite: 'RFC 7143 §12.1.3',
  },
] as const satisfies readonly KeyRow[];

/** Markers left the standard; they are answered, never NotUnderstood (RFC 7143 §13.25). */
export const OBSOLETE_KEYS: ReadonlySet<string> = new Set(['IFMarker', 'OFMarker', 'IFMarkInt', 'OFMarkInt']);

const byName: ReadonlyMap<string, KeyRow> = new Map(KEYS.map((row) => [row.key, row]));

/**
 * The row of a key; undefined when the key is not in the standard. Names are case-sensitive (RFC 7143
 * §6.1).
 */
export function keyRow(key: string): KeyRow | undefined {
  return byName.get(key);
}

type RowOf<Name extends string> = Extract<(typeof KEYS)[number], { readonly key: Name }>;
type Valued = Exclude<(typeof KEYS)[number], { readonly value: 'text' }>;
type ValueOf<Row> = Row extends { readonly value: 'boolean' }
  ? boolean
  : Row extends { readonly value: 'number' }
    ? number
    : string;

/** Every key that has a result, by its wire name. */
export type ParameterName = Valued['key'];
export type Parameters = { readonly [Name in ParameterName]: ValueOf<RowOf<Name>> };

/** What holds while nothing was negotiated. */
export function initialParameters(): { -readonly [Name in ParameterName]: Parameters[Name] } {
  const values: Record<string, unknown> = {};
  for (const row of KEYS) {
    if (row.value !== 'text') values[row.key] = row.initial;
  }
  return values as Parameters;
}
