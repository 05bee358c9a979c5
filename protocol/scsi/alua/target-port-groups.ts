/** REPORT and SET TARGET PORT GROUPS (SPC-4 §6.37, §6.45): one group, with every port of the target. */
import { bits, u32 } from 'node-iscsi-pdu/fields';
import { command } from '../command.ts';
import {
  DONE,
  type Failure,
  invalidCdbField,
  invalidParameter,
  type Outcome,
  PARAMETER_LIST_LENGTH_ERROR,
  received,
  truncated,
} from '../outcome.ts';
import { concatenated, u16Bytes, u32Bytes, viewOf } from '../parameter-data.ts';
import { Sense } from '../sense.ts';
import { TARGET_PORT_GROUP } from '../target-port.ts';
import { AccessState, SUPPORTED_STATES } from './access-state.ts';

/** PARAMETER DATA FORMAT field: length only header, or extended header (SPC-4 Table 319). */
const DataFormat = { LENGTH_ONLY: 0, EXTENDED: 1 } as const;
const EXTENDED_FORMAT = 0x10;

export const REPORT_TARGET_PORT_GROUPS = command({
  name: 'REPORT TARGET PORT GROUPS',
  opcode: 0xa3,
  serviceAction: 0x0a,
  cite: 'SPC-4 §6.37',
  cdbBytes: 12,
  cdb: { parameterDataFormat: bits(1, 7, 5), allocationLength: u32(6) },
  needsMedium: false,
  writes: false,
  reserved: 'allowed',
  reserved6: 'conflict',
  runsIn: 'unavailable',
  run({ target, server }, { parameterDataFormat, allocationLength }): Outcome {
    if (parameterDataFormat > DataFormat.EXTENDED) return invalidCdbField(1, 7);
    const { state, statusCode } = server.access;
    const ports = target.targetPorts();
    const group = concatenated(
      Uint8Array.of(state, SUPPORTED_STATES),
      u16Bytes(TARGET_PORT_GROUP),
      Uint8Array.of(0, statusCode, 0, ports.length),
      ...ports.map(({ relativeId }) => u32Bytes(relativeId)),
    );
    const extended = Uint8Array.of(EXTENDED_FORMAT, 0, 0, 0);
    const body = parameterDataFormat === DataFormat.EXTENDED ? concatenated(extended, group) : group;
    return truncated(concatenated(u32Bytes(body.byteLength), body), allocationLength);
  },
});

const HEADER_BYTES = 4;
const DESCRIPTOR_BYTES = 4;
const STATE_MASK = 0x0f;

/** The state the list asks for, undefined when it names no group; or why it cannot be taken (Table 340). */
function stateAsked(list: Uint8Array): number | undefined | Failure {
  if (list.byteLength < HEADER_BYTES || (list.byteLength - HEADER_BYTES) % DESCRIPTOR_BYTES !== 0)
    return PARAMETER_LIST_LENGTH_ERROR;
  const view = viewOf(list);
  let asked: number | undefined;
  for (let at = HEADER_BYTES; at < list.byteLength; at += DESCRIPTOR_BYTES) {
    const state = view.getUint8(at) & STATE_MASK;
    if (state > AccessState.UNAVAILABLE) return invalidParameter(at, 3);
    // The group may be named once, and there is no other.
    if (view.getUint16(at + 2) !== TARGET_PORT_GROUP || asked !== undefined) return invalidParameter(at + 2);
    asked = state;
  }
  return asked;
}

export const SET_TARGET_PORT_GROUPS = command({
  name: 'SET TARGET PORT GROUPS',
  opcode: 0xa4,
  serviceAction: 0x0a,
  cite: 'SPC-4 §6.45',
  cdbBytes: 12,
  cdb: { parameterListLength: u32(6) },
  needsMedium: false,
  writes: false,
  reserved: 'write',
  reserved6: 'conflict',
  runsIn: 'unavailable',
  run({ server, nexus, task }, { parameterListLength }): Outcome {
    if (parameterListLength === 0) return DONE;
    const list = task.dataOut.subarray(0, parameterListLength);
    const state = stateAsked(list);
    if (typeof state === 'object') return state;
    if (state !== undefined && server.access.set(state)) {
      server.raise(Sense.ASYMMETRIC_ACCESS_STATE_CHANGED, nexus);
    }
    return received(parameterListLength);
  },
});
