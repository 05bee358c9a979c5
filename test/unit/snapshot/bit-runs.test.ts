/** Runs of bits agree with an array of booleans for every range of a few words. */
import { expect, test } from 'vitest';
import { clearRange, countRange, firstClear, firstSet, setRange } from '../../../snapshot/bit-runs.ts';
import { seededRandom } from '../../support/random.ts';

const BITS = 128;

function plain(words: Uint32Array): boolean[] {
  return Array.from({ length: BITS }, (_, bit) => (((words[bit >>> 5] as number) >>> (bit & 31)) & 1) === 1);
}

test.each([1, 2, 3])('every verb agrees with plain booleans, seed %i', (seed) => {
  const random = seededRandom(seed);
  for (let round = 0; round < 3000; round += 1) {
    const words = Uint32Array.from({ length: BITS / 32 }, () =>
      random.pick([0, 0xffffffff, random.below(2 ** 32), 1, 0x80000000]),
    );
    const from = random.between(0, BITS);
    const to = random.between(from, BITS);
    const bits = plain(words);
    const inside = bits.map((set, bit) => bit >= from && bit < to && set);
    const clearInside = bits.findIndex((set, bit) => bit >= from && bit < to && !set);
    const where = `seed ${seed} round ${round}: ${from}…${to}`;
    expect(countRange(words, from, to), where).toBe(inside.filter(Boolean).length);
    expect(firstSet(words, from, to), where).toBe(inside.includes(true) ? inside.indexOf(true) : to);
    expect(firstClear(words, from, to), where).toBe(clearInside === -1 ? to : clearInside);
    const set = words.slice();
    setRange(set, from, to);
    expect(plain(set), where).toEqual(bits.map((was, bit) => was || (bit >= from && bit < to)));
    const cleared = words.slice();
    clearRange(cleared, from, to);
    expect(plain(cleared), where).toEqual(bits.map((was, bit) => was && !(bit >= from && bit < to)));
  }
});
