/**
 * Sense data (SPC-4 §4.5). A code is named by the standard's words and its three numbers stand here
 * and nowhere else. `encodeSense` is the one place that writes sense bytes, in fixed or descriptor
 * format as the initiator chose with D_SENSE or DESC.
 */

export const SenseKey = {
  NO_SENSE: 0x0,
  NOT_READY: 0x2,
  MEDIUM_ERROR: 0x3,
  HARDWARE_ERROR: 0x4,
  ILLEGAL_REQUEST: 0x5,
  UNIT_ATTENTION: 0x6,
  DATA_PROTECT: 0x7,
  COPY_ABORTED: 0xa,
  ABORTED_COMMAND: 0xb,
  MISCOMPARE: 0xe,
} as const;

export interface SenseCode {
  readonly key: number;
  /** ADDITIONAL SENSE CODE. */
  readonly asc: number;
  /** ADDITIONAL SENSE CODE QUALIFIER. */
  readonly ascq: number;
}

function sense(key: number, asc: number, ascq: number): SenseCode {
  return { key, asc, ascq };
}

/** Codes by the words of SPC-4 Annex F. */
export const Sense = {
  NO_ADDITIONAL_SENSE_INFORMATION: sense(SenseKey.NO_SENSE, 0x00, 0x00),
  TARGET_PORT_IN_STANDBY_STATE: sense(SenseKey.NOT_READY, 0x04, 0x0b),
  TARGET_PORT_IN_UNAVAILABLE_STATE: sense(SenseKey.NOT_READY, 0x04, 0x0c),
  LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS: sense(SenseKey.NOT_READY, 0x04, 0x04),
  LOGICAL_UNIT_NOT_READY_SANITIZE_IN_PROGRESS: sense(SenseKey.NOT_READY, 0x04, 0x1b),
  MEDIUM_NOT_PRESENT: sense(SenseKey.NOT_READY, 0x3a, 0x00),
  WRITE_ERROR: sense(SenseKey.MEDIUM_ERROR, 0x0c, 0x00),
  UNRECOVERED_READ_ERROR: sense(SenseKey.MEDIUM_ERROR, 0x11, 0x00),
  FORMAT_COMMAND_FAILED: sense(SenseKey.MEDIUM_ERROR, 0x31, 0x01),
  SANITIZE_COMMAND_FAILED: sense(SenseKey.MEDIUM_ERROR, 0x31, 0x03),
  LOGICAL_UNIT_FAILED_SELF_TEST: sense(SenseKey.HARDWARE_ERROR, 0x3e, 0x03),
  INTERNAL_TARGET_FAILURE: sense(SenseKey.HARDWARE_ERROR, 0x44, 0x00),
  PARAMETER_LIST_LENGTH_ERROR: sense(SenseKey.ILLEGAL_REQUEST, 0x1a, 0x00),
  INVALID_COMMAND_OPERATION_CODE: sense(SenseKey.ILLEGAL_REQUEST, 0x20, 0x00),
  LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE: sense(SenseKey.ILLEGAL_REQUEST, 0x21, 0x00),
  INVALID_FIELD_IN_CDB: sense(SenseKey.ILLEGAL_REQUEST, 0x24, 0x00),
  LOGICAL_UNIT_NOT_SUPPORTED: sense(SenseKey.ILLEGAL_REQUEST, 0x25, 0x00),
  INVALID_FIELD_IN_PARAMETER_LIST: sense(SenseKey.ILLEGAL_REQUEST, 0x26, 0x00),
  INVALID_RELEASE_OF_PERSISTENT_RESERVATION: sense(SenseKey.ILLEGAL_REQUEST, 0x26, 0x04),
  INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT: sense(SenseKey.ILLEGAL_REQUEST, 0x0e, 0x03),
  COMMAND_SEQUENCE_ERROR: sense(SenseKey.ILLEGAL_REQUEST, 0x2c, 0x00),
  INVALID_MESSAGE_ERROR: sense(SenseKey.ILLEGAL_REQUEST, 0x49, 0x00),
  MEDIUM_REMOVAL_PREVENTED: sense(SenseKey.ILLEGAL_REQUEST, 0x53, 0x02),
  INVALID_TOKEN_OPERATION_CAUSE_NOT_REPORTABLE: sense(SenseKey.ILLEGAL_REQUEST, 0x23, 0x00),
  INVALID_TOKEN_OPERATION_UNSUPPORTED_TOKEN_TYPE: sense(SenseKey.ILLEGAL_REQUEST, 0x23, 0x01),
  INVALID_TOKEN_OPERATION_TOKEN_UNKNOWN: sense(SenseKey.ILLEGAL_REQUEST, 0x23, 0x04),
  INVALID_TOKEN_OPERATION_TOKEN_CORRUPT: sense(SenseKey.ILLEGAL_REQUEST, 0x23, 0x05),
  INVALID_TOKEN_OPERATION_INVALID_TOKEN_LENGTH: sense(SenseKey.ILLEGAL_REQUEST, 0x23, 0x0a),
  INSUFFICIENT_RESOURCES_TO_CREATE_ROD_TOKEN: sense(SenseKey.ILLEGAL_REQUEST, 0x55, 0x0d),
  INSUFFICIENT_REGISTRATION_RESOURCES: sense(SenseKey.ILLEGAL_REQUEST, 0x55, 0x04),
  OPERATION_IN_PROGRESS: sense(SenseKey.ILLEGAL_REQUEST, 0x00, 0x16),
  TOO_MANY_TARGET_DESCRIPTORS: sense(SenseKey.ILLEGAL_REQUEST, 0x26, 0x06),
  UNSUPPORTED_TARGET_DESCRIPTOR_TYPE_CODE: sense(SenseKey.ILLEGAL_REQUEST, 0x26, 0x07),
  TOO_MANY_SEGMENT_DESCRIPTORS: sense(SenseKey.ILLEGAL_REQUEST, 0x26, 0x08),
  UNSUPPORTED_SEGMENT_DESCRIPTOR_TYPE_CODE: sense(SenseKey.ILLEGAL_REQUEST, 0x26, 0x09),
  INLINE_DATA_LENGTH_EXCEEDED: sense(SenseKey.ILLEGAL_REQUEST, 0x26, 0x0b),
  COPY_ABORTED: sense(SenseKey.COPY_ABORTED, 0x00, 0x00),
  UNREACHABLE_COPY_TARGET: sense(SenseKey.COPY_ABORTED, 0x08, 0x04),
  THIRD_PARTY_DEVICE_FAILURE: sense(SenseKey.COPY_ABORTED, 0x0d, 0x01),
  COPY_TARGET_DEVICE_NOT_REACHABLE: sense(SenseKey.COPY_ABORTED, 0x0d, 0x02),
  COPY_TARGET_WRITE_PROTECTED: sense(SenseKey.COPY_ABORTED, 0x27, 0x00),
  INCORRECT_COPY_TARGET_DEVICE_TYPE: sense(SenseKey.COPY_ABORTED, 0x0d, 0x03),
  UNEXPECTED_INEXACT_SEGMENT: sense(SenseKey.COPY_ABORTED, 0x26, 0x0a),
  MISCOMPARE_DURING_VERIFY_OPERATION: sense(SenseKey.MISCOMPARE, 0x1d, 0x00),
  WRITE_PROTECTED: sense(SenseKey.DATA_PROTECT, 0x27, 0x00),
  LOGICAL_UNIT_SOFTWARE_WRITE_PROTECTED: sense(SenseKey.DATA_PROTECT, 0x27, 0x02),
  SPACE_ALLOCATION_FAILED_WRITE_PROTECT: sense(SenseKey.DATA_PROTECT, 0x27, 0x07),
  NOT_READY_TO_READY_CHANGE: sense(SenseKey.UNIT_ATTENTION, 0x28, 0x00),
  POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED: sense(SenseKey.UNIT_ATTENTION, 0x29, 0x00),
  BUS_DEVICE_RESET_FUNCTION_OCCURRED: sense(SenseKey.UNIT_ATTENTION, 0x29, 0x03),
  MODE_PARAMETERS_CHANGED: sense(SenseKey.UNIT_ATTENTION, 0x2a, 0x01),
  LOG_PARAMETERS_CHANGED: sense(SenseKey.UNIT_ATTENTION, 0x2a, 0x02),
  RESERVATIONS_PREEMPTED: sense(SenseKey.UNIT_ATTENTION, 0x2a, 0x03),
  RESERVATIONS_RELEASED: sense(SenseKey.UNIT_ATTENTION, 0x2a, 0x04),
  REGISTRATIONS_PREEMPTED: sense(SenseKey.UNIT_ATTENTION, 0x2a, 0x05),
  ASYMMETRIC_ACCESS_STATE_CHANGED: sense(SenseKey.UNIT_ATTENTION, 0x2a, 0x06),
  CAPACITY_DATA_HAS_CHANGED: sense(SenseKey.UNIT_ATTENTION, 0x2a, 0x09),
  TIMESTAMP_CHANGED: sense(SenseKey.UNIT_ATTENTION, 0x2a, 0x10),
  PREVIOUS_BUSY_STATUS: sense(SenseKey.UNIT_ATTENTION, 0x2c, 0x07),
  PREVIOUS_TASK_SET_FULL_STATUS: sense(SenseKey.UNIT_ATTENTION, 0x2c, 0x08),
  PREVIOUS_RESERVATION_CONFLICT_STATUS: sense(SenseKey.UNIT_ATTENTION, 0x2c, 0x09),
  COMMANDS_CLEARED_BY_ANOTHER_INITIATOR: sense(SenseKey.UNIT_ATTENTION, 0x2f, 0x00),
  THIN_PROVISIONING_SOFT_THRESHOLD_REACHED: sense(SenseKey.UNIT_ATTENTION, 0x38, 0x07),
  INQUIRY_DATA_HAS_CHANGED: sense(SenseKey.UNIT_ATTENTION, 0x3f, 0x03),
  DEVICE_IDENTIFIER_CHANGED: sense(SenseKey.UNIT_ATTENTION, 0x3f, 0x05),
  REPORTED_LUNS_DATA_HAS_CHANGED: sense(SenseKey.UNIT_ATTENTION, 0x3f, 0x0e),
} as const satisfies Record<string, SenseCode>;

