/**
 * Persistent reservations that outlive power loss (APTPL): one value in the unit's own state, as
 * UTF-8 JSON, because it is small, rare and must be readable after any upgrade.
 */
import { StoreError } from '../../../lun/errors.ts';
import type { UnitState } from '../../../lun/logical-unit.ts';
import type { MaybePromise } from '../../../lun/units.ts';
import {
  isReservationType,
  type NexusName,
  NOTHING_RESERVED,
  type PersistentState,
  type Registration,
  type Reservation,
} from './state.ts';

export const RESERVATIONS_KEY = 'scsi.persistent-reservations';
const FORMAT_VERSION = 1;

/** The stored state, or nothing reserved. StoreError CORRUPT when what is stored cannot be read. */
export function loadReservations(state: UnitState): PersistentState {
  const stored = state.get(RESERVATIONS_KEY);
  if (stored === undefined) return NOTHING_RESERVED;
  try {
    return parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(stored)));
  } catch (cause) {
    throw new StoreError('CORRUPT', 'the stored persistent reservations cannot be read', { cause });
  }
}

/** Makes the state durable when it asks for that, else makes sure that nothing is stored. */
export function saveReservations(store: UnitState, state: PersistentState): MaybePromise<void> {
  if (!state.persistThroughPowerLoss || state.registrations.length === 0) {
    if (store.get(RESERVATIONS_KEY) === undefined) return;
    return store.put(RESERVATIONS_KEY, undefined);
  }
  const plain = {
    version: FORMAT_VERSION,
    registrations: state.registrations.map((one) => ({ ...one, key: one.key.toString(16) })),
    reservation: state.reservation,
  };
  return store.put(RESERVATIONS_KEY, new TextEncoder().encode(JSON.stringify(plain)));
}

type Plain = Readonly<Record<string, unknown>>;

function parse(value: unknown): PersistentState {
  const whole = asPlain(value);
  if (whole['version'] !== FORMAT_VERSION || !Array.isArray(whole['registrations']))
    throw new SyntaxError('form');
  return {
    generation: 0,
    persistThroughPowerLoss: true,
    registrations: whole['registrations'].map(parseRegistration),
    reservation: whole['reservation'] === undefined ? undefined : parseReservation(whole['reservation']),
  };
}

function parseRegistration(value: unknown): Registration {
  const one = asPlain(value);
  const { relativeTargetPort, key } = one;
  if (typeof relativeTargetPort !== 'number') throw new SyntaxError('port');
  if (typeof key !== 'string' || !/^[0-9a-f]{1,16}$/.test(key)) throw new SyntaxError('key');
  return { ...parseNexus(one), relativeTargetPort, key: BigInt(`0x${key}`) };
}

function parseReservation(value: unknown): Reservation {
  const { type, holder } = asPlain(value);
  if (typeof type !== 'number' || !isReservationType(type)) throw new SyntaxError('type');
  return { type, holder: holder === undefined ? undefined : parseNexus(asPlain(holder)) };
}

function parseNexus({ initiatorPort, targetPort }: Plain): NexusName {
  if (typeof initiatorPort !== 'string' || typeof targetPort !== 'string') throw new SyntaxError('nexus');
  return { initiatorPort, targetPort };
}

function asPlain(value: unknown): Plain {
  if (typeof value !== 'object' || value === null) throw new SyntaxError('object');
  return value as Plain;
}
