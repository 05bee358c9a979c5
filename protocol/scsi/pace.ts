/**
 * The limits of one logical unit (commands and bytes in a second), over all nexuses that use it. Two token
 * buckets: each fills at its rate up to what comes in a tenth of a second, a command may begin while neither
 * is empty and takes what it is worth, if need be into debt, so that a command of any size comes to its turn
 * and the mean holds. What has to wait does so in order, ahead of the task set.
 *
 * Commands that move no blocks pass (an initiator that looks whether a unit is there gets its answer), unless
 * they have to stay in order: an ORDERED one waits for what came before it, and everything for that.
 */
import type { UnitLimits } from '../../lun/logical-unit.ts';
import { movedBytesMax, type ScsiTask } from './task.ts';

/** What the process hands in of its clock. */
export interface Timing {
  /** Milliseconds that never run back. */
  nowMs(): number;
  /** Runs `run` once after `ms`; the returned function calls it off. */
  after(ms: number, run: () => void): () => void;
}

/** So much of a rate may be taken at once after a rest. */
const BURST_MS = 100;
/** A timer takes this long at least. */
const WAIT_MS_MIN = 1;
const MS_PER_SECOND = 1000;

class Bucket {
  readonly #perMs: number;
  readonly #capacity: number;
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perMs = perSecond / MS_PER_SECOND;
    this.#capacity = Math.max(1, this.#perMs * BURST_MS);
    this.#tokens = this.#capacity;
    this.#atMs = nowMs;
  }

  /** Until a command may begin, milliseconds; 0: now. */
  waitMs(nowMs: number): number {
    this.#tokens = Math.min(this.#capacity, this.#tokens + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    return this.#tokens > 0 ? 0 : Math.max(WAIT_MS_MIN, -this.#tokens / this.#perMs);
  }

  take(amount: number): void {
    this.#tokens -= amount;
  }
}

interface Held {
  readonly owner: object;
  readonly task: ScsiTask;
  readonly movesBlocks: boolean;
  readonly sinceMs: number;
  readonly start: () => void;
  readonly gone: () => void;
}

export class Pace {
  /** The one thing the hot path asks: something is limited. */
  isLimited = false;
  /** Commands that waited and began, and for how long together. */
  heldCommands = 0;
  heldMs = 0;
  readonly #timing: Timing | undefined;
  #commands: Bucket | undefined;
  #bytes: Bucket | undefined;
  #held: Held[] = [];
  #heldOrdered = 0;
  #cancelWake: (() => void) | undefined;

  /** Without timing nothing is ever limited. */
  constructor(timing: Timing | undefined) {
    this.#timing = timing;
  }

  get waiting(): number {
    return this.#held.length;
  }

  /** From now on these are the limits; what waits does so by them. */
  limit({ iopsMax, throughputMaxBytes }: UnitLimits): void {
    if (this.#timing === undefined) return;
    const nowMs = this.#timing.nowMs();
    this.#commands = iopsMax === undefined ? undefined : new Bucket(iopsMax, nowMs);
    this.#bytes = throughputMaxBytes === undefined ? undefined : new Bucket(throughputMaxBytes, nowMs);
    this.isLimited = iopsMax !== undefined || throughputMaxBytes !== undefined;
    this.#go();
  }

  /** True: the task may begin. Asked only while something is limited, and once for a task. */
  admits(task: ScsiTask, movesBlocks: boolean): boolean {
    if (task.attribute === 'head-of-queue') return true;
    const inOrder = this.#heldOrdered > 0 || (task.attribute === 'ordered' && this.#held.length > 0);
    if (inOrder) return false;
    if (!movesBlocks) return true;
    if (this.#held.length > 0 || this.#waitMs() > 0) return false;
    this.#take(task);
    return true;
  }

  /**
   * Keeps a task that may not begin. `start` is called when it may, or `gone` when it is dismissed, unless it
   * is taken back before. How many wait is bounded by what the sessions may have under way.
   */
  hold(waiting: Omit<Held, 'sinceMs'>): void {
    this.#held.push({ ...waiting, sinceMs: this.#nowMs() });
    if (waiting.task.attribute === 'ordered') this.#heldOrdered += 1;
    if (this.#held.length === 1) this.#plan();
  }

  /** Takes back a task that waits. False: it does not. */
  cancel(owner: object, tag: number): boolean {
    return this.#remove((held) => held.owner === owner && held.task.tag === tag).length > 0;
  }

  cancelAll(owner: object): void {
    this.#remove((held) => held.owner === owner);
  }

  /** Takes out what waits for an owner that is shown the unit no more, and tells each. */
  dismiss(owner: object): void {
    for (const { gone } of this.#remove((held) => held.owner === owner)) gone();
  }

  #remove(isOut: (held: Held) => boolean): Held[] {
    const out = this.#held.filter(isOut);
    if (out.length === 0) return out;
    this.#held = this.#held.filter((held) => !isOut(held));
    this.#heldOrdered = this.#held.filter(({ task }) => task.attribute === 'ordered').length;
    this.#plan();
    return out;
  }

  /** Begins what may begin now, in order. */
  #go(): void {
    for (let next = this.#held[0]; next !== undefined; next = this.#held[0]) {
      const limited = this.isLimited && next.movesBlocks;
      if (limited && this.#waitMs() > 0) break;
      if (limited) this.#take(next.task);
      this.#held.shift();
      if (next.task.attribute === 'ordered') this.#heldOrdered -= 1;
      this.heldCommands += 1;
      this.heldMs += this.#nowMs() - next.sinceMs;
      next.start();
    }
    this.#plan();
  }

  /** One timer, for the first that waits. */
  #plan(): void {
    this.#cancelWake?.();
    const first = this.#held[0];
    this.#cancelWake =
      first === undefined
        ? undefined
        : this.#timing?.after(first.movesBlocks ? this.#waitMs() : 0, () => this.#go());
  }

  #waitMs(): number {
    const nowMs = this.#nowMs();
    return Math.max(this.#commands?.waitMs(nowMs) ?? 0, this.#bytes?.waitMs(nowMs) ?? 0);
  }

  #take(task: ScsiTask): void {
    this.#commands?.take(1);
    this.#bytes?.take(movedBytesMax(task));
  }

  #nowMs(): number {
    return this.#timing?.nowMs() ?? 0;
  }
}
