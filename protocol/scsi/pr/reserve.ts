/** Verbs on the reservation itself: RESERVE, RELEASE, PREEMPT and PREEMPT AND ABORT. */
import {
  checkCondition,
  type Failure,
  invalidCdbField,
  invalidParameter,
  RESERVATION_CONFLICT,
} from '../outcome.ts';
import { Sense } from '../sense.ts';
import {
  authorised,
  belongsTo,
  type Change,
  change,
  holds,
  isAllRegistrants,
  isForRegistrants,
  isReservationType,
  type NexusName,
  nextGeneration,
  others,
  type PersistentState,
  type Registration,
  type Reservation,
} from './state.ts';

/** Byte of SCOPE (bits 7–4) and TYPE (bits 3–0) in the CDB of PERSISTENT RESERVE OUT. */
const SCOPE_AND_TYPE_BYTE = 2;

function reservationFor(type: number, { initiatorPort, targetPort }: NexusName): Reservation {
  return { type, holder: isAllRegistrants(type) ? undefined : { initiatorPort, targetPort } };
}

/** RESERVE (SPC-4 §5.13.9). */
export function reserve(
  state: PersistentState,
  nexus: NexusName,
  { key, type }: { key: bigint; type: number },
): Change | Failure {
  const own = authorised(state, nexus, key);
  if ('failure' in own) return own;
  if (!isReservationType(type)) return invalidCdbField(SCOPE_AND_TYPE_BYTE, 3);
  const { reservation } = state;
  if (reservation === undefined) return change({ ...state, reservation: reservationFor(type, nexus) });
  return holds(state, own) && reservation.type === type ? change(state) : RESERVATION_CONFLICT;
}

/** RELEASE (SPC-4 §5.13.11.2). */
export function release(
  state: PersistentState,
  nexus: NexusName,
  { key, type }: { key: bigint; type: number },
): Change | Failure {
  const own = authorised(state, nexus, key);
  if ('failure' in own) return own;
  const { reservation } = state;
  if (reservation === undefined || !holds(state, own)) return change(state);
  if (reservation.type !== type) return checkCondition(Sense.INVALID_RELEASE_OF_PERSISTENT_RESERVATION);
  const tell = isForRegistrants(type) ? others(state.registrations, nexus, Sense.RESERVATIONS_RELEASED) : [];
  return change({ ...state, reservation: undefined }, tell);
}

export interface PreemptParameters {
  readonly key: bigint;
  /** SERVICE ACTION RESERVATION KEY: whose registrations go. */
  readonly victimKey: bigint;
  readonly type: number;
}

/** PREEMPT and the state of PREEMPT AND ABORT (SPC-4 §5.13.11.4, Figure 11). */
export function preempt(
  state: PersistentState,
  nexus: NexusName,
  parameters: PreemptParameters,
): Change | Failure {
  const { key, victimKey, type } = parameters;
  const own = authorised(state, nexus, key);
  if ('failure' in own) return own;
  const { reservation } = state;
  const isShared = reservation !== undefined && isAllRegistrants(reservation.type);
  if (victimKey === 0n && !isShared) return invalidParameter(8);
  const matched = state.registrations.filter((one) => one.key === victimKey);
  const takesOver = isShared ? victimKey === 0n : matched.some((one) => holds(state, one));
  if (!takesOver) return removeRegistrations(state, nexus, matched);
  if (!isReservationType(type)) return invalidCdbField(SCOPE_AND_TYPE_BYTE, 3);
  const candidates = isShared ? state.registrations : matched;
  return takeOver(state, nexus, { type, victims: candidates.filter((one) => !belongsTo(one, nexus)) });
}

function removeRegistrations(
  state: PersistentState,
  nexus: NexusName,
  victims: readonly Registration[],
): Change | Failure {
  if (victims.length === 0) return RESERVATION_CONFLICT;
  const registrations = state.registrations.filter((one) => !victims.includes(one));
  const tell = others(victims, nexus, Sense.REGISTRATIONS_PREEMPTED);
  const preempted = victims.filter((one) => !belongsTo(one, nexus));
  const generation = nextGeneration(state.generation);
  // With nobody registered any more an all registrants reservation has no holder left.
  const reservation = registrations.length === 0 ? undefined : state.reservation;
  return change({ ...state, generation, registrations, reservation }, tell, preempted);
}

function takeOver(
  state: PersistentState,
  nexus: NexusName,
  { type, victims }: { type: number; victims: readonly Registration[] },
): Change {
  const registrations = state.registrations.filter((one) => !victims.includes(one));
  const generation = nextGeneration(state.generation);
  const typeChanged = state.reservation?.type !== type;
  const tell = [
    ...others(victims, nexus, Sense.REGISTRATIONS_PREEMPTED),
    ...(typeChanged ? others(registrations, nexus, Sense.RESERVATIONS_RELEASED) : []),
  ];
  const reservation = reservationFor(type, nexus);
  return change({ ...state, generation, registrations, reservation }, tell, victims);
}
