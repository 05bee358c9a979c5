/**
 * The only clocks and timers of the process. Everything below src/ takes time as an argument or one
 * of these functions, so that a simulation can hand in its own.
 */
export interface Clock {
  /** Milliseconds that never run back, from an arbitrary beginning. */
  nowMs(): number;
  /** Milliseconds since 1970, for time stamps that people read. */
  wallMs(): number;
  /**
   * Runs `run` once after `ms`; the returned function calls it off. 0 is the next turn of the loop, without
   * the millisecond that a timer takes at least.
   */
  after(ms: number, run: () => void): () => void;
  /** Runs `run` when what the present turn of the loop still has to do is done. */
  defer(run: () => void): void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(ms, run) {
    if (ms === 0) {
      const turn = setImmediate(run);
      return () => clearImmediate(turn);
    }
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  defer: queueMicrotask,
};
