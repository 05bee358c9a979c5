/**
 * The SCSI commands of one session: takes SCSI Command and Data-Out PDUs, asks for data with R2Ts, hands
 * complete commands to SCSI in CmdSN order of their arrival, sends their outcome, and ends them when
 * they are aborted. A task keeps its tag until SCSI is done with it, even when nobody waits any more.
 */
import {
  type BufferSource,
  type Frame,
  PduError,
  parseAhs,
  R2T,
  RESERVED_TAG,
  RejectReason,
  serialNext,
  wholeCdb,
} from 'node-iscsi-pdu';
import type { CommandWindow } from './command-window.ts';
import { DataOutGatherer, type DataOutRules } from './data-out.ts';
import type { TaskResult } from './effects.ts';
import * as header from './fast-headers.ts';
import { IscsiSense } from './iscsi-sense.ts';
import type { Limits } from './limits.ts';
import { sameLun } from './lun-match.ts';
import type { Responder } from './responses.ts';
import { type AbortGroup, attributeOf, Task } from './task.ts';
import type { Wire } from './wire.ts';

/** Shorter data-out is copied when it comes. */
const PARAMETER_BYTES_MAX = 4096;

/** Something early that waits for its turn by CmdSN. */
export type Held = () => void;

export interface TaskTableOptions {
  readonly wire: Wire;
  readonly window: CommandWindow<Held>;
  readonly responder: Responder;
  readonly limits: Limits;
  readonly dataOutRules: DataOutRules;
  readonly maxOutstandingR2T: number;
  readonly buffers: BufferSource;
  /** Called after a task has ended. */
  readonly onEnded: () => void;
}

export class TaskTable {
  readonly #options: TaskTableOptions;
  readonly #wire: Wire;
  readonly #window: CommandWindow<Held>;
  readonly #r2tsMax: number;
  readonly #tasks = new Map<number, Task>();
  /** Tasks whose R2Ts wait for memory, in order. */
  #waiting: Task[] = [];
  #immediateTasks = 0;
  /** ORDERED commands that SCSI has not got yet. */
  #orderedGathering = 0;
  #aborting = false;
  /** A command waits for one before it. */
  #orderMatters = false;
  #transferTag = 0;
  #gatheringBytes = 0;
  #runningTasks = 0;

  constructor(options: TaskTableOptions) {
    this.#options = options;
    this.#wire = options.wire;
    this.#window = options.window;
    this.#r2tsMax = Math.min(options.maxOutstandingR2T, options.limits.outstandingR2TsMax);
  }

  get size(): number {
    return this.#tasks.size;
  }

  get runningTasks(): number {
    return this.#runningTasks;
  }

  get gatheringBytes(): number {
    return this.#gatheringBytes;
  }

  find(tag: number): Task | undefined {
    return this.#tasks.get(tag);
  }

