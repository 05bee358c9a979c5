/**
 * The full feature phase of one session: every PDU goes to the part that owns it, those that are not
 * immediate when their turn by CmdSN has come (RFC 7143 §4.2.2.1). A discovery session takes Text and Logout
 * only (RFC 7143 §4.3).
 */
import {
  AsyncEvent,
  AsyncMessage,
  FRESH_BUFFERS,
  type Frame,
  LogoutReason,
  LogoutRequest,
  LogoutResponse,
  LogoutResponseCode,
  NopIn,
  NopOut,
  Opcode,
  RESERVED_TAG,
  RejectReason,
  type TextPair,
} from 'node-iscsi-pdu';
import type { CommandWindow } from './command-window.ts';
import { sendTargets } from './discovery.ts';
import type { SessionFacts, TaskManagementResponse, TaskScope } from './effects.ts';
import { IscsiPeerError, rejectReasonOf } from './errors.ts';
import { commandCmdSN } from './fast-headers.ts';
import type { Parameters } from './keys.ts';
import type { Limits } from './limits.ts';
import { sameLun } from './lun-match.ts';
import type { Negotiation } from './negotiate.ts';
import type { ConnectionOptions } from './options.ts';
import { type DataInRules, Responder, withSenseLength } from './responses.ts';
import type { Task } from './task.ts';
import { TaskManagement } from './task-management.ts';
import { type Held, TaskTable } from './task-table.ts';
import { TextExchange } from './text-exchange.ts';
import type { Wire } from './wire.ts';

export interface FullFeatureOptions {
  readonly wire: Wire;
  readonly window: CommandWindow<Held>;
  readonly limits: Limits;
  readonly connection: Pick<
    ConnectionOptions,
    'directory' | 'buffers' | 'localAddress' | 'remoteAddress' | 'portalGroupTag'
  >;
  readonly session: SessionFacts;
  readonly negotiation: Negotiation;
  /** Whether requests are still taken. */
  readonly isServing: () => boolean;
  readonly onLogout: (request: LogoutRequest) => void;
  readonly onTaskEnded: () => void;
  readonly onColdReset: () => void;
}

export class FullFeature {
  readonly tasks: TaskTable;
  readonly #options: FullFeatureOptions;
  readonly #wire: Wire;
  readonly #window: CommandWindow<Held>;
  readonly #dataInRules: DataInRules;
  readonly #management: TaskManagement;
  readonly #text: TextExchange;
  #lastPing = 0;

