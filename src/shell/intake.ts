/**
 * The commands of one connection on their way to SCSI. As a rule they pass. While somebody who asks for
 * little at a time is at work too, this one begins only so many in one turn of the loop and has only so many
 * under way; the rest waits its turn, in order, so that whoever has one command is not behind a hundred of
 * somebody else's. What waits makes no new memory for a command: it is kept as it came.
 */
import type { Effect } from '../../protocol/iscsi/effects.ts';
import { movedBytesMax } from '../../protocol/scsi/task.ts';
import { TRAFFIC_KINDS } from '../../protocol/scsi/traffic.ts';
import { trafficKind } from '../../protocol/scsi/traffic-kind.ts';
import type { Backlog } from './backlog.ts';
import { MOMENT_MS } from './contention.ts';

export type RunTask = Extract<Effect, { type: 'runTask' }>;

/** Commands begun in one turn of the loop, and reads and writes under way at a time. */
export const COMMANDS_MAX = 8;
/** Their data, under way at a time; two may be whatever their size. */
export const BYTES_MAX = 512 * 1024;
const COMMANDS_ALWAYS = 2;
/** Somebody with no more outstanding asks for little at a time. */
export const CALM_COMMANDS_MAX = 4;
/** Nor does one of whom more is read at once. */
export const CALM_BYTES_MAX = 128 * 1024;

export interface IntakeOptions {
  /** Hands a command to SCSI; `sinceUs` as it was offered. False: the limits of its unit hold it back. */
  readonly begin: (command: RunTask, sinceUs: number) => boolean;
  /** Whether others who ask for little are at work too. */
  readonly isShared: () => boolean;
  /** Has `turn` called in the next turn of the loop. */
  readonly planTurn: () => void;
  /** What all connections have under way. */
  readonly backlog: Pick<Backlog, 'began' | 'ended'>;
}

export class Intake {
  readonly #options: IntakeOptions;
  #waiting: RunTask[] = [];
  #sinceUs: number[] = [];
  #head = 0;
  #begun = 0;
  #running = 0;
  #runningBytes = 0;
  #turnPlanned = false;
  /** Outstanding since what came last came. */
  #outstanding = 0;
  #arrivedBytes = 0;
  /** When it asked for much at a time, last. */
  #muchMs = Number.NEGATIVE_INFINITY;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  /** More came in; what began before began in another turn, unless something still waits from that. */
  arrived(bytes: number): void {
    if (this.waiting === 0) this.#begun = 0;
    this.#outstanding = this.#running + this.waiting;
    this.#arrivedBytes = bytes;
  }

  /** All that came is offered. Whether this connection asks for little at a time, and for something. */
  asksForLittle(nowMs: number): boolean {
    const little = this.#outstanding <= CALM_COMMANDS_MAX && this.#arrivedBytes <= CALM_BYTES_MAX;
    if (!little) this.#muchMs = nowMs;
    return this.#outstanding > 0 && !this.askedForMuch(nowMs);
  }

  /** Whether it did a moment ago. */
  askedForMuch(nowMs: number): boolean {
    return nowMs - this.#muchMs < MOMENT_MS;
  }

  /** A command is ready to run: it begins at once, or in its turn. */
  offer(command: RunTask, sinceUs: number): void {
    this.#outstanding += 1;
    const urgent = command.scsi.attribute === 'head-of-queue';
    if (urgent || (this.waiting === 0 && this.#admits(command))) {
      this.#begin(command, sinceUs);
      return;
    }
    this.#waiting.push(command);
    this.#sinceUs.push(sinceUs);
    this.#plan();
  }

  turn(): void {
    this.#turnPlanned = false;
    this.#begun = 0;
    while (this.waiting > 0) {
      const next = this.#waiting[this.#head] as RunTask;
      if (!this.#admits(next)) break;
      const sinceUs = this.#sinceUs[this.#head] as number;
      this.#advance();
      this.#begin(next, sinceUs);
    }
    // What waits for others to end is woken by their end.
    if (this.waiting > 0 && this.#begun > 0) this.#plan();
  }

  /** A command that was begun, and not held back, is over. */
  ended(scsi: RunTask['scsi']): void {
    if (isCounted(scsi) && this.#running > 0) {
      this.#running -= 1;
      this.#options.backlog.ended();
      // One that was held back and then taken back from the task set never counted: that evens out here.
      this.#runningBytes = this.#running === 0 ? 0 : this.#runningBytes - movedBytesMax(scsi);
    }
    if (this.waiting > 0) this.#plan();
  }

  /** Takes back a command that still waits. False: it does not. */
  cancel(task: number): boolean {
    const at = this.#waiting.findIndex((command, index) => index >= this.#head && command.task === task);
    if (at < 0) return false;
    this.#waiting.splice(at, 1);
    this.#sinceUs.splice(at, 1);
    return true;
  }

  /** Its connection is gone: some of what it began is told to nobody, some never runs. */
  retire(): void {
    this.#options.backlog.ended(this.#running);
    this.#running = 0;
    this.#runningBytes = 0;
  }

  #admits({ scsi }: RunTask): boolean {
    if (!this.#options.isShared()) return true;
    if (this.#begun >= COMMANDS_MAX || this.#running >= COMMANDS_MAX) return false;
    return this.#running < COMMANDS_ALWAYS || this.#runningBytes + movedBytesMax(scsi) <= BYTES_MAX;
  }

  #begin(command: RunTask, sinceUs: number): void {
    const { scsi } = command;
    this.#begun += 1;
    if (!this.#options.begin(command, sinceUs) || !isCounted(scsi)) return;
    this.#running += 1;
    this.#runningBytes += movedBytesMax(scsi);
    this.#options.backlog.began();
  }

  #advance(): void {
    this.#head += 1;
    if (this.#head < this.#waiting.length) return;
    this.#waiting.length = 0;
    this.#sinceUs.length = 0;
    this.#head = 0;
  }

  #plan(): void {
    if (this.#turnPlanned) return;
    this.#turnPlanned = true;
    this.#options.planTurn();
  }
}

const COUNTED = TRAFFIC_KINDS.map((kind) => kind === 'read' || kind === 'write');

/** Others are short, or so long that nothing should wait for their end. */
function isCounted({ cdb }: RunTask['scsi']): boolean {
  return COUNTED[trafficKind(cdb)] === true;
}
