/**
 * Everything a peer can grow, and where it stops. A limit that the standard lets us state is stated
 * (MaxRecvDataSegmentLength, the CmdSN window); the others end in the answer named beside them.
 */
export interface Limits {
  /**
   * Data segment of a PDU that is received during login, bytes (RFC 7143 §6.1 says 8192): more drops
   * the connection.
   */
  readonly loginDataSegmentBytesMax: number;
  /** Key=value text of one negotiation or Text sequence over all its PDUs, bytes: login fails, or Reject. */
  readonly textBytesMax: number;
  /** Answer text of one Text sequence (SendTargets), bytes: longer lists are cut after a whole target. */
  readonly textAnswerBytesMax: number;
  /** Login requests on one connection, continuations included: the login fails. */
  readonly loginRequestsMax: number;
  /** From the transport being up to the full feature phase, milliseconds: the connection is dropped. */
  readonly loginTimeoutMs: number;
  /** Commands a session may have outstanding: MaxCmdSN - ExpCmdSN + 1 never exceeds it. */
  readonly queuedCommandsMax: number;
  /** Immediate commands in progress beyond the CmdSN window (RFC 7143 §4.2.2.1): Reject, reason 6. */
  readonly immediateCommandsMax: number;
  /** Task management functions in progress on one session: answered with 'function rejected'. */
  readonly taskManagementMax: number;
  /** Data-out buffers of one session, bytes: further R2Ts wait until others are done. */
  readonly gatheringBytesMax: number;
  /** Expected Data Transfer Length of one write, bytes: CHECK CONDITION. */
  readonly transferBytesMax: number;
  /** R2Ts outstanding for one command, whatever MaxOutstandingR2T allows. */
  readonly outstandingR2TsMax: number;
  /** Connections from one address that have not logged in: further ones are closed at once. */
  readonly loginsPerSourceMax: number;
  /** Normal sessions of one initiator name, over all targets: login status 0301h. */
  readonly sessionsPerInitiatorMax: number;
  /** Sessions of the whole server: login status 0302h. */
  readonly sessionsMax: number;
  /** Without anything received for this long, a NOP-In asks whether the initiator is there; 0 never asks. */
  readonly keepaliveAfterMs: number;
  /** How long the answer may take: the connection is dropped. */
  readonly keepaliveTimeoutMs: number;
  /** Between a logout and the end of the commands it waits for: the answer is sent all the same. */
  readonly logoutTimeoutMs: number;
  /** Facts of one kind that one connection may report; the rest is silence. */
  readonly factsPerKindMax: number;
}

export const DEFAULT_LIMITS: Limits = {
  loginDataSegmentBytesMax: 8192,
  textBytesMax: 65_536,
  textAnswerBytesMax: 1_048_576,
  loginRequestsMax: 64,
  loginTimeoutMs: 15_000,
  queuedCommandsMax: 128,
  immediateCommandsMax: 16,
  taskManagementMax: 16,
  gatheringBytesMax: 64 * 1024 * 1024,
  transferBytesMax: 32 * 1024 * 1024,
  outstandingR2TsMax: 8,
  loginsPerSourceMax: 512,
  sessionsPerInitiatorMax: 64,
  sessionsMax: 1024,
  keepaliveAfterMs: 30_000,
  keepaliveTimeoutMs: 30_000,
  logoutTimeoutMs: 30_000,
  factsPerKindMax: 3,
};

/** What this target asks for in negotiation; every value within the range of RFC 7143 §13. */
export interface Preferences {
  /** Digests that are accepted; the initiator's order decides. */
  readonly headerDigests: readonly ('None' | 'CRC32C')[];
  readonly dataDigests: readonly ('None' | 'CRC32C')[];
  readonly initialR2T: boolean;
  readonly immediateData: boolean;
  readonly firstBurstLength: number;
  readonly maxBurstLength: number;
  readonly maxRecvDataSegmentLength: number;
  readonly maxOutstandingR2T: number;
  readonly defaultTime2Wait: number;
  readonly defaultTime2Retain: number;
}

export const DEFAULT_PREFERENCES: Preferences = {
  headerDigests: ['None', 'CRC32C'],
  dataDigests: ['None', 'CRC32C'],
  initialR2T: false,
  immediateData: true,
  firstBurstLength: 256 * 1024,
  maxBurstLength: 1024 * 1024,
  maxRecvDataSegmentLength: 256 * 1024,
  maxOutstandingR2T: 8,
  defaultTime2Wait: 2,
  defaultTime2Retain: 0,
};
