/**
 * Task management functions (RFC 7143 §11.5, §11.6). ABORT TASK stays within the session. The others end the
 * session's own tasks here, then leave as `manageTasks` for what they do beyond it. The response waits
 * for both, so no task it covers can still change anything when the initiator reads it.
 *
 * Data that the initiator still owes for an aborted command is not waited for (several initiators send
 * none once they abort); what comes of it names no task any more and is ignored.
 */
import {
  TaskManagementFunction as Code,
  type Frame,
  TaskManagementResponseCode as ResponseCode,
  serialLess,
  TaskManagementRequest,
  TaskManagementResponse,
} from 'node-iscsi-pdu';
import type { CommandWindow } from './command-window.ts';
import type { TaskManagementResponse as Outcome, TaskManagementFunction } from './effects.ts';
import { sameLun } from './lun-match.ts';
import type { Task } from './task.ts';
import type { Held, TaskTable } from './task-table.ts';
import type { Wire } from './wire.ts';

const FUNCTIONS: Readonly<Record<number, TaskManagementFunction>> = {
  [Code.ABORT_TASK_SET]: 'abort-task-set',
  [Code.CLEAR_TASK_SET]: 'clear-task-set',
  [Code.LOGICAL_UNIT_RESET]: 'lun-reset',
  [Code.TARGET_WARM_RESET]: 'target-warm-reset',
  [Code.TARGET_COLD_RESET]: 'target-cold-reset',
};

const RESPONSES: Readonly<Record<Outcome, ResponseCode>> = {
  complete: ResponseCode.FUNCTION_COMPLETE,
  'task-does-not-exist': ResponseCode.TASK_DOES_NOT_EXIST,
  'lun-does-not-exist': ResponseCode.LUN_DOES_NOT_EXIST,
  'not-supported': ResponseCode.FUNCTION_NOT_SUPPORTED,
  'not-authorized': ResponseCode.FUNCTION_AUTHORIZATION_FAILED,
  rejected: ResponseCode.FUNCTION_REJECTED,
};

export interface TaskManagementOptions {
  readonly wire: Wire;
  readonly window: CommandWindow<Held>;
  readonly tasks: TaskTable;
  /** Functions in progress. */
  readonly requestsMax: number;
  /** Runs what has come into order by CmdSN. */
  readonly drain: () => void;
  /** A TARGET COLD RESET was answered: every connection of the target ends (RFC 7143 §11.5.1). */
  readonly onColdReset: () => void;
}

interface Pending {
  readonly tag: number;
  readonly function: TaskManagementFunction;
}

export class TaskManagement {
  readonly #options: TaskManagementOptions;
  readonly #pending = new Map<number, Pending>();
  #inProgress = 0;
  #lastRequest = 0;

  constructor(options: TaskManagementOptions) {
    this.#options = options;
  }

  /** Takes a request whose turn has come. */
  request(frame: Frame): void {
    const decoded = TaskManagementRequest.decode(frame.bhs);
    // Functions that reach other sessions go on after the frame is gone.
    const request = { ...decoded, lun: decoded.lun.slice() };
    const tag = request.initiatorTaskTag;
    if (this.#inProgress >= this.#options.requestsMax) {
      this.#options.wire.note('limit-reached', 'too many task management functions at once');
      this.#respond(tag, ResponseCode.FUNCTION_REJECTED);
      return;
    }
    const managed = FUNCTIONS[request.function];
    if (managed !== undefined) this.#manage(request, managed);
    else if (request.function === Code.ABORT_TASK) this.#abortTask(request);
    else if (request.function === Code.TASK_REASSIGN) {
      this.#respond(tag, ResponseCode.TASK_ALLEGIANCE_REASSIGNMENT_NOT_SUPPORTED);
    } else this.#respond(tag, ResponseCode.FUNCTION_NOT_SUPPORTED);
  }

  /** The shell has done its part. */
  done(request: number, outcome: Outcome): void {
    const pending = this.#pending.get(request);
    if (pending === undefined) return;
    this.#pending.delete(request);
    this.#inProgress -= 1;
    this.#respond(pending.tag, RESPONSES[outcome]);
    if (pending.function === 'target-cold-reset' && outcome === 'complete') this.#options.onColdReset();
  }

  #abortTask(request: TaskManagementRequest): void {
    const task = this.#options.tasks.find(request.referencedTaskTag);
    if (task === undefined) this.#abortMissing(request);
    else if (!sameLun(task.lun, request.lun)) {
      this.#respond(request.initiatorTaskTag, ResponseCode.TASK_DOES_NOT_EXIST);
    } else {
      this.#inProgress += 1;
      this.#options.tasks.abort(
        (other) => other === task,
        () => {
          this.#inProgress -= 1;
          this.#respond(request.initiatorTaskTag, ResponseCode.FUNCTION_COMPLETE);
        },
      );
    }
  }

  /**
   * A command that has not come counts as received and aborted when its CmdSN may still come (RFC 7143
   * §11.6.1).
   */
  #abortMissing({ initiatorTaskTag, refCmdSN, cmdSN }: TaskManagementRequest): void {
    const { window, drain } = this.#options;
    if (!window.contains(refCmdSN) || !serialLess(refCmdSN, cmdSN)) {
      this.#respond(initiatorTaskTag, ResponseCode.TASK_DOES_NOT_EXIST);
      return;
    }
    const arrival = window.arrive(refCmdSN);
    if (arrival === 'now') window.commandEnded();
    else if (arrival === 'hold') window.hold(refCmdSN, undefined);
    this.#respond(initiatorTaskTag, ResponseCode.FUNCTION_COMPLETE);
    drain();
  }

  #manage(request: TaskManagementRequest, managed: TaskManagementFunction): void {
    const wholeTarget = managed === 'target-warm-reset' || managed === 'target-cold-reset';
    const covers = (task: Task): boolean =>
      (wholeTarget || sameLun(task.lun, request.lun)) &&
      (task.immediate || serialLess(task.cmdSN, request.cmdSN));
    this.#inProgress += 1;
    this.#lastRequest += 1;
    const id = this.#lastRequest;
    this.#pending.set(id, { tag: request.initiatorTaskTag, function: managed });
    this.#options.wire.note('task-management', `the initiator asks for ${managed}`);
    this.#options.tasks.abort(covers, () => {
      this.#options.wire.emit({ type: 'manageTasks', request: id, function: managed, lun: request.lun });
    });
  }

  #respond(initiatorTaskTag: number, response: ResponseCode): void {
    this.#options.wire.send(TaskManagementResponse, { initiatorTaskTag, response });
  }
}
