import { bit, bits, type RecordOf, u8, u16, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode } from './define.ts';

/** Reason codes, RFC 7143 §11.14.1. */
export const LogoutReason = {
  CLOSE_SESSION: 0,
  CLOSE_CONNECTION: 1,
  REMOVE_CONNECTION_FOR_RECOVERY: 2,
} as const;
export type LogoutReason = (typeof LogoutReason)[keyof typeof LogoutReason];

/** Responses, RFC 7143 §11.15.1. */
export const LogoutResponseCode = {
  CLOSED: 0,
  CID_NOT_FOUND: 1,
  RECOVERY_NOT_SUPPORTED: 2,
  CLEANUP_FAILED: 3,
} as const;
export type LogoutResponseCode = (typeof LogoutResponseCode)[keyof typeof LogoutResponseCode];

export const LogoutRequest = definePdu({
  name: 'Logout Request',
  opcode: Opcode.LOGOUT_REQUEST,
  cite: 'RFC 7143 §11.14',
  layout: {
    immediate: bit(0, 6),
    final: bit(1, 7),
    reasonCode: bits(1, 6, 0),
    ...LENGTHS,
    initiatorTaskTag: u32(16),
    cid: u16(20),
    cmdSN: u32(24),
    expStatSN: u32(28),
  },
  defaults: { final: true },
});
export type LogoutRequest = RecordOf<typeof LogoutRequest.layout>;

/** Time2Wait and Time2Retain are seconds. */
export const LogoutResponse = definePdu({
  name: 'Logout Response',
  opcode: Opcode.LOGOUT_RESPONSE,
  cite: 'RFC 7143 §11.15',
  layout: {
    final: bit(1, 7),
    response: u8(2),
    ...LENGTHS,
    initiatorTaskTag: u32(16),
    statSN: u32(24),
    expCmdSN: u32(28),
    maxCmdSN: u32(32),
    time2Wait: u16(40),
    time2Retain: u16(42),
  },
  defaults: { final: true },
});
export type LogoutResponse = RecordOf<typeof LogoutResponse.layout>;
