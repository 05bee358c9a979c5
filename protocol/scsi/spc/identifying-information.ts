/**
 * REPORT and SET IDENTIFYING INFORMATION (SPC-4 §6.32, §6.43): words that an initiator's administrator leaves
 * with a unit. They are kept in the unit's own state, one value for each type, and survive restarts.
 */
import { bits, u16, u32 } from 'node-iscsi-pdu/fields';
import type { MaybePromise } from '../../../lun/units.ts';
import { command } from '../command.ts';
import {
  DONE,
  invalidCdbField,
  invalidParameter,
  type Outcome,
  PARAMETER_LIST_LENGTH_ERROR,
  received,
  truncated,
} from '../outcome.ts';
import { concatenated, u16Bytes } from '../parameter-data.ts';
import { Sense } from '../sense.ts';

/** INFORMATION TYPE (SPC-4 Table 302). */
const InformationType = { PERIPHERAL_DEVICE: 0, TEXT: 2, SUPPORTED: 0x7f } as const;

/** MAXIMUM INFORMATION LENGTH of the types there are, bytes. */
const BYTES_MAX: ReadonlyMap<number, number> = new Map([
  [InformationType.PERIPHERAL_DEVICE, 64],
  [InformationType.TEXT, 256],
]);

const TYPE_BYTE = 10;

function stateKey(type: number): string {
  return `scsi.identifying-information.${type}`;
}

function framed(body: Uint8Array): Uint8Array {
  return concatenated(u16Bytes(0), u16Bytes(body.byteLength), body);
}

/** Identifying information supported (SPC-4 Table 304): a type and its longest value each. */
function supportedTypes(): Uint8Array {
  const descriptors = [...BYTES_MAX].map(([type, bytesMax]) =>
    concatenated(Uint8Array.of(type << 1, 0), u16Bytes(bytesMax)),
  );
  return framed(concatenated(...descriptors));
}

const RESTRICTED = { restricted: u16(4) };

export const REPORT_IDENTIFYING_INFORMATION = command({
  name: 'REPORT IDENTIFYING INFORMATION',
  opcode: 0xa3,
  serviceAction: 0x05,
  cite: 'SPC-4 §6.32',
  cdbBytes: 12,
  cdb: { allocationLength: u32(6), informationType: bits(TYPE_BYTE, 7, 1) },
  refused: RESTRICTED,
  needsMedium: false,
  writes: false,
  reserved: 'allowed',
  reserved6: 'allowed',
  run({ server }, { allocationLength, informationType }): Outcome {
    if (informationType === InformationType.SUPPORTED) return truncated(supportedTypes(), allocationLength);
    if (!BYTES_MAX.has(informationType)) return invalidCdbField(TYPE_BYTE, 7);
    const stored = server.unit.state.get(stateKey(informationType)) ?? new Uint8Array(0);
    return truncated(framed(stored), allocationLength);
  },
});

export const SET_IDENTIFYING_INFORMATION = command({
  name: 'SET IDENTIFYING INFORMATION',
  opcode: 0xa4,
  serviceAction: 0x06,
  cite: 'SPC-4 §6.43',
  cdbBytes: 12,
  cdb: { parameterListLength: u32(6), informationType: bits(TYPE_BYTE, 7, 1) },
  refused: RESTRICTED,
  needsMedium: false,
  writes: false,
  reserved: 'write',
  reserved6: 'conflict',
  run({ server, nexus, task }, { parameterListLength, informationType }): MaybePromise<Outcome> {
    const bytesMax = BYTES_MAX.get(informationType);
    if (bytesMax === undefined) return invalidCdbField(TYPE_BYTE, 7);
    if (parameterListLength > bytesMax) return invalidCdbField(6);
    const list = task.dataOut.subarray(0, parameterListLength);
    if (list.byteLength < parameterListLength) return PARAMETER_LIST_LENGTH_ERROR;
    const isText = informationType === InformationType.TEXT;
    // Text ends with a null and has no other (SPC-4 §6.43).
    if (isText && list.byteLength > 0 && list.indexOf(0) !== list.byteLength - 1)
      return invalidParameter(list.byteLength - 1);
    const { state } = server.unit;
    const key = stateKey(informationType);
    const value = list.byteLength === 0 ? undefined : list.slice();
    if (value === undefined && state.get(key) === undefined) return DONE;
    const finish = (): Outcome => {
      server.raise(Sense.DEVICE_IDENTIFIER_CHANGED, nexus);
      return received(parameterListLength);
    };
    const storing = state.put(key, value);
    return storing instanceof Promise ? storing.then(finish) : finish();
  },
});
