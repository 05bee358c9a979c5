export { type CommandOptions, type CommandResult, type Residual, TargetFault } from './command.ts';
export { OTHER_TARGET_NAME, TARGET_NAME, testDirectory } from './directory.ts';
export { Initiator, InitiatorError, RejectedError, type StartedCommand } from './initiator.ts';
export {
  DEFAULT_INITIATOR_NAME,
  DEFAULT_ISID,
  DEFAULT_KEYS,
  type InitiatorChap,
  LoginFailure,
  type LoginOptions,
  type LoginResult,
} from './login.ts';
export { type MemoryConnection, MemoryTarget, type ScriptedTask } from './memory-target.ts';
export { PduLink } from './pdu-link.ts';
export { RawPeer } from './raw-peer.ts';
export { connectSocket, type Transport } from './transport.ts';