/** Where a field in error begins: its byte and, where less than the whole byte is meant, its highest bit. */
export interface FieldPointer {
  /**
   * In the CDB, in the data-out parameter list (C/D bit, SPC-4 §4.5.2.4.2) or in the segment descriptor of a
   * copy (SD bit, §4.5.2.4.5).
   */
  readonly of: 'cdb' | 'parameter-list' | 'segment';
  readonly byte: number;
  readonly bit?: number;
}

export interface SenseDetail {
  /** INFORMATION: an LBA or an offset. In fixed format it is given only while it fits 32 bits. */
  readonly information?: number;
  /** The segment of a third-party copy that ended it, from 0: COMMAND-SPECIFIC INFORMATION (SPC-4 §6.4.3). */
  readonly segment?: number;
  readonly field?: FieldPointer;
  /** How much of what makes the unit not ready is done: 0 … 1. Never together with `field`. */
  readonly progress?: number;
}

const FIXED_SENSE_BYTES = 18;
const DESCRIPTOR_HEADER_BYTES = 8;
const INFORMATION_DESCRIPTOR_BYTES = 12;
const COMMAND_SPECIFIC_DESCRIPTOR_BYTES = 12;
const SENSE_KEY_SPECIFIC_DESCRIPTOR_BYTES = 8;