  /** Takes a SCSI Command PDU. Commands outside the window and duplicates are ignored (RFC 7143 §4.2.2.1). */
  command(frame: Frame): void {
    const { bhs } = frame;
    const cmdSN = header.commandCmdSN(bhs);
    const arrival = frame.immediate ? 'now' : this.#window.arrive(cmdSN);
    if (arrival === 'outside' || arrival === 'duplicate') return;
    const cdb = cdbOf(frame);
    const refusal = this.#refuseOutright(frame);
    if (cdb === undefined || refusal !== undefined) {
      this.#wire.reject(refusal ?? RejectReason.INVALID_PDU_FIELD, bhs);
      if (arrival === 'hold') this.#window.hold(cmdSN, undefined);
      else if (!frame.immediate) this.#window.commandEnded();
      return;
    }
    const task = this.#admit(frame, cdb, cmdSN);
    if (arrival === 'hold') {
      task.inOrder = false;
      this.#window.hold(cmdSN, () => {
        task.inOrder = true;
        this.#advance(task);
      });
    }
    this.#advance(task);
  }

  /** What makes a command no command at all: it gets a Reject and no response. */
  #refuseOutright(frame: Frame): RejectReason | undefined {
    const { bhs } = frame;
    const tag = header.commandTag(bhs);
    if (tag === RESERVED_TAG || this.#tasks.has(tag)) return RejectReason.INVALID_PDU_FIELD;
    if (attributeOf(header.commandAttribute(bhs)) === undefined) return RejectReason.INVALID_PDU_FIELD;
    if (!header.commandIsFinal(bhs) && !header.commandWrites(bhs)) return RejectReason.INVALID_PDU_FIELD;
    const { immediateCommandsMax } = this.#options.limits;
    if (frame.immediate && this.#immediateTasks >= immediateCommandsMax) {
      return RejectReason.TOO_MANY_IMMEDIATE_COMMANDS;
    }
    return undefined;
  }

  #admit(frame: Frame, cdb: Uint8Array, cmdSN: number): Task {
    const { bhs } = frame;
    const writes = header.commandWrites(bhs);
    const task = new Task({
      lun: header.headerLun(bhs),
      tag: header.commandTag(bhs),
      attribute: attributeOf(header.commandAttribute(bhs)) ?? 'untagged',
      cdb,
      reads: header.commandReads(bhs),
      expectedBytes: header.commandExpectedBytes(bhs),
      immediate: frame.immediate,
      cmdSN,
      memory: frame.memory,
    });
    task.memory?.hold();
    this.#tasks.set(task.tag, task);
    if (task.immediate) this.#immediateTasks += 1;
    if (task.attribute === 'ordered') this.#orderedGathering += 1;
    if (writes || frame.data.length > 0 || !frame.dataDigestOk) this.#beginDataOut(task, frame, writes);
    else if (!task.reads && task.expectedBytes > 0) {
      task.refusal = IscsiSense.INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT;
    }
    return task;
  }

  #beginDataOut(task: Task, frame: Frame, writes: boolean): void {
    const { limits, dataOutRules } = this.#options;
    const gatherer = new DataOutGatherer(writes ? task.expectedBytes : 0, dataOutRules, (bytes) =>
      this.#options.buffers.allocate(bytes),
    );
    task.gatherer = gatherer;
    // A parameter list may be kept by whoever got it; the blocks of a write are not.
    const data = frame.data.length < PARAMETER_BYTES_MAX ? frame.data.slice() : frame.data;
    gatherer.begin({ data, final: header.commandIsFinal(frame.bhs) });
    if (!frame.dataDigestOk) {
      this.#wire.reject(RejectReason.DATA_DIGEST_ERROR, frame.bhs);
      this.#wire.note('digest-error', 'a data digest does not match');
      gatherer.fail(IscsiSense.PROTOCOL_SERVICE_CRC_ERROR);
    } else if ((writes && task.reads) || gatherer.expectedBytes > limits.transferBytesMax) {
      gatherer.fail(IscsiSense.INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT);
    }
    if (gatherer.owed) this.#reserve(task, Math.min(task.expectedBytes, dataOutRules.firstBurstBytes));
  }

  /** Takes a Data-Out PDU. One whose command is not there is late data of a command that has ended. */
  dataOut(frame: Frame): void {
    const { bhs } = frame;
    if (!frame.dataDigestOk) {
      this.#wire.reject(RejectReason.DATA_DIGEST_ERROR, bhs);
      this.#wire.note('digest-error', 'a data digest does not match');
    }
    const task = this.#tasks.get(header.commandTag(bhs));
    const gatherer = task?.phase === 'gathering' ? task.gatherer : undefined;
    if (task === undefined || gatherer === undefined) return;
    const known = gatherer.take({
      transferTag: header.dataOutTransferTag(bhs),
      dataSN: header.dataOutDataSN(bhs),
      offsetBytes: header.dataOutOffset(bhs),
      final: header.commandIsFinal(bhs),
      data: frame.data,
      dataDigestOk: frame.dataDigestOk,
    });
    if (known) this.#advance(task);
    else this.#wire.reject(RejectReason.INVALID_PDU_FIELD, bhs);
  }

  /** Does whatever is next for a task that is not with SCSI yet. */
  #advance(task: Task): void {
    if (!task.inOrder || task.phase !== 'gathering' || this.#aborting) return;
    const { gatherer } = task;
    const sense = task.refusal ?? gatherer?.failure;
    if (sense !== undefined) {
      if (gatherer?.owed !== true) this.#refuse(task, sense);
    } else if (gatherer === undefined || gatherer.complete) this.#run(task);
    else if (gatherer.wantsR2T) this.#solicit(task, gatherer);
  }

  #refuse(task: Task, sense: Uint8Array): void {
    this.#endBefore(task);
    this.#options.responder.refuse(task, sense);
    this.#ended(task);
  }

  #run(task: Task): void {
    if (this.#orderedGathering > 0 && this.#mustWait(task)) {
      this.#orderMatters = true;
      return;
    }
    if (task.gatherer !== undefined) task.dataOut = task.gatherer.dataOut;
    this.#leaveGathering(task);
    task.phase = 'running';
    this.#runningTasks += 1;
    this.#wire.emit({ type: 'runTask', task: task.tag, scsi: task });
    if (this.#orderMatters) this.#advanceAll();
  }

  /**
   * SCSI keeps the order of ORDERED commands among those it has (SAM-5 §8.9.4), so such a command must
   * not overtake, nor be overtaken by, one that still waits for its data.
   */
  #mustWait(task: Task): boolean {
    if (task.attribute === 'head-of-queue') return false;
    for (const earlier of this.#tasks.values()) {
      if (earlier === task) return false;
      if (earlier.phase !== 'gathering' || !earlier.inOrder || !sameLun(earlier.lun, task.lun)) continue;
      if (earlier.attribute === 'ordered' || task.attribute === 'ordered') return true;
    }
    return false;
  }

  #leaveGathering(task: Task): void {
    if (task.attribute === 'ordered') this.#orderedGathering -= 1;
  }

  #advanceAll(): void {
    this.#orderMatters = false;
    for (const task of [...this.#tasks.values()]) this.#advance(task);
  }

  #solicit(task: Task, gatherer: DataOutGatherer): void {
    if (!gatherer.granted && !this.#grant(task)) {
      if (!this.#waiting.includes(task)) this.#waiting.push(task);
      return;
    }
    gatherer.grant();
    while (gatherer.wantsR2T && gatherer.outstandingR2Ts < this.#r2tsMax) {
      const transferTag = this.#nextTransferTag();
      const { r2tSN, offsetBytes, bytes } = gatherer.solicit(transferTag);
      const fields = {
        lun: task.lun,
        initiatorTaskTag: task.tag,
        targetTransferTag: transferTag,
        r2tSN,
        bufferOffset: offsetBytes,
        desiredDataTransferLength: bytes,
      };
      this.#wire.send(R2T, fields, { numbering: 'next' });
    }
  }

  #nextTransferTag(): number {
    this.#transferTag = serialNext(this.#transferTag);
    if (this.#transferTag === RESERVED_TAG) this.#transferTag = 0;
    return this.#transferTag;
  }

  /** Reserves the whole buffer when the session's memory allows it; a task alone always gets it. */
  #grant(task: Task): boolean {
    const missing = task.expectedBytes - task.reservedBytes;
    const others = this.#gatheringBytes - task.reservedBytes;
    if (others > 0 && this.#gatheringBytes + missing > this.#options.limits.gatheringBytesMax) return false;
    this.#reserve(task, missing);
    return true;
  }

  #reserve(task: Task, bytes: number): void {
    task.reservedBytes += bytes;
    this.#gatheringBytes += bytes;
  }

  #release(task: Task): void {
    this.#gatheringBytes -= task.reservedBytes;
    task.reservedBytes = 0;
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const other of waiting) this.#advance(other);
  }

  /** SCSI is done with a task. */
  done(tag: number, result: TaskResult): void {
    const task = this.#tasks.get(tag);
    if (task === undefined || task.phase !== 'running') return;
    this.#endBefore(task);
    if (!task.muted) this.#options.responder.respond(task, result);
    const buffer = task.gatherer?.ownBuffer;
    if (buffer !== undefined) this.#options.buffers.giveBack(buffer);
    this.#ended(task);
  }

  /** SCSI never began a task that it was asked to cancel. */
  cancelled(tag: number): void {
    const task = this.#tasks.get(tag);
    if (task?.phase !== 'running') return;
    this.#endBefore(task);
    this.#ended(task);
  }

  /**
   * Ends every task that `covers` picks, without a response. `done` is called when SCSI is through
   * with the last of them, perhaps before this returns.
   */
  abort(covers: (task: Task) => boolean, done: () => void): void {
    const group: AbortGroup = { remaining: 1, done };
    // What one of them frees must not set another going that is about to end.
    this.#aborting = true;
    for (const task of [...this.#tasks.values()]) {
      if (!covers(task)) continue;
      if (task.phase === 'gathering') this.#drop(task);
      else this.#mute(task, group);
    }
    this.#aborting = false;
    this.#advanceAll();
    leave(group);
  }

  #mute(task: Task, group: AbortGroup): void {
    group.remaining += 1;
    task.abortGroups ??= [];
    task.abortGroups.push(group);
    if (task.muted) return;
    task.muted = true;
    this.#wire.emit({ type: 'cancelTask', task: task.tag, scsi: task });
  }

  #drop(task: Task): void {
    this.#waiting = this.#waiting.filter((other) => other !== task);
    if (task.inOrder) this.#endBefore(task);
    else {
      // The place in the window stays taken until its turn; it opens the window then.
      this.#window.forget(task.cmdSN);
      this.#leaveGathering(task);
      task.phase = 'ended';
    }
    this.#ended(task);
  }

  /** What must be so before the response is written: the window it tells of is already open again. */
  #endBefore(task: Task): void {
    if (task.phase === 'running') this.#runningTasks -= 1;
    else this.#leaveGathering(task);
    task.phase = 'ended';
    if (!task.immediate) this.#window.commandEnded();
  }

  #ended(task: Task): void {
    this.#tasks.delete(task.tag);
    task.memory?.release();
    if (task.immediate) this.#immediateTasks -= 1;
    if (task.reservedBytes > 0) this.#release(task);
    if (this.#orderMatters) this.#advanceAll();
    if (task.abortGroups !== undefined) for (const group of task.abortGroups) leave(group);
    this.#options.onEnded();
  }
}

function leave(group: AbortGroup): void {
  group.remaining -= 1;
  if (group.remaining === 0) group.done();
}

/** Undefined when the additional header segments make no sense. */
function cdbOf(frame: Frame): Uint8Array | undefined {
  const cdb = header.commandCdb(frame.bhs);
  if (frame.ahs.length === 0) return cdb;
  try {
    return wholeCdb(cdb, parseAhs(frame.ahs, frame.bhs));
  } catch (error) {
    if (error instanceof PduError) return undefined;
    throw error;
  }
}
