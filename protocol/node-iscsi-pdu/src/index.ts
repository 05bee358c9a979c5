export {
  AHS_BYTES_MAX,
  type Ahs,
  AhsType,
  BIDIRECTIONAL_READ_LENGTH_AHS,
  type BidirectionalReadLengthAhs,
  buildAhs,
  paddedTo4,
  parseAhs,
  wholeCdb,
} from './ahs.ts';
export { type Crc32c, crc32c, DIGEST_BYTES, readDigest, writeDigest } from './crc32c.ts';
export { Deframer, type DeframerOptions, type Frame } from './deframer.ts';
export { type EncodeOptions, encodePdu, paddingOf, writeHeader } from './encode.ts';
export { PduError, type PduErrorKind } from './errors.ts';
export * from './fields.ts';
export * from './lun.ts';
export { type AnyPdu, PDUS, pduOfOpcode } from './pdus/all.ts';
export { AsyncEvent, AsyncMessage } from './pdus/async-message.ts';
export { DataIn, DataOut } from './pdus/data.ts';
export {
  BHS_BYTES,
  DATA_SEGMENT_BYTES_MAX,
  type Direct,
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
export { type BufferSource, CountedMemory, FRESH_BUFFERS, type ReceivedMemory } from './received-memory.ts';
export * from './serial.ts';
export * from './text.ts';
export * from './text-values.ts';