  constructor(options: FullFeatureOptions) {
    this.#options = options;
    const { wire, window, limits } = options;
    this.#wire = wire;
    this.#window = window;
    const parameters = options.negotiation.parameters();
    this.#dataInRules = {
      segmentBytes: parameters.MaxRecvDataSegmentLength,
      maxBurstBytes: parameters.MaxBurstLength,
    };
    this.tasks = this.#createTasks(parameters);
    this.#management = new TaskManagement({
      ...{ wire, window, tasks: this.tasks, requestsMax: limits.taskManagementMax },
      drain: () => this.#drain(),
      onColdReset: options.onColdReset,
    });
    this.#text = new TextExchange({
      ...{ wire, textBytesMax: limits.textBytesMax },
      segmentBytes: () => this.#dataInRules.segmentBytes,
      answer: (pairs) => this.#answerText(pairs),
    });
  }

  #createTasks(parameters: Parameters): TaskTable {
    const { wire, window, limits, connection, onTaskEnded } = this.#options;
    return new TaskTable({
      ...{ wire, window, limits, onEnded: onTaskEnded },
      buffers: connection.buffers ?? FRESH_BUFFERS,
      responder: new Responder(wire, this.#dataInRules),
      maxOutstandingR2T: parameters.MaxOutstandingR2T,
      dataOutRules: {
        initialR2T: parameters.InitialR2T,
        immediateData: parameters.ImmediateData,
        firstBurstBytes: parameters.FirstBurstLength,
        maxBurstBytes: parameters.MaxBurstLength,
      },
    });
  }

  /** Takes one PDU. Throws IscsiPeerError or PduError for the caller to answer. */
  receive(frame: Frame): void {
    const { opcode } = frame;
    if (this.#options.session.kind === 'discovery') {
      if (opcode !== Opcode.TEXT_REQUEST && opcode !== Opcode.LOGOUT_REQUEST) {
        throw rejected('a discovery session takes Text and Logout only', RejectReason.PROTOCOL_ERROR);
      }
    }
    if (opcode === Opcode.SCSI_COMMAND) {
      this.tasks.command(frame);
      this.#drain();
    } else if (opcode === Opcode.DATA_OUT) this.tasks.dataOut(frame);
    else if (!frame.dataDigestOk) {
      this.#wire.note('digest-error', 'a data digest does not match');
      this.#wire.reject(RejectReason.DATA_DIGEST_ERROR, frame.bhs);
    } else this.#receiveOther(frame);
  }

  #receiveOther(frame: Frame): void {
    switch (frame.opcode) {
      case Opcode.NOP_OUT:
        this.#inOrder(frame, () => this.#nopOut(frame));
        break;
      case Opcode.TASK_MANAGEMENT_REQUEST:
        this.#inOrder(frame, () => this.#management.request(frame));
        break;
      case Opcode.TEXT_REQUEST:
        this.#inOrder(frame, () => this.#text.request(frame));
        break;
      case Opcode.LOGOUT_REQUEST:
        this.#inOrder(frame, () => this.#logout(frame));
        break;
      case Opcode.SNACK_REQUEST:
        throw rejected('SNACK at ErrorRecoveryLevel 0', RejectReason.SNACK_REJECT);
      case Opcode.LOGIN_REQUEST:
        throw rejected('a login in the full feature phase', RejectReason.PROTOCOL_ERROR);
      default:
        throw rejected(`opcode ${frame.opcode} is not supported`, RejectReason.COMMAND_NOT_SUPPORTED);
    }
  }

  /** Such requests are answered at once, so they leave the window as they enter it. */
  #inOrder(frame: Frame, run: () => void): void {
    if (frame.immediate) {
      run();
      return;
    }
    const cmdSN = commandCmdSN(frame.bhs);
    const arrival = this.#window.arrive(cmdSN);
    if (arrival === 'outside' || arrival === 'duplicate') return;
    const inTurn = (): void => {
      this.#window.commandEnded();
      run();
    };
    if (arrival === 'hold') {
      frame.memory?.hold();
      this.#window.hold(cmdSN, () => {
        this.#guarded(frame, inTurn);
        frame.memory?.release();
      });
      return;
    }
    try {
      inTurn();
    } finally {
      this.#drain();
    }
  }

  /** A request that was held is answered for by its own header, not by that of the PDU that freed it. */
  #guarded(frame: Frame, run: () => void): void {
    try {
      run();
    } catch (error) {
      const reason = rejectReasonOf(error);
      if (reason === undefined) throw error;
      this.#wire.reject(reason, frame.bhs);
    }
  }

  /** A logout or a reset among them ends the session; what comes after that is nobody's any more. */
  #drain(): void {
    while (this.#options.isServing()) {
      const next = this.#window.nextInOrder();
      if (next === undefined) return;
      next();
    }
  }

  #nopOut(frame: Frame): void {
    const request = NopOut.decode(frame.bhs);
    const tag = request.initiatorTaskTag;
    // Without a task tag it answers a ping of ours, or wants no answer.
    if (tag === RESERVED_TAG) return;
    // A copy, for it may wait for the socket longer than the frame is there.
    const data = frame.data.slice(0, this.#dataInRules.segmentBytes);
    const { lun } = request;
    this.#wire.send(NopIn, { lun, initiatorTaskTag: tag, targetTransferTag: RESERVED_TAG }, { data });
  }

  /** Asks whether the initiator is there; whatever it sends next is the answer. */
  ping(): void {
    this.#lastPing = (this.#lastPing + 1) & 0x7fff_ffff;
    const fields = { initiatorTaskTag: RESERVED_TAG, targetTransferTag: this.#lastPing };
    this.#wire.send(NopIn, fields, { numbering: 'next' });
  }

  #logout(frame: Frame): void {
    const request = LogoutRequest.decode(frame.bhs);
    const { reasonCode, cid } = request;
    if (reasonCode === LogoutReason.REMOVE_CONNECTION_FOR_RECOVERY) {
      this.answerLogout(request, LogoutResponseCode.RECOVERY_NOT_SUPPORTED);
    } else if (reasonCode > LogoutReason.REMOVE_CONNECTION_FOR_RECOVERY) {
      throw rejected(`logout reason ${reasonCode} is not defined`, RejectReason.INVALID_PDU_FIELD);
    } else if (reasonCode === LogoutReason.CLOSE_CONNECTION && cid !== this.#options.session.cid) {
      this.answerLogout(request, LogoutResponseCode.CID_NOT_FOUND);
    } else this.#options.onLogout(request);
  }

  answerLogout(request: LogoutRequest, response: LogoutResponseCode): void {
    const { DefaultTime2Wait, DefaultTime2Retain } = this.#options.negotiation.parameters();
    this.#wire.send(LogoutResponse, {
      ...{ initiatorTaskTag: request.initiatorTaskTag, response },
      ...{ time2Wait: DefaultTime2Wait, time2Retain: DefaultTime2Retain },
    });
  }

  #answerText(pairs: readonly TextPair[]): readonly TextPair[] {
    const answers: TextPair[] = [];
    for (const [key, value] of pairs) {
      const verdict = this.#options.negotiation.offer(key, value, 'full-feature');
      if (verdict.kind === 'fault') throw rejected(verdict.message, RejectReason.PROTOCOL_ERROR);
      if (verdict.kind === 'answer') answers.push([key, verdict.value]);
      else if (key === 'SendTargets') answers.push(...this.#sendTargets(value));
    }
    this.#dataInRules.segmentBytes = this.#options.negotiation.parameters().MaxRecvDataSegmentLength;
    return answers;
  }

  #sendTargets(value: string): readonly TextPair[] {
    const { connection, session, limits } = this.#options;
    return sendTargets(value, {
      directory: connection.directory,
      asker: { ...connection, initiatorName: session.initiatorName },
      ownTarget: session.targetName,
      bytesMax: limits.textAnswerBytesMax,
    });
  }

  taskManagementDone(request: number, response: TaskManagementResponse): void {
    this.#management.done(request, response);
  }

  /** Ends the tasks of a scope because of something beyond this session. */
  abortTasks(scope: TaskScope, id: number): void {
    const { luns, exceptTag } = scope;
    let aborted = 0;
    const covers = (task: Task): boolean => {
      const covered = task.tag !== exceptTag && luns?.some((lun) => sameLun(task.lun, lun)) !== false;
      if (covered) aborted += 1;
      return covered;
    };
    this.tasks.abort(covers, () => this.#wire.emit({ type: 'tasksCleared', id, aborted }));
  }

  /** Asynchronous Message with sense data (RFC 7143 §11.9.1, event 0). */
  reportSense(sense: Uint8Array, lun: Uint8Array): void {
    const data = withSenseLength(sense);
    this.#wire.send(AsyncMessage, { lun, asyncEvent: AsyncEvent.SCSI_ASYNC_EVENT }, { data });
  }

  /** Asks for a logout within this time (RFC 7143 §11.9.1, event 1; Parameter3 is in seconds). */
  askLogout(withinMs: number): void {
    const parameter3 = Math.min(Math.ceil(withinMs / 1000), 0xffff);
    this.#wire.send(AsyncMessage, { asyncEvent: AsyncEvent.LOGOUT_REQUESTED, parameter3 });
  }
}

function rejected(message: string, reject: RejectReason): IscsiPeerError {
  return new IscsiPeerError(message, { reject });
}
