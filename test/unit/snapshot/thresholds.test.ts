/** A threshold is told once when it is reached, and again only after the share had fallen well below. */
import { expect, test } from 'vitest';
import { Thresholds } from '../../../snapshot/thresholds.ts';

/** What a sequence of percents reports. */
function told(
  percents: readonly number[],
  thresholds: readonly number[] = [80, 90],
): Array<number | undefined> {
  const watched = new Thresholds(thresholds);
  return percents.map((percent) => watched.update(percent / 100));
}

test('each threshold once on the way up', () => {
  expect(told([10, 79.9, 80, 85, 89.9, 90, 99, 100])).toEqual([
    undefined,
    undefined,
    80,
    undefined,
    undefined,
    90,
    undefined,
    undefined,
  ]);
});

test('a leap over several reports the highest, and the lower ones not later', () => {
  expect(told([50, 95, 88, 91])).toEqual([undefined, 90, undefined, undefined]);
});

test('wavering around a threshold reports nothing; falling three percent below does', () => {
  expect(told([80, 79, 80, 77.5, 80, 76.9, 80])).toEqual([
    80,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    80,
  ]);
});

test('the order in which they are given does not matter, and none is none', () => {
  expect(told([85, 95], [90, 80])).toEqual([80, 90]);
  expect(told([100], [])).toEqual([undefined]);
});