/** Current-error sense data: fixed (70h, SPC-4 §4.5.3) or descriptor format (72h, §4.5.2). */
export function encodeSense(
  code: SenseCode,
  descriptorFormat: boolean,
  detail: SenseDetail = {},
): Uint8Array {
  return descriptorFormat ? encodeDescriptors(code, detail) : encodeFixed(code, detail);
}

function encodeFixed(code: SenseCode, { information, segment, field, progress }: SenseDetail): Uint8Array {
  const bytes = new Uint8Array(FIXED_SENSE_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x70;
  bytes[2] = code.key;
  bytes[7] = FIXED_SENSE_BYTES - 8;
  bytes[12] = code.asc;
  bytes[13] = code.ascq;
  if (information !== undefined && information <= 0xffffffff) {
    bytes[0] = 0xf0;
    view.setUint32(3, information);
  }
  if (segment !== undefined) view.setUint16(10, segment);
  if (field !== undefined) writeFieldPointer(bytes, 15, field);
  if (progress !== undefined) writeProgress(bytes, 15, progress);
  return bytes;
}

function encodeDescriptors(
  code: SenseCode,
  { information, segment, field, progress }: SenseDetail,
): Uint8Array {
  const informationBytes = information === undefined ? 0 : INFORMATION_DESCRIPTOR_BYTES;
  const segmentBytes = segment === undefined ? 0 : COMMAND_SPECIFIC_DESCRIPTOR_BYTES;
  const isSpecific = field !== undefined || progress !== undefined;
  const fieldBytes = isSpecific ? SENSE_KEY_SPECIFIC_DESCRIPTOR_BYTES : 0;
  const bytes = new Uint8Array(DESCRIPTOR_HEADER_BYTES + informationBytes + segmentBytes + fieldBytes);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x72;
  bytes[1] = code.key;
  bytes[2] = code.asc;
  bytes[3] = code.ascq;
  bytes[7] = informationBytes + segmentBytes + fieldBytes;
  let at = DESCRIPTOR_HEADER_BYTES;
  if (information !== undefined) {
    bytes[at + 1] = 0x0a;
    bytes[at + 2] = 0x80;
    view.setBigUint64(at + 4, BigInt(information));
    at += INFORMATION_DESCRIPTOR_BYTES;
  }
  if (segment !== undefined) {
    bytes.set([0x01, 0x0a], at);
    view.setUint16(at + 6, segment);
    at += COMMAND_SPECIFIC_DESCRIPTOR_BYTES;
  }
  if (isSpecific) bytes.set([0x02, 0x06], at);
  if (field !== undefined) writeFieldPointer(bytes, at + 4, field);
  if (progress !== undefined) writeProgress(bytes, at + 4, progress);
  return bytes;
}

/** SKSV, C/D, BPV, BIT POINTER and FIELD POINTER (SPC-4 §4.5.2.4.2). */
function writeFieldPointer(bytes: Uint8Array, at: number, { of, byte, bit }: FieldPointer): void {
  const within = { cdb: 0x40, 'parameter-list': 0, segment: 0x20 }[of];
  bytes[at] = 0x80 | within | (bit === undefined ? 0 : 0x08 | bit);
  bytes[at + 1] = byte >> 8;
  bytes[at + 2] = byte & 0xff;
}

/** SKSV and PROGRESS INDICATION, in parts of 65536 (SPC-4 §4.5.2.4.4). */
function writeProgress(bytes: Uint8Array, at: number, progress: number): void {
  bytes[at] = 0x80;
  new DataView(bytes.buffer).setUint16(at + 1, Math.min(Math.floor(progress * 0x10000), 0xffff));
}
