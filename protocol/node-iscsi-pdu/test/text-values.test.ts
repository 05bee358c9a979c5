// Shows the kinds of text values of RFC 7143 §6.1: what each parser takes, what it refuses, and how values
// are written. The base64 values are those of RFC 4648 §10.

import {
  formatBase64,
  formatBoolean,
  formatHex,
  formatList,
  formatRange,
  parseBinary,
  parseBoolean,
  parseList,
  parseNumber,
  parseRange,
} from 'node-iscsi-pdu';
import { expect, test } from 'vitest';
import { ascii, hex } from './support/bytes.ts';
import { seededRandom } from './support/random.ts';

test.each([
  ['0', 0],
  ['8192', 8192],
  ['16777215', 16777215],
  ['0x0', 0],
  ['0xfFfF', 65535],
  ['0X10', 16],
  ['9007199254740991', 9007199254740991],
  ['9007199254740992', undefined],
  ['', undefined],
  ['007', undefined],
  ['-1', undefined],
  ['+1', undefined],
  ['1.5', undefined],
  ['1e3', undefined],
  [' 1', undefined],
  ['1\n', undefined],
  ['0x', undefined],
  ['0xg', undefined],
  ['0b11', undefined],
])('number %j', (text, number) => expect(parseNumber(text)).toBe(number));

test('booleans are Yes and No, exactly', () => {
  expect(['Yes', 'No', 'yes', 'NO', '', '1', 'Yes,No'].map(parseBoolean)).toEqual([
    ...[true, false],
    ...[undefined, undefined, undefined, undefined, undefined],
  ]);
  expect([true, false].map(formatBoolean)).toEqual(['Yes', 'No']);
});

test('lists keep their order; an empty element makes no list', () => {
  expect(parseList('CRC32C,None')).toEqual(['CRC32C', 'None']);
  expect(parseList('None')).toEqual(['None']);
  expect(['', ',', 'a,', ',a', 'a,,b'].map(parseList)).toEqual(Array(5).fill(undefined));
  expect(formatList(['CHAP', 'None'])).toBe('CHAP,None');
});

test('ranges have two ends, the smaller first', () => {
  expect(parseRange('1~65535')).toEqual({ from: 1, to: 65535 });
  expect(parseRange('0x10~0x10')).toEqual({ from: 16, to: 16 });
  expect(['5', '5~', '~5', '6~5', '1~2~3', 'a~b', ''].map(parseRange)).toEqual(Array(7).fill(undefined));
  expect(formatRange({ from: 1, to: 2 })).toBe('1~2');
});

const BASE64: ReadonlyArray<readonly [string, string]> = [
  ['f', 'Zg=='],
  ['fo', 'Zm8='],
  ['foo', 'Zm9v'],
  ['foob', 'Zm9vYg=='],
  ['fooba', 'Zm9vYmE='],
  ['foobar', 'Zm9vYmFy'],
];

test.each(BASE64)('%s in base64', (text, digits) => {
  expect(formatBase64(ascii(text))).toBe(`0b${digits}`);
  expect(parseBinary(`0b${digits}`)).toEqual(ascii(text));
  expect(parseBinary(`0B${digits.replaceAll('=', '')}`)).toEqual(ascii(text));
});

test('binary values in hex, in either case, an odd count of digits with a zero before it', () => {
  expect(parseBinary('0x00fF10')).toEqual(hex('00ff10'));
  expect(parseBinary('0Xabc')).toEqual(hex('0abc'));
  expect(formatHex(hex('00ff10'))).toBe('0x00ff10');
});

test.each([
  ...['', '0x', '0b', 'ff', '0xgg', '0x 1', '0bZ', '0bZg=', '0bZg===', '0bZm8==', '0bZm9v=', '0bZ=g='],
  ...['0bZm9vY', '0b=', '0bZg-_', '1234', '0xab\n', '0bZm9v\n'],
])('%j is no binary value', (text) => expect(parseBinary(text)).toBeUndefined());

test('bytes of every length come back in both encodings (seed 64)', () => {
  const random = seededRandom(64);
  for (let byteCount = 1; byteCount < 100; byteCount += 1) {
    const bytes = random.bytes(byteCount);
    expect(formatBase64(bytes)).toBe(`0b${Buffer.from(bytes).toString('base64')}`);
    expect(formatHex(bytes)).toBe(`0x${Buffer.from(bytes).toString('hex')}`);
    expect(parseBinary(formatBase64(bytes))).toEqual(bytes);
    expect(parseBinary(formatHex(bytes))).toEqual(bytes);
  }
});
