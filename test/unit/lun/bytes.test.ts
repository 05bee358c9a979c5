/** Comparing bytes: the place of the first difference, and repetition, at every offset of small arrays. */
import { describe, expect, test } from 'vitest';
import { firstDifference, isRepeated } from '../../../lun/bytes.ts';

describe('Comparing bytes', () => {
  test('finds the first difference wherever it is, and none in equal arrays', () => {
    const bytes = Uint8Array.from({ length: 40 }, (_, at) => at);
    expect(firstDifference(bytes, bytes.slice())).toBeUndefined();
    for (let at = 0; at < bytes.length; at += 1) {
      const other = bytes.slice();
      other.fill(0xff, at);
      expect(firstDifference(bytes, other)).toBe(at);
    }
  });

  test('tells a pattern over and over from one with a single byte changed', () => {
    const pattern = Uint8Array.of(1, 2, 3, 4);
    const whole = Uint8Array.of(...pattern, ...pattern, ...pattern);
    expect(isRepeated(pattern, whole)).toBe(true);
    for (let at = 0; at < whole.length; at += 1) {
      const other = whole.slice();
      other[at] = 9;
      expect(isRepeated(pattern, other)).toBe(false);
    }
  });
});
