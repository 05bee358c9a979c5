/**
 * Time and order of a simulated run. Everything that would happen later (completions of the medium, the
 * pool's deferred work, its timers) waits here, and the seed says what happens next; so a run can be repeated
 * exactly. Completions happen in any order, deferred work in the order in which it was deferred, timers when
 * the virtual clock has come to them. Between two events every promise that can settle does.
 */
import type { Random } from '../support/random.ts';

type Run = () => void;

interface Timer {
  readonly atMs: number;
  readonly run: Run;
}

/** How often the clock moves to the next timer although there is other work. */
const EARLY_TIMER_CHANCE = 0.01;
/** The newest completion is taken more often than chance would, so that bursts and stragglers both occur. */
const NEWEST_CHANCE = 0.3;

/** Some completions are held back until almost nothing else is left: a slow disk, long after faster ones. */
const STRAGGLER_CHANCE = 0.04;
const STRAGGLER_ENDS_CHANCE = 0.02;
/** In a patient run they are held back until the clock has moved on, too. */
const PATIENT_ENDS_CHANCE = 0.002;
const PATIENT_IDLE_ENDS_CHANCE = 0.1;

/** Lets every promise that can settle do so. */
export function settlePromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class Scheduler {
  readonly #random: Random;
  readonly #patient: boolean;
  #nowMs = 1_750_000_000_000;
  #completions: Run[] = [];
  #stragglers: Run[] = [];
  #deferred: Run[] = [];
  #timers: Timer[] = [];
  /** Events that have happened. */
  events = 0;

  constructor(random: Random, patient = false) {
    this.#random = random;
    this.#patient = patient;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** A completion: may happen at any time from now on. */
  complete(run: Run): void {
    if (this.#random.chance(STRAGGLER_CHANCE)) this.#stragglers.push(run);
    else this.#completions.push(run);
  }

  /** Work put off to after the present turn. */
  defer(run: Run): void {
    this.#deferred.push(run);
  }

  after(ms: number, run: Run): () => void {
    const timer = { atMs: this.#nowMs + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  /** Forgets everything that waits: the process is dead. */
  forget(): void {
    this.#completions = [];
    this.#stragglers = [];
    this.#deferred = [];
    this.#timers = [];
  }

  /** Is there anything that happens without the clock moving? */
  get busy(): boolean {
    return this.#completions.length + this.#stragglers.length + this.#deferred.length > 0;
  }

  /** Lets one event happen, and what follows from it at once; false when nothing waits. */
  async step(): Promise<boolean> {
    let run = this.#next();
    if (run === undefined) {
      // What was just begun may still come to where it waits.
      await settlePromises();
      run = this.#next();
    }
    if (run === undefined) return false;
    this.events += 1;
    run();
    await settlePromises();
    return true;
  }

  #next(): Run | undefined {
    const waiting = this.#completions.length + this.#deferred.length;
    const oldest = this.#endsStraggler(waiting) ? this.#stragglers.shift() : undefined;
    if (oldest !== undefined) return oldest;
    if (waiting === 0 || this.#random.chance(EARLY_TIMER_CHANCE)) {
      const timer = this.#takeTimer();
      if (timer !== undefined) return timer;
    }
    if (this.#deferred.length > 0 && this.#random.below(waiting) < this.#deferred.length) {
      return this.#deferred.shift();
    }
    if (this.#completions.length === 0) return this.#deferred.shift() ?? this.#stragglers.shift();
    if (this.#random.chance(NEWEST_CHANCE)) return this.#completions.pop();
    return this.#completions.splice(this.#random.below(this.#completions.length), 1)[0];
  }

  #endsStraggler(waiting: number): boolean {
    if (this.#patient) {
      return this.#random.chance(waiting === 0 ? PATIENT_IDLE_ENDS_CHANCE : PATIENT_ENDS_CHANCE);
    }
    return waiting === 0 || this.#random.chance(STRAGGLER_ENDS_CHANCE);
  }

  #takeTimer(): Run | undefined {
    const first = this.#timers.reduce<Timer | undefined>(
      (earliest, timer) => (earliest === undefined || timer.atMs < earliest.atMs ? timer : earliest),
      undefined,
    );
    if (first === undefined) return undefined;
    this.#timers = this.#timers.filter((timer) => timer !== first);
    this.#nowMs = Math.max(this.#nowMs, first.atMs);
    return first.run;
  }
}
