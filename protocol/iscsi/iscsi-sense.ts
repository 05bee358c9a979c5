/**
 * Sense data for what goes wrong in the transport of a command, before or instead of SCSI
 * (RFC 7143 §11.4.7.2). Fixed format (SPC-4 §4.5.3), current error.
 */

const RESPONSE_CODE_FIXED_CURRENT = 0x70;
const FIXED_SENSE_BYTES = 18;
const ILLEGAL_REQUEST = 0x05;
const ABORTED_COMMAND = 0x0b;

function fixedSense(key: number, asc: number, ascq: number): Uint8Array {
  const sense = new Uint8Array(FIXED_SENSE_BYTES);
  sense[0] = RESPONSE_CODE_FIXED_CURRENT;
  sense[2] = key;
  sense[7] = FIXED_SENSE_BYTES - 8;
  sense[12] = asc;
  sense[13] = ascq;
  return sense;
}

export const STATUS_GOOD = 0x00;
export const STATUS_CHECK_CONDITION = 0x02;

/** By the names of the iSCSI conditions; shared, not to be written to. */
export const IscsiSense = {
  UNEXPECTED_UNSOLICITED_DATA: fixedSense(ABORTED_COMMAND, 0x0c, 0x0c),
  INCORRECT_AMOUNT_OF_DATA: fixedSense(ABORTED_COMMAND, 0x0c, 0x0d),
  PROTOCOL_SERVICE_CRC_ERROR: fixedSense(ABORTED_COMMAND, 0x47, 0x05),
  /** Bidirectional transfer, or more data than the transport takes. */
  INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT: fixedSense(ILLEGAL_REQUEST, 0x0e, 0x03),
} as const;
