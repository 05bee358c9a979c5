// Shows the LUN field as SAM-5 §4.7 writes it: what initiators send for a number, what names no unit of this
// kind of target, and that every number a target can have comes back.

import { decodeLun, encodeLun, type LunAddress, parseLun } from 'node-iscsi-pdu/lun';
import { expect, test } from 'vitest';
import { hex } from './support/bytes.ts';

const GOLDEN: ReadonlyArray<readonly [string, LunAddress, number | undefined]> = [
  ['0000000000000000', { kind: 'peripheral', bus: 0, number: 0 }, 0],
  ['0001000000000000', { kind: 'peripheral', bus: 0, number: 1 }, 1],
  ['00ff000000000000', { kind: 'peripheral', bus: 0, number: 255 }, 255],
  ['0105000000000000', { kind: 'peripheral', bus: 1, number: 5 }, undefined],
  ['4000000000000000', { kind: 'flat', number: 0 }, 0],
  ['4100000000000000', { kind: 'flat', number: 256 }, 256],
  ['7fff000000000000', { kind: 'flat', number: 16383 }, 16383],
  ['801f000000000000', { kind: 'logical-unit', target: 0, bus: 0, number: 31 }, 31],
  ['8a65000000000000', { kind: 'logical-unit', target: 10, bus: 3, number: 5 }, undefined],
  ['8025000000000000', { kind: 'logical-unit', target: 0, bus: 1, number: 5 }, undefined],
  ['8105000000000000', { kind: 'logical-unit', target: 1, bus: 0, number: 5 }, undefined],
  ['c101000000000000', { kind: 'well-known', number: 1 }, undefined],
  ['d201000000000000', { kind: 'extended', method: 2 }, undefined],
  ['ffffffffffffffff', { kind: 'extended', method: 15 }, undefined],
  ['0001000100000000', { kind: 'deeper-level' }, undefined],
  ['4001000000000001', { kind: 'deeper-level' }, undefined],
];

test.each(GOLDEN)('%s', (field, address, number) => {
  const bytes = hex(`ffffff ${field} ff`);
  expect(parseLun(bytes, 3)).toEqual(address);
  expect(decodeLun(bytes, 3)).toBe(number);
});

test('a number is written in peripheral addressing below 256 and in flat addressing from there', () => {
  expect(encodeLun(0)).toEqual(hex('0000000000000000'));
  expect(encodeLun(255)).toEqual(hex('00ff000000000000'));
  expect(encodeLun(256)).toEqual(hex('4100000000000000'));
  expect(encodeLun(0x1234)).toEqual(hex('5234000000000000'));
  expect(encodeLun(16383)).toEqual(hex('7fff000000000000'));
  for (let number = 0; number <= 16383; number += 1) {
    if (decodeLun(encodeLun(number)) !== number) expect.fail(`${number} does not come back`);
  }
});

test('a number that no LUN can have is refused, and so are fewer than eight bytes', () => {
  for (const number of [-1, 16384, 1.5, Number.NaN]) expect(() => encodeLun(number)).toThrow(RangeError);
  expect(() => parseLun(new Uint8Array(7))).toThrow(RangeError);
  expect(() => decodeLun(new Uint8Array(9), 2)).toThrow(RangeError);
});
