/**
 * A page of reference counts says what a plain array of counts says, whatever was added and taken in whatever
 * runs, and so do its copies and what is decoded from its stored form.
 */
import { expect, test } from 'vitest';
import { decodeReferences, REFERENCE_PLACES, ReferencePage } from '../../../snapshot/reference-page.ts';
import { plainChecksum } from '../../support/plain-checksum.ts';
import { type Random, seededRandom } from '../../support/random.ts';

const NUMBER = 7;

function expectCounts(page: ReferencePage, counts: readonly number[]): void {
  const found = counts.map((_, at) => page.beyondAt(at));
  expect(found).toEqual(counts);
  expect(page.shared).toBe(counts.filter((count) => count > 0).length);
}

/** The runs of a long copy begin or end with the page; those of a short one anywhere. */
function runOf(random: Random, cut: number): readonly [first: number, end: number] {
  const runs = [
    [0, REFERENCE_PLACES],
    [0, cut],
    [cut, REFERENCE_PLACES],
  ] as const;
  if (random.chance(0.9)) return random.pick(runs);
  const first = random.below(REFERENCE_PLACES);
  return [first, random.between(first + 1, REFERENCE_PLACES)];
}

/** One change of the page, and the same of the plain counts. */
function change(page: ReferencePage, counts: number[], random: Random, cut: number): void {
  const [first, end] = runOf(random, cut);
  const takes = random.chance(0.5) && counts.slice(first, end).every((count) => count > 0);
  const entries = takes ? -1 : random.between(1, 2);
  if (takes) page.take(first, end);
  else page.add(first, end, entries);
  for (let at = first; at < end; at += 1) counts[at] = (counts[at] as number) + entries;
}

function expectAlike(page: ReferencePage, counts: readonly number[], random: Random): void {
  const first = random.below(REFERENCE_PLACES);
  const end = random.between(first + 1, REFERENCE_PLACES);
  const other = counts.findIndex((count, at) => at > first && (count === 0) !== (counts[first] === 0));
  expect(page.alikeUntil(first, end)).toBe(other < 0 ? end : Math.min(other, end));
}

test.each([1, 2, 3, 4, 5, 6])('runs that are added and taken, from seed %i000 on', (thousand) => {
  for (let seed = thousand * 1000; seed < thousand * 1000 + 20; seed += 1) {
    const random = seededRandom(seed);
    const cut = random.between(1, REFERENCE_PLACES - 1);
    const page = new ReferencePage(NUMBER);
    const counts = new Array<number>(REFERENCE_PLACES).fill(0);
    for (let step = 0; step < 20; step += 1) {
      const copy = page.copy();
      const before = counts.slice();
      change(page, counts, random, cut);
      expectCounts(page, counts);
      expectCounts(copy, before);
      expectAlike(page, counts, random);
      const bytes = page.encode(plainChecksum);
      expect(bytes === undefined).toBe(page.shared === 0);
      if (bytes !== undefined) expectCounts(decodeReferences(bytes, NUMBER, plainChecksum), counts);
    }
  }
});
