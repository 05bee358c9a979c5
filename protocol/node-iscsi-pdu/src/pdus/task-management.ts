import { bit, bits, type RecordOf, raw, u8, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode } from './define.ts';

/** Functions, RFC 7143 §11.5.1. */
export const TaskManagementFunction = {
  ABORT_TASK: 1,
  ABORT_TASK_SET: 2,
  CLEAR_ACA: 3,
  CLEAR_TASK_SET: 4,
  LOGICAL_UNIT_RESET: 5,
  TARGET_WARM_RESET: 6,
  TARGET_COLD_RESET: 7,
  TASK_REASSIGN: 8,
} as const;
export type TaskManagementFunction = (typeof TaskManagementFunction)[keyof typeof TaskManagementFunction];

/** Responses, RFC 7143 §11.6.1. */
export const TaskManagementResponseCode = {
  FUNCTION_COMPLETE: 0,
  TASK_DOES_NOT_EXIST: 1,
  LUN_DOES_NOT_EXIST: 2,
  TASK_STILL_ALLEGIANT: 3,
  TASK_ALLEGIANCE_REASSIGNMENT_NOT_SUPPORTED: 4,
  FUNCTION_NOT_SUPPORTED: 5,
  FUNCTION_AUTHORIZATION_FAILED: 6,
  FUNCTION_REJECTED: 255,
} as const;
export type TaskManagementResponseCode =
  (typeof TaskManagementResponseCode)[keyof typeof TaskManagementResponseCode];

export const TaskManagementRequest = definePdu({
  name: 'Task Management Function Request',
  opcode: Opcode.TASK_MANAGEMENT_REQUEST,
  cite: 'RFC 7143 §11.5',
  layout: {
    immediate: bit(0, 6),
    final: bit(1, 7),
    function: bits(1, 6, 0),
    ...LENGTHS,
    lun: raw(8, 8),
    initiatorTaskTag: u32(16),
    referencedTaskTag: u32(20),
    cmdSN: u32(24),
    expStatSN: u32(28),
    refCmdSN: u32(32),
    expDataSN: u32(36),
  },
  defaults: { final: true },
});
export type TaskManagementRequest = RecordOf<typeof TaskManagementRequest.layout>;

export const TaskManagementResponse = definePdu({
  name: 'Task Management Function Response',
  opcode: Opcode.TASK_MANAGEMENT_RESPONSE,
  cite: 'RFC 7143 §11.6',
  layout: {
    final: bit(1, 7),
    response: u8(2),
    ...LENGTHS,
    initiatorTaskTag: u32(16),
    statSN: u32(24),
    expCmdSN: u32(28),
    maxCmdSN: u32(32),
  },
  defaults: { final: true },
});
export type TaskManagementResponse = RecordOf<typeof TaskManagementResponse.layout>;
