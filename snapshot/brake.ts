/**
 * How changes are slowed down while a checkpoint is running, so that they need not be stopped. The bounds of
 * journal and changed pages are a share: 1 where the next checkpoint is due, PRESSURE_FACTOR where changes
 * wait for the one that runs. Between the two each change pays for what it adds to the share, in time: as
 * much as the last checkpoint took to store so much, and the more the nearer the end is. So a load that
 * changes more than a checkpoint can store meets many short waits, and not one of some hundred milliseconds.
 */

/** Changes wait for the checkpoint that is running when they have outgrown their bounds by this factor. */
export const PRESSURE_FACTOR = 1.75;

/** Just before that, a change costs as many times what it took to store it. */
const STEEPNESS = 3;
/** What is owed is waited for from here on; the clock has no finer step. */
const WAIT_MS_MIN = 1;
const WAIT_MS_MAX = 20;

export class Brake {
  /** The share that the last checkpoint stored in each millisecond. Before the first nobody is slowed. */
  #perMs = Number.POSITIVE_INFINITY;
  #share = 0;
  #owedMs = 0;

  /** A checkpoint has stored this share in so many milliseconds; of a small one most is for beginning it. */
  stored(share: number, durationMs: number): void {
    this.#perMs = Math.max(share, 1) / Math.max(durationMs, 1);
  }

  /** A checkpoint has begun that leaves this share to the next. */
  began(share: number): void {
    this.#share = share;
    this.#owedMs = 0;
  }

  /** For how many milliseconds the next change is to wait; 0: it is not. Not to be asked twice for one. */
  waitMs(share: number): number {
    const added = share - this.#share;
    this.#share = share;
    if (share <= 1 || added <= 0) return 0;
    const nearness = (share - 1) / (PRESSURE_FACTOR - 1);
    this.#owedMs += (added / this.#perMs) * STEEPNESS * nearness;
    if (this.#owedMs < WAIT_MS_MIN) return 0;
    const waitMs = Math.min(WAIT_MS_MAX, this.#owedMs);
    this.#owedMs = 0;
    return waitMs;
  }
}
