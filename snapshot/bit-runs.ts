/** Runs of bits in arrays of 32-bit words: bit b of word i is number 32 i + b. Ranges exclude their end. */

/** The first clear bit from `from` on, or `to` when there is none before it. */
export function firstClear(words: Uint32Array, from: number, to: number): number {
  return firstWhere(words, { from, to, flip: 0xffffffff });
}

/** The first set bit from `from` on, or `to` when there is none before it. */
export function firstSet(words: Uint32Array, from: number, to: number): number {
  return firstWhere(words, { from, to, flip: 0 });
}

function firstWhere(words: Uint32Array, search: { from: number; to: number; flip: number }): number {
  const { from, to, flip } = search;
  if (from >= to) return to;
  let at = from >>> 5;
  let bits = ((words[at] as number) ^ flip) & (0xffffffff << (from & 31));
  const last = (to - 1) >>> 5;
  while (bits === 0) {
    at += 1;
    if (at > last) return to;
    bits = (words[at] as number) ^ flip;
  }
  return Math.min(to, at * 32 + 31 - Math.clz32(bits & -bits));
}

/** The bits of word `at` that lie in a range. */
function maskOf(at: number, from: number, to: number): number {
  let mask = 0xffffffff;
  if (at * 32 < from) mask &= 0xffffffff << (from & 31);
  if (at * 32 + 32 > to) mask &= 0xffffffff >>> (32 - (to & 31));
  return mask;
}

export function setRange(words: Uint32Array, from: number, to: number): void {
  for (let at = from >>> 5; at * 32 < to; at += 1) words[at] = (words[at] as number) | maskOf(at, from, to);
}

export function clearRange(words: Uint32Array, from: number, to: number): void {
  for (let at = from >>> 5; at * 32 < to; at += 1) words[at] = (words[at] as number) & ~maskOf(at, from, to);
}

/** How many bits of the range are set. */
export function countRange(words: Uint32Array, from: number, to: number): number {
  let count = 0;
  for (let at = from >>> 5; at * 32 < to; at += 1)
    count += bitsIn((words[at] as number) & maskOf(at, from, to));
  return count;
}

function bitsIn(word: number): number {
  let pairs = word - ((word >>> 1) & 0x55555555);
  pairs = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((pairs + (pairs >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Where the first `length` clear bits in a row between `from` and `to` begin; `to` where there are none. */
export function firstClearRun(
  words: Uint32Array,
  { from, to, length }: { readonly from: number; readonly to: number; readonly length: number },
): number {
  let at = firstClear(words, from, to);
  while (at < to) {
    const end = firstSet(words, at, Math.min(to, at + length));
    if (end - at === length) return at;
    at = firstClear(words, end, to);
  }
  return to;
}
