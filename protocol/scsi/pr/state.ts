/**
 * Persistent reservations of one logical unit (SPC-4 §5.13) as values: a state, and verbs that make the
 * next state from it. Nothing here waits, stores or tells anyone; a verb says in `Change` whom to tell
 * and whose tasks to abort, and `persistent-reserve-out.ts` does that once the new state is stored.
 */
import { type Failure, RESERVATION_CONFLICT } from '../outcome.ts';
import type { SenseCode } from '../sense.ts';

/** TYPE field (SPC-4 Table 229). */
export const ReservationType = {
  WRITE_EXCLUSIVE: 1,
  EXCLUSIVE_ACCESS: 3,
  WRITE_EXCLUSIVE_REGISTRANTS_ONLY: 5,
  EXCLUSIVE_ACCESS_REGISTRANTS_ONLY: 6,
  WRITE_EXCLUSIVE_ALL_REGISTRANTS: 7,
  EXCLUSIVE_ACCESS_ALL_REGISTRANTS: 8,
} as const;

const TYPES: ReadonlySet<number> = new Set(Object.values(ReservationType));

export function isReservationType(type: number): boolean {
  return TYPES.has(type);
}

/** The reservation belongs to everyone who is registered. */
export function isAllRegistrants(type: number): boolean {
  return type === 7 || type === 8;
}

/** Everyone who is registered has access, whoever holds the reservation. */
export function isForRegistrants(type: number): boolean {
  return type >= 5;
}

/** Everyone may read. */
export function isWriteExclusive(type: number): boolean {
  return type === 1 || type === 5 || type === 7;
}

/** An I_T nexus by the names of its ports, which outlive it. */
export interface NexusName {
  readonly initiatorPort: string;
  readonly targetPort: string;
}

export interface Registration extends NexusName {
  /** RELATIVE TARGET PORT IDENTIFIER. */
  readonly relativeTargetPort: number;
  readonly key: bigint;
}

export interface Reservation {
  readonly type: number;
  /** Undefined for the all registrants types. */
  readonly holder: NexusName | undefined;
}

export interface PersistentState {
  /** PRGENERATION; starts from 0 at every power on. */
  readonly generation: number;
  /** Persist through power loss, as the last registration asked (APTPL). */
  readonly persistThroughPowerLoss: boolean;
  readonly registrations: readonly Registration[];
  readonly reservation: Reservation | undefined;
}

export const NOTHING_RESERVED: PersistentState = {
  generation: 0,
  persistThroughPowerLoss: false,
  registrations: [],
  reservation: undefined,
};

/** What a verb came to. */
export interface Change {
  readonly state: PersistentState;
  readonly tell: readonly { readonly whom: Registration; readonly code: SenseCode }[];
  /** Registrations that were preempted: their tasks end with PREEMPT AND ABORT. */
  readonly preempted: readonly Registration[];
}

export function change(
  state: PersistentState,
  tell: Change['tell'] = [],
  preempted: readonly Registration[] = [],
): Change {
  return { state, tell, preempted };
}

export function samePort(a: string, b: string): boolean {
  return a.length === b.length && a.toLowerCase() === b.toLowerCase();
}

/** Whether a registration is that of a nexus. */
export function belongsTo(registration: Registration, nexus: NexusName): boolean {
  return (
    samePort(registration.initiatorPort, nexus.initiatorPort) &&
    samePort(registration.targetPort, nexus.targetPort)
  );
}

export function registrationOf(state: PersistentState, nexus: NexusName): Registration | undefined {
  return state.registrations.find((registration) => belongsTo(registration, nexus));
}

/** Whether a registration holds the reservation (SPC-4 §5.13.10). */
export function holds(state: PersistentState, registration: Registration): boolean {
  const { reservation } = state;
  if (reservation === undefined) return false;
  return reservation.holder === undefined || belongsTo(registration, reservation.holder);
}

/** The registration of a nexus that names its own key rightly, else RESERVATION CONFLICT. */
export function authorised(state: PersistentState, nexus: NexusName, key: bigint): Registration | Failure {
  const own = registrationOf(state, nexus);
  return own !== undefined && own.key === key ? own : RESERVATION_CONFLICT;
}

export function nextGeneration(generation: number): number {
  return (generation + 1) >>> 0;
}

/** Everyone registered but one nexus, to be told a code. */
export function others(
  registrations: readonly Registration[],
  nexus: NexusName,
  code: SenseCode,
): Change['tell'] {
  return registrations
    .filter((registration) => !belongsTo(registration, nexus))
    .map((whom) => ({ whom, code }));
}
