/** How long the event loop of a process is kept from turning. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** The timer that is watched is due this often; what it is late is the stall. */
const EVERY_MS = 1;
const NANOSECONDS_PER_MS = 1e6;

/** Milliseconds by which a timer was late. */
export interface LoopStalls {
  readonly p50Ms: number;
  readonly p999Ms: number;
  readonly longestMs: number;
  readonly samples: number;
}

export class LoopWatch {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: EVERY_MS });

  /** Begins at once. */
  constructor() {
    this.#histogram.enable();
  }

  /** Since it began; it ends with this. */
  stalls(): LoopStalls {
    this.#histogram.disable();
    const late = (nanoseconds: number): number => Math.max(0, nanoseconds / NANOSECONDS_PER_MS - EVERY_MS);
    return {
      p50Ms: late(this.#histogram.percentile(50)),
      p999Ms: late(this.#histogram.percentile(99.9)),
      longestMs: late(this.#histogram.max),
      samples: this.#histogram.count,
    };
  }
}
