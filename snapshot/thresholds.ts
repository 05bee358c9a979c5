/**
 * Soft thresholds: shares of the space that are reported once when they are reached, and again only after the
 * share had fallen clearly below. Without that gap, writes and deletes around a threshold would report it
 * over and over.
 */

/** A threshold counts as left when the share is this many percent below it. */
const HYSTERESIS_PERCENT = 3;

interface Threshold {
  readonly percent: number;
  reached: boolean;
}

export class Thresholds {
  readonly #thresholds: readonly Threshold[];

  /** In percent, 1 … 100. */
  constructor(percents: readonly number[]) {
    this.#thresholds = [...percents].sort((a, b) => a - b).map((percent) => ({ percent, reached: false }));
  }

  /** The highest threshold that this share (0 … 1) reaches and the one before did not; undefined: none. */
  update(share: number): number | undefined {
    const percent = share * 100;
    let highest: number | undefined;
    for (const threshold of this.#thresholds) {
      if (!threshold.reached && percent >= threshold.percent) {
        threshold.reached = true;
        highest = threshold.percent;
      } else if (threshold.reached && percent < threshold.percent - HYSTERESIS_PERCENT) {
        threshold.reached = false;
      }
    }
    return highest;
  }
}
