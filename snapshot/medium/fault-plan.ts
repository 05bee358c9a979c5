/**
 * What shall go wrong on a faulty medium, and when. A plan is data and a source of randomness handed
 * in, so that a run is repeated from its seed. Operations are counted from the opening: all that
 * change something in one row (for power cuts), and every kind by itself (for failing calls), so a
 * test can run once, read the counts and then enumerate every point.
 */

/** A seeded source; `next` gives a number in [0, 1). */
export interface FaultRandom {
  next(): number;
}

export type Operation =
  | 'read'
  | 'write'
  | 'discard'
  | 'data-flush'
  | 'grow'
  | 'append'
  | 'journal-flush'
  | 'begin-segment'
  | 'drop-before'
  | 'replay'
  | 'get'
  | 'scan'
  | 'commit'
  | 'drop-caches';

/** Operations that change nothing; a power cut is never placed at one of them. */
export const READING: ReadonlySet<Operation> = new Set(['read', 'replay', 'get', 'scan']);

export interface Fault {
  readonly on: Operation;
  /** The how manieth operation of this kind fails, from 0. */
  readonly at: number;
  /** All later ones of this kind fail too. */
  readonly always?: boolean;
  /**
   * 'error': I/O error; what a write leaves is unknown. 'no-space': refused, nothing was stored.
   * 'short': a part was done from the begin on, the rest failed.
   */
  readonly how: 'error' | 'no-space' | 'short';
}

export interface FaultPlan {
  readonly random: FaultRandom;
  /**
   * Calls the function it is given once, later: this is how a simulation orders completions. Without
   * it everything completes at once.
   */
  readonly defer?: (complete: () => void) => void;
  /**
   * With `defer`: how likely a read, write, append or discard completes at once all the same. 0 unless
   * told.
   */
  readonly atOnceChance?: number;
  /** Power is cut while this operation (counted over all that change something, from 0) is in flight. */
  readonly cutAt?: number;
  readonly faults?: readonly Fault[];
  /** Told of every call that is made to fail, when it fails. */
  readonly onFault?: (fault: Fault) => void;
  /** Data blocks that find room; a write past that fails with NO_SPACE. Discarding gives room back. */
  readonly spaceBlocks?: number;
}

/** The unit that power loss keeps or loses: a sector. */
export const SECTOR_BYTES = 512;

export function chance(random: FaultRandom, probability: number): boolean {
  return random.next() < probability;
}

/** A whole number in [0, limit). */
export function below(random: FaultRandom, limit: number): number {
  return Math.floor(random.next() * limit);
}

/**
 * How one power loss treats one space. Each loss leans one way (nothing kept, all kept, between) and
 * tears rarely, often or always, because uniform choice everywhere hardly ever meets the extremes.
 */
export class Loss {
  readonly #random: FaultRandom;
  readonly #keepChance: number;
  readonly #tornChance: number;

  constructor(random: FaultRandom) {
    this.#random = random;
    this.#keepChance = [0, 1, 0.5, random.next()][below(random, 4)] as number;
    this.#tornChance = [0, 0.1, 0.5, 1][below(random, 4)] as number;
  }

  keeps(): boolean {
    return chance(this.#random, this.#keepChance);
  }

  tears(): boolean {
    return chance(this.#random, this.#tornChance);
  }

  /**
   * Which of `versions` + 1 states of a place survived; 0 is the one that was flushed, `versions` the
   * newest.
   */
  version(versions: number): number {
    return this.keeps() ? versions : below(this.#random, versions);
  }

  /** Like `version`, for one sector of a torn place. */
  sectorVersion(versions: number): number {
    return below(this.#random, versions + 1);
  }
}
