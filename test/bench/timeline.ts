/**
 * The longest latency of the commands that were outstanding in each slot of a few milliseconds, on a clock
 * that all processes of a machine share: so what one process did can be laid beside what another saw.
 */
const SLOT_MS = 2;

/** As it is sent to another process. */
export interface TimelineParts {
  /** Number of the first slot. */
  readonly first: number;
  readonly longestMs: readonly number[];
}

/** Milliseconds since 1970, finer than those of the calendar. */
export function sharedNowMs(): number {
  return performance.timeOrigin + performance.now();
}

export class Timeline {
  #first = 0;
  #longestMs: number[] = [];

  /** Forgets what was, and begins with the present slot. */
  begin(): void {
    this.#first = Math.floor(sharedNowMs() / SLOT_MS);
    this.#longestMs = [];
  }

  /** A command ended at `nowMs`, as this process's `performance.now()` says. */
  add(nowMs: number, latencyMs: number): void {
    const endMs = performance.timeOrigin + nowMs;
    const last = Math.floor(endMs / SLOT_MS) - this.#first;
    for (let slot = Math.floor((endMs - latencyMs) / SLOT_MS) - this.#first; slot <= last; slot += 1) {
      this.#put(slot, latencyMs);
    }
  }

  parts(): TimelineParts {
    return { first: this.#first, longestMs: this.#longestMs };
  }

  merge({ first, longestMs }: TimelineParts): void {
    if (this.#longestMs.length === 0) this.#first = first;
    for (const [at, latencyMs] of longestMs.entries()) this.#put(first - this.#first + at, latencyMs);
  }

  /** The longest latency of a command that was outstanding between the two moments; 0 when none was. */
  longestMs(fromMs: number, toMs: number): number {
    const from = Math.max(0, Math.floor(fromMs / SLOT_MS) - this.#first);
    const to = Math.floor(toMs / SLOT_MS) - this.#first;
    let longest = 0;
    for (let at = from; at <= to; at += 1) longest = Math.max(longest, this.#longestMs[at] ?? 0);
    return longest;
  }

  #put(slot: number, latencyMs: number): void {
    if (slot < 0) return;
    while (this.#longestMs.length <= slot) this.#longestMs.push(0);
    if (latencyMs > (this.#longestMs[slot] as number)) this.#longestMs[slot] = latencyMs;
  }
}
