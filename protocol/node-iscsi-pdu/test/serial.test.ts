// Shows serial number order and steps at the edges of RFC 1982: around zero, around 2^31, and where no order
// exists.

import {
  serialAdd,
  serialCompare,
  serialDistance,
  serialLess,
  serialLessOrEqual,
  serialNext,
} from 'node-iscsi-pdu';
import { expect, test } from 'vitest';

/** a, b, and how a stands to b. */
const ORDER: ReadonlyArray<readonly [number, number, -1 | 0 | 1 | undefined]> = [
  [0, 0, 0],
  [0xffffffff, 0xffffffff, 0],
  [0, 1, -1],
  [0xffffffff, 0, -1],
  [0xfffffff0, 0x10, -1],
  [0, 0x7fffffff, -1],
  [0, 0x80000001, 1],
  [0x80000000, 0xffffffff, -1],
  [0x7fffffff, 0x80000000, -1],
  [0, 0x80000000, undefined],
  [0x80000000, 0, undefined],
  [1, 0x80000001, undefined],
];

test.each(ORDER)('%i against %i', (a, b, order) => {
  expect(serialCompare(a, b)).toBe(order);
  expect(serialCompare(b, a)).toBe(order === undefined ? undefined : 0 - order);
  expect(serialLess(a, b)).toBe(order === -1);
  expect(serialLess(b, a)).toBe(order === 1);
  expect(serialLessOrEqual(a, b)).toBe(order === -1 || order === 0);
});

test('numbers wrap after 0xffffffff', () => {
  expect(serialNext(0)).toBe(1);
  expect(serialNext(0x7fffffff)).toBe(0x80000000);
  expect(serialNext(0xffffffff)).toBe(0);
  expect(serialAdd(0xfffffffe, 5)).toBe(3);
  expect(serialAdd(3, -5)).toBe(0xfffffffe);
});

test('the distance is the shorter way round, with its direction', () => {
  expect(serialDistance({ from: 0xfffffffe, to: 3 })).toBe(5);
  expect(serialDistance({ from: 3, to: 0xfffffffe })).toBe(-5);
  expect(serialDistance({ from: 7, to: 7 })).toBe(0);
  expect(serialDistance({ from: 0, to: 0x7fffffff })).toBe(0x7fffffff);
});
