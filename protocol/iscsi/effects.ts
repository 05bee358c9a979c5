/**
 * What goes into a connection and what comes out of it. The core never awaits, never reads a clock,
 * never opens anything: the shell feeds it events and carries out the effects, in their order, and
 * keeps events that arise meanwhile until `handle` has returned.
 *
 * A `runTask` effect leaves here and is run by whatever stands for SCSI; `ScsiTask` and `TaskResult`
 * are structural, stated on both sides, so that neither folder imports the other.
 */

import type { ReceivedMemory } from 'node-iscsi-pdu';

/** Task attributes of RFC 7143 §11.3.1 in SAM's words. */
export type TaskAttribute = 'untagged' | 'simple' | 'ordered' | 'head-of-queue' | 'aca';

/** One SCSI command with all its data-out. */
export interface ScsiTask {
  /** The 8-byte LUN field as it was received (SAM-5 §4.7). */
  readonly lun: Uint8Array;
  /** Initiator task tag: unique within the nexus while the task runs. */
  readonly tag: number;
  readonly attribute: TaskAttribute;
  /** 16 bytes, or more when an extended CDB came in an AHS. */
  readonly cdb: Uint8Array;
  /** What the initiator sent; it stays as it is until the command is done. */
  readonly dataOut: Uint8Array;
  /** The initiator's expected data-in length in bytes; more may be returned (residual overflow). */
  readonly dataInBytesMax: number;
}

/** How a command ended. */
export interface TaskResult {
  /** SAM-5 status byte. */
  readonly status: number;
  /** Fixed or descriptor sense data, without iSCSI's length prefix. */
  readonly sense?: Uint8Array;
  /** Everything the command transfers in. Must not change until the socket has taken it. */
  readonly dataIn?: Uint8Array;
  /**
   * Bytes that the command wanted to transfer in its direction; the residual is this minus the expected
   * length.
   */
  readonly transferBytes: number;
}

/** Functions that reach beyond this session (RFC 7143 §11.5.1); ABORT TASK never does. */
export type TaskManagementFunction =
  | 'abort-task-set'
  | 'clear-task-set'
  | 'lun-reset'
  | 'target-warm-reset'
  | 'target-cold-reset';

/** RFC 7143 §11.6.1. */
export type TaskManagementResponse =
  | 'complete'
  | 'task-does-not-exist'
  | 'lun-does-not-exist'
  | 'not-supported'
  | 'not-authorized'
  | 'rejected';

/** Which tasks of a session to end; no `luns` means every one. */
export interface TaskScope {
  readonly luns?: readonly Uint8Array[];
  /** The task with this initiator task tag goes on: the one that asks, on its own session. */
  readonly exceptTag?: number;
}

export type ConnectionEvent =
  /** With `memory`, the chunk stays as it is while that is held; without it, for ever. */
  | { readonly type: 'bytes'; readonly chunk: Uint8Array; readonly memory?: ReceivedMemory }
  /** The transport is gone. Nothing more is sent; `sessionClosed` follows when the last task has ended. */
  | { readonly type: 'closed' }
  /** `wakeAtMs` has come. Harmless at any other time. */
  | { readonly type: 'tick' }
  | { readonly type: 'taskDone'; readonly task: number; readonly result: TaskResult }
  /** The answer to `cancelTask` when the task had not begun: no `taskDone` will come. */
  | { readonly type: 'taskCancelled'; readonly task: number }
  /** End tasks of this session without any response to them; `tasksCleared` with the id follows. */
  | { readonly type: 'abortTasks'; readonly scope: TaskScope; readonly id: number }
  | {
      readonly type: 'taskManagementDone';
      readonly request: number;
      readonly response: TaskManagementResponse;
    }
  /** The session named by `replaceSession` has ended (its `sessionClosed` was carried out). */
  | { readonly type: 'sessionReplaced' }
  /**
   * Asynchronous Message event 0 with sense (RFC 7143 §11.9.1). Dropped silently outside the full
   * feature phase.
   */
  | { readonly type: 'asyncMessage'; readonly sense: Uint8Array; readonly lun: Uint8Array }
  /** Graceful stop: ask for a logout (event 1), close when it came or `withinMs` has passed. */
  | { readonly type: 'askLogout'; readonly withinMs: number }
  /** End the connection now: reinstatement, cold reset, operator. */
  | { readonly type: 'drop'; readonly why: string };

