// LUN numbers: the lowest never used, then the longest retired that nobody logged in has seen.
import { describe, expect, test } from 'vitest';
import { emptyTarget, type TargetDocument } from '../../../src/targets/documents.ts';
import { chooseLun, LUNS_MAX, lunOf, withLun, withoutLuns } from '../../../src/targets/lun-numbers.ts';

const never = (): boolean => false;
const NEXT = { wanted: undefined, seen: never };

function filled(count: number): TargetDocument {
  let target = emptyTarget('iqn.2026-11.io.snaplun:t');
  for (let lun = 0; lun < count; lun += 1) target = withLun(target, lun, { vlun: `v${lun}` });
  return target;
}

describe('the next number', () => {
  test('begins at 0 and goes up', () => {
    expect(chooseLun(filled(0), NEXT)).toBe(0);
    expect(chooseLun(filled(3), NEXT)).toBe(3);
  });

  test('skips a number given by hand and fills the gap below it', () => {
    const target = withLun(filled(0), 1, { vlun: 'by-hand' });
    expect(chooseLun(target, NEXT)).toBe(0);
    expect(chooseLun(withLun(target, 0, { vlun: 'a' }), NEXT)).toBe(2);
  });

  test('does not give out a retired number while one was never used', () => {
    const target = withoutLuns(filled(3), ({ vlun }) => vlun === 'v1');
    expect(chooseLun(target, NEXT)).toBe(3);
  });

  test('takes the longest retired one that nobody has seen once all were used', () => {
    let target = filled(LUNS_MAX);
    target = withoutLuns(target, ({ vlun }) => vlun === 'v9');
    target = withoutLuns(target, ({ vlun }) => vlun === 'v5');
    expect(chooseLun(target, NEXT)).toBe(9);
    expect(chooseLun(target, { wanted: undefined, seen: (lun) => lun === 9 })).toBe(5);
    expect(() => chooseLun(target, { wanted: undefined, seen: () => true })).toThrow(
      expect.objectContaining({ code: 'full' }),
    );
  });
});

test('a number that shows something is refused by name', () => {
  expect(() => chooseLun(filled(2), { wanted: 1, seen: never })).toThrow(/LUN 1 .* shows v1/);
  expect(chooseLun(filled(2), { wanted: 200, seen: never })).toBe(200);
});

test('a snapshot and its LUN are different things at different numbers', () => {
  const target = withLun(withLun(filled(0), 0, { vlun: 'a' }), 1, { vlun: 'a', snapshot: 's' });
  expect(lunOf(target, { vlun: 'a' })).toBe(0);
  expect(lunOf(target, { vlun: 'a', snapshot: 's' })).toBe(1);
  expect(lunOf(target, { vlun: 'a', snapshot: 'other' })).toBeUndefined();
  expect(withoutLuns(target, ({ vlun }) => vlun === 'a').retiredLuns).toEqual([0, 1]);
});
