/**
 * Verbs that make, change and end registrations: REGISTER, REGISTER AND IGNORE EXISTING KEY, CLEAR,
 * REGISTER AND MOVE.
 */
import { REGISTRATIONS_MAX } from '../limits.ts';
import { checkCondition, type Failure, invalidParameter, RESERVATION_CONFLICT } from '../outcome.ts';
import { Sense } from '../sense.ts';
import type { TargetPort } from '../target-port.ts';
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
  samePort,
} from './state.ts';

export interface RegisterParameters {
  readonly reservationKey: bigint;
  readonly serviceActionReservationKey: bigint;
  /** Where to register: the port that the command came through, or with ALL_TG_PT every one. */
  readonly targetPorts: readonly TargetPort[];
  readonly persistThroughPowerLoss: boolean;
  /** Further initiator ports to register (SPEC_I_PT). */
  readonly initiatorPorts: readonly string[];
}

/**
 * REGISTER (SPC-4 §5.13.7, Table 74). With ALL_TG_PT it is as if it had come through each target port by
 * itself (§6.16.3), and conflicts where one of those would.
 */
export function register(
  state: PersistentState,
  nexus: NexusName,
  parameters: RegisterParameters,
): Change | Failure {
  for (const { name } of parameters.targetPorts) {
    const own = registrationOf(state, { ...nexus, targetPort: name });
    if (parameters.reservationKey !== (own?.key ?? 0n)) return RESERVATION_CONFLICT;
    // SPEC_I_PT makes new registrations; it has no meaning for a nexus that is registered (byte 20).
    if (own !== undefined && parameters.initiatorPorts.length > 0) return invalidParameter(20, 3);
  }
  return registerAnyway(state, nexus, parameters);
}

/** REGISTER AND IGNORE EXISTING KEY (SPC-4 §5.13.7, Table 75). */
export function registerAnyway(
  state: PersistentState,
  nexus: NexusName,
  parameters: RegisterParameters,
): Change | Failure {
  if (parameters.serviceActionReservationKey !== 0n) return addRegistrations(state, nexus, parameters);
  const gone = parameters.targetPorts.flatMap(
    ({ name }) => registrationOf(state, { ...nexus, targetPort: name }) ?? [],
  );
  return gone.length === 0 ? change(state) : unregister(state, nexus, gone, parameters);
}

function addRegistrations(
  state: PersistentState,
  nexus: NexusName,
  parameters: RegisterParameters,
): Change | Failure {
  const { targetPorts, serviceActionReservationKey: key } = parameters;
  const at = (initiatorPort: string): Registration[] =>
    targetPorts.map(({ name, relativeId }) => ({
      ...{ initiatorPort, targetPort: name, relativeTargetPort: relativeId, key },
    }));
  const own = at(nexus.initiatorPort);
  const specified = parameters.initiatorPorts.filter((port) => !samePort(port, nexus.initiatorPort));
  const foreign = [...new Set(specified)].flatMap(at);
  // A registration of the sender takes the new key; another's may not be replaced.
  if (foreign.some((one) => registrationOf(state, one) !== undefined)) return RESERVATION_CONFLICT;
  const kept = state.registrations.map((one) => own.find((made) => belongsTo(made, one)) ?? one);
  const added = own.filter((one) => registrationOf(state, one) === undefined);
  const registrations = [...kept, ...added, ...foreign];
  if (registrations.length > REGISTRATIONS_MAX)
    return checkCondition(Sense.INSUFFICIENT_REGISTRATION_RESOURCES);
  return change({
    ...state,
    registrations,
    generation: nextGeneration(state.generation),
    persistThroughPowerLoss: parameters.persistThroughPowerLoss,
  });
}

/** Ends registrations; the reservation that only they held ends with them (SPC-4 §5.13.11.3). */
function unregister(
  state: PersistentState,
  nexus: NexusName,
  gone: readonly Registration[],
  { persistThroughPowerLoss }: RegisterParameters,
): Change {
  const registrations = state.registrations.filter((one) => !gone.includes(one));
  const generation = nextGeneration(state.generation);
  const next = { ...state, registrations, generation, persistThroughPowerLoss };
  const { reservation } = state;
  if (reservation === undefined || !gone.some((one) => holds(state, one))) return change(next);
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
  readonly targetPort: TargetPort;
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
  const { initiatorPort, targetPort } = parameters;
  const destination = { initiatorPort, targetPort: targetPort.name };
  const moved: Registration = { ...destination, relativeTargetPort: targetPort.relativeId, key };
  if (belongsTo(moved, nexus)) return invalidParameter(24);
  const kept = state.registrations.filter(
    (one) => !belongsTo(one, moved) && !(parameters.unregister && one === own),
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