export type Effect =
  /** Encoded PDU bytes, in order. The pieces must be written, or copied, before they may be changed. */
  | { readonly type: 'send'; readonly pieces: readonly Uint8Array[] }
  | { readonly type: 'runTask'; readonly task: number; readonly scsi: ScsiTask }
  /**
   * End this running task if it has not begun: answer `taskCancelled` if so; otherwise say nothing,
   * its `taskDone` will come.
   */
  | { readonly type: 'cancelTask'; readonly task: number; readonly scsi: ScsiTask }
  /**
   * The tasks of this session that the function covers have ended. The shell ends those of the other
   * sessions (`abortTasks`), tells SCSI, and answers `taskManagementDone`.
   */
  | {
      readonly type: 'manageTasks';
      readonly request: number;
      readonly function: TaskManagementFunction;
      readonly lun: Uint8Array;
    }
  /** `aborted` tasks ended for the `abortTasks` with this id. */
  | { readonly type: 'tasksCleared'; readonly id: number; readonly aborted: number }
  /** The full feature phase begins. For a normal session the shell opens the nexus before the next effect. */
  | { readonly type: 'sessionOpened'; readonly session: SessionFacts }
  /**
   * Drop the connection of this session; when its `sessionClosed` was carried out, feed
   * `sessionReplaced` here.
   */
  | { readonly type: 'replaceSession'; readonly tsih: number }
  /** The session has ended and none of its tasks runs any more: the nexus may be closed. */
  | { readonly type: 'sessionClosed'; readonly session: SessionFacts; readonly why: string }
  /** Write what was sent before, then close the transport. No effect but those of running tasks follows. */
  | { readonly type: 'close'; readonly why: string }
  | { readonly type: 'note'; readonly fact: Fact };

/** A session as the log, the admin socket and the SCSI nexus want to know it. */
export interface SessionFacts {
  readonly kind: 'discovery' | 'normal';
  readonly initiatorName: string;
  readonly initiatorAlias: string | undefined;
  /** 6 bytes. */
  readonly isid: Uint8Array;
  readonly tsih: number;
  readonly cid: number;
  /** Undefined in a discovery session. */
  readonly targetName: string | undefined;
  readonly portalGroupTag: number;
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** CHAP name, when the initiator authenticated itself. */
  readonly userName: string | undefined;
  /** The outcome of negotiation by key name, in text form. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Something the operator may want to read. Never holds a secret, a challenge or a response. */
export interface Fact {
  readonly kind: FactKind;
  /** One sentence without the peer's name; the shell adds addresses and names. */
  readonly message: string;
  readonly details?: Readonly<Record<string, string | number>>;
}

export type FactKind =
  | 'login-refused'
  | 'authentication-failed'
  | 'session-opened'
  | 'session-closed'
  | 'session-reinstated'
  /** The initiator broke the protocol; told once for each kind of breach on a connection. */
  | 'protocol-error'
  | 'digest-error'
  | 'limit-reached'
  | 'timed-out'
  | 'task-management'
  /** An assertion of ours failed; the connection was dropped. */
  | 'internal-error';

export interface ConnectionCore {
  /**
   * Total: any byte sequence yields effects, never a throw. `nowMs` is the only time there is and never
   * runs back.
   */
  handle(event: ConnectionEvent, nowMs: number): readonly Effect[];
  /** When a `tick` is due; undefined when nothing is pending. Changes only in `handle`. */
  wakeAtMs(): number | undefined;
  /**
   * Bytes of data-out held for commands that still gather, and commands now in the hands of SCSI: for
   * backpressure.
   */
  readonly load: { readonly gatheringBytes: number; readonly runningTasks: number };
}
