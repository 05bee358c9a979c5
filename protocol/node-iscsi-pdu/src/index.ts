export { PduError, type PduErrorKind } from './errors.ts';
export * from './fields.ts';
export { type AnyPdu, PDUS, pduOfOpcode } from './pdus/all.ts';
export { AsyncEvent, AsyncMessage } from './pdus/async-message.ts';
export { DataIn, DataOut } from './pdus/data.ts';
export {
  BHS_BYTES,
  DATA_SEGMENT_BYTES_MAX,
  definePdu,
  LENGTHS,
  Opcode,
  type PduDefinition,
  type PduTable,
  RESERVED_TAG,
} from './pdus/define.ts';
export {
  ISCSI_VERSION,
  IsidType,
  LoginRequest,
  LoginResponse,
  LoginStage,
  LoginStatus,
  LoginStatusClass,
} from './pdus/login.ts';
export { LogoutReason, LogoutRequest, LogoutResponse, LogoutResponseCode } from './pdus/logout.ts';
export { NopIn, NopOut } from './pdus/nop.ts';
export { R2T } from './pdus/r2t.ts';
export { Reject, RejectReason } from './pdus/reject.ts';
export { ScsiCommand, ScsiResponse, ScsiResponseCode, TaskAttribute } from './pdus/scsi-command.ts';
export { SnackRequest, SnackType } from './pdus/snack.ts';
export {
  TaskManagementFunction,
  TaskManagementRequest,
  TaskManagementResponse,
  TaskManagementResponseCode,
} from './pdus/task-management.ts';
export { TextRequest, TextResponse } from './pdus/text.ts';
