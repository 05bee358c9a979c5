import { AsyncMessage } from './async-message.ts';
import { DataIn, DataOut } from './data.ts';
import { LoginRequest, LoginResponse } from './login.ts';
import { LogoutRequest, LogoutResponse } from './logout.ts';
import { NopIn, NopOut } from './nop.ts';
import { R2T } from './r2t.ts';
import { Reject } from './reject.ts';
import { ScsiCommand, ScsiResponse } from './scsi-command.ts';
import { SnackRequest } from './snack.ts';
import { TaskManagementRequest, TaskManagementResponse } from './task-management.ts';
import { TextRequest, TextResponse } from './text.ts';

/** Every PDU of RFC 7143 §11, in the order of the opcodes. */
export const PDUS = [
  NopOut,
  ScsiCommand,
  TaskManagementRequest,
  LoginRequest,
  TextRequest,
  DataOut,
  LogoutRequest,
  SnackRequest,
  NopIn,
  ScsiResponse,
  TaskManagementResponse,
  LoginResponse,
  TextResponse,
  DataIn,
  LogoutResponse,
  R2T,
  AsyncMessage,
  Reject,
] as const;

/** One of the PDUs of RFC 7143 §11. */
export type AnyPdu = (typeof PDUS)[number];

const byOpcode = new Map<number, AnyPdu>(PDUS.map((pdu) => [pdu.opcode, pdu]));

/** The PDU with this opcode (six bits); undefined when RFC 7143 §11.2.1.2 defines none. */
export function pduOfOpcode(opcode: number): AnyPdu | undefined {
  return byOpcode.get(opcode);
}
