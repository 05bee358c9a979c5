/**
 * Reads and writes under way, over all connections together. A command that waits for the medium is objects
 * on the heap. Thousands of them outlive every collection of short-lived memory, which copies them, until the
 * whole heap has to be searched for them. So while there are many, whoever asks for much is not read from:
 * what was received already waits as the bytes it came in, the rest in the kernel.
 */
import type { Clock } from '../clock.ts';

/** Reads and writes under way above which no more are taken on. */
export const UNDER_WAY_MAX = 1_024;
/** A medium that stands still keeps connections waiting so long at most: their pings want answers. */
export const WAIT_MS_MAX = 1_000;

export class Backlog {
  readonly #clock: Pick<Clock, 'after'>;
  #underWay = 0;
  #waiting: Array<() => void> = [];
  #turnPlanned = false;
  #cancelTimeout: (() => void) | undefined;

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Whether one more has to wait: for room, or behind those that wait for it. */
  get isFull(): boolean {
    return !this.#hasRoom || this.#waiting.length > 0;
  }

  get #hasRoom(): boolean {
    return this.#underWay < UNDER_WAY_MAX;
  }

  began(): void {
    this.#underWay += 1;
  }

  ended(count = 1): void {
    this.#underWay -= count;
    if (this.#turnPlanned || this.#waiting.length === 0 || !this.#hasRoom) return;
    this.#turnPlanned = true;
    this.#clock.after(0, () => this.#turn());
  }

  /** Calls `goOn` once, in order, when there is room for what its caller has received. */
  wait(goOn: () => void): void {
    this.#waiting.push(goOn);
    this.#cancelTimeout ??= this.#clock.after(WAIT_MS_MAX, () => this.#timedOut());
  }

  #turn(): void {
    this.#turnPlanned = false;
    while (this.#hasRoom && this.#waiting.length > 0) this.#waiting.shift()?.();
    if (this.#waiting.length > 0) return;
    this.#cancelTimeout?.();
    this.#cancelTimeout = undefined;
  }

  #timedOut(): void {
    this.#cancelTimeout = undefined;
    for (const goOn of this.#waiting.splice(0)) goOn();
  }
}
