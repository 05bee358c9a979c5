import { bit, type RecordOf, raw, u8, u16, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode, RESERVED_TAG } from './define.ts';

/** Events, RFC 7143 §11.9.1; 255 is the vendor's. */
export const AsyncEvent = {
  SCSI_ASYNC_EVENT: 0,
  LOGOUT_REQUESTED: 1,
  CONNECTION_DROP: 2,
  SESSION_DROP: 3,
  NEGOTIATION_REQUESTED: 4,
  ALL_ACTIVE_TASKS_TERMINATED: 5,
  VENDOR_SPECIFIC: 255,
} as const;
export type AsyncEvent = (typeof AsyncEvent)[keyof typeof AsyncEvent];

/** The initiator task tag is always the reserved one. */
export const AsyncMessage = definePdu({
  name: 'Asynchronous Message',
  opcode: Opcode.ASYNC_MESSAGE,
  cite: 'RFC 7143 §11.9',
  layout: {
    final: bit(1, 7),
    ...LENGTHS,
    lun: raw(8, 8),
    initiatorTaskTag: u32(16),
    statSN: u32(24),
    expCmdSN: u32(28),
    maxCmdSN: u32(32),
    asyncEvent: u8(36),
    asyncVCode: u8(37),
    parameter1: u16(38),
    parameter2: u16(40),
    parameter3: u16(42),
  },
  defaults: { final: true, initiatorTaskTag: RESERVED_TAG },
});
export type AsyncMessage = RecordOf<typeof AsyncMessage.layout>;
