/**
 * Latencies counted in buckets whose width grows with the value: 32 to each power of two, so that a value is
 * known to better than 2 %, counting one costs a few machine instructions, and two histograms are added
 * bucket by bucket.
 */
import assert from 'node:assert';

const SUB_BITS = 6;
/** Values below this have a bucket each. */
const EXACT = 1 << SUB_BITS;
/** Buckets to each power of two above that. */
const HALF = EXACT / 2;
const BUCKETS = EXACT + (32 - SUB_BITS) * HALF;
const VALUE_MAX = 0xffff_ffff;

export class Histogram {
  readonly #counts: Float64Array;

  constructor(counts: ArrayLike<number> = []) {
    assert(counts.length === 0 || counts.length === BUCKETS, 'counts of another kind of histogram');
    this.#counts = new Float64Array(BUCKETS);
    this.#counts.set(counts);
  }

  /** Counts one value, a time in nanoseconds up to 4.29 s; longer ones count as that. */
  add(nanoseconds: number): void {
    const value = nanoseconds < VALUE_MAX ? nanoseconds >>> 0 : VALUE_MAX;
    const bucket = bucketOf(value);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
  }

  clear(): void {
    this.#counts.fill(0);
  }

  merge(counts: ArrayLike<number>): void {
    assert.equal(counts.length, BUCKETS);
    for (let i = 0; i < BUCKETS; i += 1) {
      this.#counts[i] = (this.#counts[i] as number) + (counts[i] as number);
    }
  }

  /** The counts as they can be sent to another process. */
  counts(): number[] {
    return [...this.#counts];
  }

  /** The value below or at which `share` (0 to 1) of all lie, nanoseconds; NaN when there are none. */
  percentile(share: number): number {
    const total = this.#counts.reduce((sum, count) => sum + count, 0);
    if (total === 0) return Number.NaN;
    let left = Math.max(1, Math.ceil(total * share));
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      left -= this.#counts[bucket] as number;
      if (left <= 0) return middleOf(bucket);
    }
    return VALUE_MAX;
  }
}

function bucketOf(value: number): number {
  const bits = 32 - Math.clz32(value);
  if (bits <= SUB_BITS) return value;
  const shift = bits - SUB_BITS;
  // The highest bit is always set: it is counted in `shift`, so that consecutive powers follow each other.
  return shift * HALF + (value >>> shift);
}

function middleOf(bucket: number): number {
  if (bucket < EXACT) return bucket;
  const shift = Math.floor((bucket - EXACT) / HALF) + 1;
  const mantissa = HALF + ((bucket - EXACT) % HALF);
  return (mantissa + 0.5) * 2 ** shift;
}
