/**
 * Verbs that make, change and end registrations: REGISTER, REGISTER AND IGNORE EXISTING KEY, CLEAR,
 * REGISTER AND MOVE.
 */
import { REGISTRATIONS_MAX } from '../limits.ts';
import { checkCondition, type Failure, invalidParameter, RESERVATION_CONFLICT } from '../outcome.ts';
import { Sense } from '../sense.ts';
import {
  authorised,
  belongsTo,
  type Change,
  change,
  holds,
  isAllRegistrants,
  isForRegistrants,
  type NexusName,
  nextGeneration,
  others,
  type PersistentState,
  type Registration,
  registrationOf,
} from './state.ts';

export interface RegisterParameters {
  readonly reservationKey: bigint;
  readonly serviceActionReservationKey: bigint;
  readonly allTargetPorts: boolean;
  readonly persistThroughPowerLoss: boolean;
  readonly relativeTargetPort: number;
  /** Further initiator ports to register (SPEC_I_PT). */
  readonly initiatorPorts: readonly string[];
}

/** REGISTER (SPC-4 §5.13.7, Table 74). */
export function register(
  state: PersistentState,
  nexus: NexusName,
  parameters: RegisterParameters,
): Change | Failure {
  const own = registrationOf(state, nexus);
  if (parameters.reservationKey !== (own?.key ?? 0n)) return RESERVATION_CONFLICT;
  // SPEC_I_PT makes new registrations; it has no meaning for a nexus that is registered (byte 20).
  if (own !== undefined && parameters.initiatorPorts.length > 0) return invalidParameter(20, 3);
  return registerAnyway(state, nexus, parameters);
}

/** REGISTER AND IGNORE EXISTING KEY (SPC-4 §5.13.7, Table 75). */
export function registerAnyway(
  state: PersistentState,
  nexus: NexusName,
  parameters: RegisterParameters,
): Change | Failure {
  const own = registrationOf(state, nexus);
  if (parameters.serviceActionReservationKey === 0n) {
    return own === undefined ? change(state) : unregister(state, nexus, own, parameters);
  }
  return addRegistrations(state, nexus, parameters);
}

function addRegistrations(
  state: PersistentState,
  nexus: NexusName,
  parameters: RegisterParameters,
): Change | Failure {
  const { allTargetPorts, relativeTargetPort, serviceActionReservationKey: key } = parameters;
  const own = registrationOf(state, nexus);
  const make = (initiatorPort: string): Registration => ({
    initiatorPort,
    targetPort: nexus.targetPort,
    relativeTargetPort,
    allTargetPorts,
    key,
  });
  const added = [...new Set([nexus.initiatorPort, ...parameters.initiatorPorts])].map(make);
  // A registration that exists keeps its form and takes the new key; another port's may not be replaced.
  if (added.some((one) => !belongsTo(one, nexus) && state.registrations.some((old) => overlap(old, one)))) {
    return RESERVATION_CONFLICT;
  }
  const registrations =
    own === undefined
      ? [...state.registrations, ...added]
      : state.registrations.map((one) => (one === own ? { ...own, key } : one));
  if (registrations.length > REGISTRATIONS_MAX)
    return checkCondition(Sense.INSUFFICIENT_REGISTRATION_RESOURCES);
  return change({
    ...state,
    registrations,
    generation: nextGeneration(state.generation),
    persistThroughPowerLoss: parameters.persistThroughPowerLoss,
  });
}

function overlap(a: Registration, b: Registration): boolean {
  return belongsTo(a, b) || belongsTo(b, a);
}

/** Ends a registration; the reservation that only it held ends with it (SPC-4 §5.13.11.3). */
function unregister(
  state: PersistentState,
  nexus: NexusName,
  own: Registration,
  { persistThroughPowerLoss }: RegisterParameters,
): Change {
  const registrations = state.registrations.filter((one) => one !== own);
  const generation = nextGeneration(state.generation);
  const next = { ...state, registrations, generation, persistThroughPowerLoss };
  const { reservation } = state;
  if (reservation === undefined || !holds(state, own)) return change(next);
  if (isAllRegistrants(reservation.type) && registrations.length > 0) return change(next);
  const tell = isForRegistrants(reservation.type)
    ? others(registrations, nexus, Sense.RESERVATIONS_RELEASED)
    : [];
  return change({ ...next, reservation: undefined }, tell);
}

/** CLEAR: no reservation and no registration is left (SPC-4 §5.13.11.6). */
export function clear(state: PersistentState, nexus: NexusName, key: bigint): Change | Failure {
  const own = authorised(state, nexus, key);
  if ('failure' in own) return own;
  const generation = nextGeneration(state.generation);
  const tell = others(state.registrations, nexus, Sense.RESERVATIONS_PREEMPTED);
  return change({ ...state, generation, registrations: [], reservation: undefined }, tell);
}

export interface MoveParameters {
  readonly reservationKey: bigint;
  readonly serviceActionReservationKey: bigint;
  readonly unregister: boolean;
  readonly persistThroughPowerLoss: boolean;
  readonly relativeTargetPort: number;
  readonly initiatorPort: string;
}

/** REGISTER AND MOVE: hands the reservation to another nexus (SPC-4 §5.13.8). */
export function registerAndMove(
  state: PersistentState,
  nexus: NexusName,
  parameters: MoveParameters,
): Change | Failure {
  const own = authorised(state, nexus, parameters.reservationKey);
  if ('failure' in own) return own;
  const { reservation } = state;
  if (reservation === undefined || isAllRegistrants(reservation.type) || !holds(state, own)) {
    return RESERVATION_CONFLICT;
  }
  const key = parameters.serviceActionReservationKey;
  if (key === 0n) return invalidParameter(8);
  const { initiatorPort, relativeTargetPort } = parameters;
  const destination = { initiatorPort, targetPort: nexus.targetPort };
  // A registration that is there keeps its form and takes the new key.
  const known = registrationOf(state, destination);
  const made = { ...destination, relativeTargetPort, allTargetPorts: false };
  const moved: Registration = { ...(known ?? made), key };
  if (belongsTo(moved, nexus)) return invalidParameter(24);
  const kept = state.registrations.filter(
    (one) => !overlap(one, moved) && !(parameters.unregister && one === own),
  );
  const registrations = [...kept, moved];
  if (registrations.length > REGISTRATIONS_MAX)
    return checkCondition(Sense.INSUFFICIENT_REGISTRATION_RESOURCES);
  return change({
    generation: nextGeneration(state.generation),
    persistThroughPowerLoss: parameters.persistThroughPowerLoss,
    registrations,
    reservation: { type: reservation.type, holder: destination },
  });
}
