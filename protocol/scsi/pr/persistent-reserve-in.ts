/** PERSISTENT RESERVE IN (SPC-4 §6.15): what is registered and reserved. */
import { u16 } from 'node-iscsi-pdu/fields';
import { type CommandRow, command } from '../command.ts';
import { type Outcome, truncated } from '../outcome.ts';
import { concatenated, u16Bytes, u32Bytes, u64Bytes } from '../parameter-data.ts';
import { holds, isAllRegistrants, type PersistentState, type Registration, registrationOf } from './state.ts';
import { encodeTransportId } from './transport-id.ts';

/** PRGENERATION and ADDITIONAL LENGTH before what they describe. */
function framed({ generation }: PersistentState, body: Uint8Array): Uint8Array {
  return concatenated(u32Bytes(generation), u32Bytes(body.byteLength), body);
}

function readKeys(state: PersistentState): Uint8Array {
  return framed(state, concatenated(...state.registrations.map(({ key }) => u64Bytes(key))));
}

/** The key of the reservation holder; zero when all registrants hold it (SPC-4 §6.15.3). */
function holderKey(state: PersistentState): bigint {
  const { reservation } = state;
  if (reservation?.holder === undefined || isAllRegistrants(reservation.type)) return 0n;
  return registrationOf(state, reservation.holder)?.key ?? 0n;
}

function readReservation(state: PersistentState): Uint8Array {
  if (state.reservation === undefined) return framed(state, new Uint8Array(0));
  const scopeAndType = Uint8Array.of(0, 0, 0, 0, 0, state.reservation.type, 0, 0);
  return framed(state, concatenated(u64Bytes(holderKey(state)), scopeAndType));
}

const REPORT_CAPABILITIES_BYTES = 8;
/** CRH, SIP_C, ATP_C and PTPL_C: everything that can be had of it. */
const CAPABILITIES = 0x10 | 0x08 | 0x04 | 0x01;
/** TMV, and ALLOW COMMANDS 001b: TEST UNIT READY passes every reservation. */
const TYPE_MASK_VALID = 0x80;
const ALLOW_TEST_UNIT_READY = 0x10;
/** All six types (SPC-4 Table 223). */
const TYPE_MASK = 0xea01;

function reportCapabilities({ persistThroughPowerLoss }: PersistentState): Uint8Array {
  const activated = persistThroughPowerLoss ? 0x01 : 0;
  return concatenated(
    u16Bytes(REPORT_CAPABILITIES_BYTES),
    Uint8Array.of(CAPABILITIES, TYPE_MASK_VALID | ALLOW_TEST_UNIT_READY | activated),
    u16Bytes(TYPE_MASK),
    u16Bytes(0),
  );
}

function readFullStatus(state: PersistentState): Uint8Array {
  return framed(state, concatenated(...state.registrations.map((one) => fullStatus(state, one))));
}

/** One full status descriptor (SPC-4 Table 226). */
function fullStatus(state: PersistentState, registration: Registration): Uint8Array {
  const isHolder = holds(state, registration);
  const transportId = encodeTransportId(registration.initiatorPort);
  return concatenated(
    u64Bytes(registration.key),
    u32Bytes(0),
    // R_HOLDER; ALL_TG_PT stays zero, since every nexus has a descriptor of its own.
    Uint8Array.of(isHolder ? 0x01 : 0),
    Uint8Array.of(isHolder ? (state.reservation?.type ?? 0) : 0),
    u32Bytes(0),
    u16Bytes(registration.relativeTargetPort),
    u32Bytes(transportId.byteLength),
    transportId,
  );
}

function inCommand(
  name: string,
  serviceAction: number,
  write: (state: PersistentState) => Uint8Array,
): CommandRow {
  return command({
    name: `PERSISTENT RESERVE IN, ${name}`,
    opcode: 0x5e,
    serviceAction,
    cite: 'SPC-4 §6.15',
    cdbBytes: 10,
    cdb: { allocationLength: u16(7) },
    needsMedium: false,
    writes: false,
    reserved: 'allowed',
    reserved6: 'conflict',
    runsIn: 'standby',
    run: ({ server }, { allocationLength }): Outcome => truncated(write(server.persistent), allocationLength),
  });
}

export const READ_KEYS = inCommand('READ KEYS', 0x00, readKeys);
export const READ_RESERVATION = inCommand('READ RESERVATION', 0x01, readReservation);
export const REPORT_CAPABILITIES = inCommand('REPORT CAPABILITIES', 0x02, reportCapabilities);
export const READ_FULL_STATUS = inCommand('READ FULL STATUS', 0x03, readFullStatus);
