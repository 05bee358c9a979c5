/**
 * What a copy manager tells of itself and of copies by list identifiers of one byte (SPC-4 §6.20 … §6.24).
 */
import { u8, u32 } from 'node-iscsi-pdu/fields';
import { command } from '../command.ts';
import { failed } from '../execute.ts';
import { invalidCdbField, type Outcome, Status, truncated } from '../outcome.ts';
import { concatenated, u32Bytes, viewOf } from '../parameter-data.ts';
import { type CopyResult, resultsOf } from './copy-results.ts';
import {
  BLOCK_TO_BLOCK_SEGMENT,
  COPIES_MAX,
  CSCD_DESCRIPTORS_MAX,
  DESCRIPTOR_LIST_BYTES_MAX,
  IDENTIFICATION_CSCD,
  SEGMENT_BYTES_MAX,
  SEGMENT_DESCRIPTORS_MAX,
} from './limits.ts';

const row = {
  opcode: 0x84,
  cdbBytes: 16,
  needsMedium: false,
  writes: false,
  reserved: 'write',
  reserved6: 'conflict',
} as const;

const LIST_CDB = { listIdentifier: u8(2), allocationLength: u32(10) };

/** COPY MANAGER STATUS (SPC-4 Table 231). */
const STATUS_OF = { running: 0x00, done: 0x01, failed: 0x02 } as const;
/** TRANSFER COUNT UNITS (SPC-4 Table 232): bytes, KiB, MiB … by their exponents of 1024. */
const UNIT_POWERS_MAX = 6;

/** RECEIVE COPY STATUS(LID1). */
export const RECEIVE_COPY_STATUS = command({
  ...row,
  name: 'RECEIVE COPY STATUS(LID1)',
  serviceAction: 0x00,
  cite: 'SPC-4 §6.24',
  cdb: LIST_CDB,
  run({ nexus, server }, { listIdentifier, allocationLength }): Outcome {
    const result = resultsOf(nexus.copies, server.unit).get(listIdentifier);
    return result === undefined ? invalidCdbField(2) : truncated(copyStatus(result), allocationLength);
  },
});

function copyStatus({ state, segmentsProcessed, bytesCopied }: CopyResult): Uint8Array {
  let units = 0;
  let count = bytesCopied;
  for (; count > 0xffffffff && units < UNIT_POWERS_MAX; units += 1) count = Math.floor(count / 1024);
  const data = new Uint8Array(12);
  const view = viewOf(data);
  view.setUint32(0, data.byteLength - 4);
  data[4] = STATUS_OF[state];
  view.setUint16(5, segmentsProcessed);
  data[7] = units;
  view.setUint32(8, count);
  return data;
}

/** RECEIVE COPY OPERATING PARAMETERS: no inline data, no held data, no stream devices. */
export const RECEIVE_COPY_OPERATING_PARAMETERS = command({
  ...row,
  name: 'RECEIVE COPY OPERATING PARAMETERS',
  serviceAction: 0x03,
  cite: 'SPC-4 §6.21',
  cdb: { allocationLength: u32(10) },
  run: (_request, { allocationLength }): Outcome => truncated(operatingParameters(), allocationLength),
});

/** SNLID: a copy may come without a list identifier. */
const SNLID = 0x01;

function operatingParameters(): Uint8Array {
  const descriptors = Uint8Array.of(BLOCK_TO_BLOCK_SEGMENT, IDENTIFICATION_CSCD);
  const data = new Uint8Array(44);
  const view = viewOf(data);
  view.setUint32(0, data.byteLength + descriptors.byteLength - 4);
  data[4] = SNLID;
  view.setUint16(8, CSCD_DESCRIPTORS_MAX);
  view.setUint16(10, SEGMENT_DESCRIPTORS_MAX);
  view.setUint32(12, DESCRIPTOR_LIST_BYTES_MAX);
  view.setUint32(16, SEGMENT_BYTES_MAX);
  view.setUint16(34, COPIES_MAX);
  data[36] = COPIES_MAX;
  data[43] = descriptors.byteLength;
  return concatenated(data, descriptors);
}

const FAILED_DETAILS_BYTES = 60;

/** RECEIVE COPY FAILURE DETAILS(LID1): told once, and nothing of a copy that did not fail. */
export const RECEIVE_COPY_FAILURE_DETAILS = command({
  ...row,
  name: 'RECEIVE COPY FAILURE DETAILS(LID1)',
  serviceAction: 0x04,
  cite: 'SPC-4 §6.22',
  cdb: LIST_CDB,
  run({ nexus, server }, { listIdentifier, allocationLength }): Outcome {
    const result = resultsOf(nexus.copies, server.unit).get(listIdentifier);
    if (result === undefined) return invalidCdbField(2);
    if (result.failure === undefined) return truncated(u32Bytes(0), allocationLength);
    const { sense = new Uint8Array(0) } = failed(result.failure, server.modes.descriptorSense);
    result.failure = undefined;
    const data = new Uint8Array(FAILED_DETAILS_BYTES);
    const view = viewOf(data);
    view.setUint32(0, data.byteLength + sense.byteLength - 4);
    data[56] = Status.CHECK_CONDITION;
    view.setUint16(58, sense.byteLength);
    return truncated(concatenated(data, sense), allocationLength);
  },
});
