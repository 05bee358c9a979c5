import { bit, type RecordOf, u8, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode, RESERVED_TAG } from './define.ts';

/** Reasons, RFC 7143 §11.17.1. Reason 0x0b is deprecated and not to be used. */
export const RejectReason = {
  DATA_DIGEST_ERROR: 0x02,
  SNACK_REJECT: 0x03,
  PROTOCOL_ERROR: 0x04,
  COMMAND_NOT_SUPPORTED: 0x05,
  TOO_MANY_IMMEDIATE_COMMANDS: 0x06,
  TASK_IN_PROGRESS: 0x07,
  INVALID_DATA_ACK: 0x08,
  INVALID_PDU_FIELD: 0x09,
  LONG_OPERATION_REJECT: 0x0a,
  WAITING_FOR_LOGOUT: 0x0c,
} as const;
export type RejectReason = (typeof RejectReason)[keyof typeof RejectReason];

/** The data segment is the header of the rejected PDU; the initiator task tag is always the reserved one. */
export const Reject = definePdu({
  name: 'Reject',
  opcode: Opcode.REJECT,
  cite: 'RFC 7143 §11.17',
  layout: {
    final: bit(1, 7),
    reason: u8(2),
    ...LENGTHS,
    initiatorTaskTag: u32(16),
    statSN: u32(24),
    expCmdSN: u32(28),
    maxCmdSN: u32(32),
    dataSN: u32(36),
  },
  defaults: { final: true, initiatorTaskTag: RESERVED_TAG },
});
export type Reject = RecordOf<typeof Reject.layout>;
