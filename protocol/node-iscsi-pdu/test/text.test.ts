// Shows key=value text against bytes written by hand: pairs in order, limits at their edges, continuation at
// every cut, and that what is no text is refused as the peer's fault.

import {
  decodeText,
  encodeText,
  encodeTextSegments,
  PduError,
  type PduErrorKind,
  TextCollector,
  type TextPair,
} from 'node-iscsi-pdu';
import { expect, test } from 'vitest';
import { ascii, hex, joined } from './support/bytes.ts';

const LOGIN = 'InitiatorName=iqn.2026-01.net.example:a\0SessionType=Normal\0HeaderDigest=CRC32C,None\0';
const LOGIN_PAIRS: readonly TextPair[] = [
  ['InitiatorName', 'iqn.2026-01.net.example:a'],
  ['SessionType', 'Normal'],
  ['HeaderDigest', 'CRC32C,None'],
];

function kindThrownBy(action: () => unknown): PduErrorKind {
  try {
    action();
  } catch (error) {
    if (error instanceof PduError) return error.kind;
    throw error;
  }
  return expect.fail('nothing was thrown');
}

test('pairs are read and written in order', () => {
  expect(decodeText(ascii(LOGIN))).toEqual(LOGIN_PAIRS);
  expect(encodeText(LOGIN_PAIRS)).toEqual(ascii(LOGIN));
  expect(decodeText(new Uint8Array(0))).toEqual([]);
  expect(encodeText([])).toEqual(new Uint8Array(0));
});

test('a key given twice stays twice; values may be empty or contain "="; extra zeroes are skipped', () => {
  expect(decodeText(ascii('A=1\0\0\0B=\0A==2=\0\0'))).toEqual([
    ['A', '1'],
    ['B', ''],
    ['A', '=2='],
  ]);
  expect(encodeText([['X-net.example.a', '=']])).toEqual(ascii('X-net.example.a==\0'));
});

test('any printable key name is read, and can be written in the answer NotUnderstood', () => {
  const pairs: readonly TextPair[] = [
    ['notCapital', 'NotUnderstood'],
    ['X#9!~', 'NotUnderstood'],
  ];
  expect(encodeText(pairs)).toEqual(ascii('notCapital=NotUnderstood\0X#9!~=NotUnderstood\0'));
  expect(decodeText(encodeText(pairs))).toEqual(pairs);
});

test('a last pair without its zero byte is taken', () => {
  expect(decodeText(ascii('A=1\0B=2'))).toEqual([
    ['A', '1'],
    ['B', '2'],
  ]);
});

test('values are UTF-8, percent signs included', () => {
  const bytes = hex('546172676574416c6961733d c3a9 25 e2 82ac f09f9880 00');
  const pairs: readonly TextPair[] = [['TargetAlias', 'é%€😀']];
  expect(decodeText(bytes)).toEqual(pairs);
  expect(encodeText(pairs)).toEqual(bytes);
});

test.each([
  ['no "="', ascii('A\0'), 'text'],
  ['no key name', ascii('=1\0'), 'text'],
  ['a key name with a blank', ascii('A B=1\0'), 'text'],
  ['a key name that is not ASCII', hex('c3a93d3100'), 'text'],
  ['half a UTF-8 character', hex('413dc300'), 'text'],
  ['a UTF-8 character written too long', hex('413dc08000'), 'text'],
  ['a surrogate in UTF-8', hex('413deda08000'), 'text'],
  ['a key name of 64 bytes', ascii(`${'K'.repeat(64)}=1\0`), 'text-too-long'],
  ['a value of 256 bytes', ascii(`A=${'v'.repeat(256)}\0`), 'text-too-long'],
  ['a value of 256 bytes in UTF-8', joined([hex('413d'), hex('c3a9'.repeat(128))]), 'text-too-long'],
  ['one long element of a list', ascii(`A=x,${'v'.repeat(256)},y\0`), 'text-too-long'],
  ['256 bytes in hex', ascii(`A=0x${'ab'.repeat(256)}\0`), 'text-too-long'],
  ['258 bytes in base64', ascii(`A=0b${'AAAA'.repeat(86)}\0`), 'text-too-long'],
] as const)('%s is refused', (_name, bytes, kind) => {
  expect(kindThrownBy(() => decodeText(bytes))).toBe(kind);
});

test.each([
  ['a key name of 63 bytes', `${'K'.repeat(63)}=1\0`],
  ['a value of 255 bytes', `A=${'v'.repeat(255)}\0`],
  ['a list of long elements', `A=${'v'.repeat(255)},${'w'.repeat(255)}\0`],
  ['255 bytes in hex', `A=0x${'ab'.repeat(255)}\0`],
  ['255 bytes in base64', `A=0b${'AAAA'.repeat(85)}\0`],
])('%s is taken', (_name, text) => {
  expect(encodeText(decodeText(ascii(text)))).toEqual(ascii(text));
});

test('a key may be declared to have longer values', () => {
  const limits = (key: string): number => (key === 'CHAP_C' ? 1024 : 255);
  const value = `0x${'ab'.repeat(1024)}`;
  expect(decodeText(ascii(`CHAP_C=${value}\0`), limits)).toEqual([['CHAP_C', value]]);
  expect(kindThrownBy(() => decodeText(ascii(`CHAP_C=${value}ab\0`), limits))).toBe('text-too-long');
  expect(kindThrownBy(() => decodeText(ascii(`CHAP_R=${value}\0`), limits))).toBe('text-too-long');
});

test('what cannot be written is refused', () => {
  const pairs: readonly TextPair[] = [
    ['', '1'],
    ['A B', '1'],
    ['A=B', '1'],
    ['K'.repeat(64), '1'],
    ['A', 'x\0y'],
    ['A', '\ud800'],
  ];
  for (const pair of pairs) expect(() => encodeText([pair])).toThrow(RangeError);
  expect(() => encodeTextSegments([], 0)).toThrow(RangeError);
});

test('a text cut at every place, into segments of every size, comes back', () => {
  for (let bytesMax = 1; bytesMax <= LOGIN.length + 1; bytesMax += 1) {
    const segments = encodeTextSegments(LOGIN_PAIRS, bytesMax);
    expect(segments.length).toBe(Math.ceil(LOGIN.length / bytesMax));
    expect(segments.every((segment) => segment.length >= 1 && segment.length <= bytesMax)).toBe(true);
    const collector = new TextCollector({ totalBytesMax: LOGIN.length });
    segments.forEach((segment, at) => {
      const pairs = collector.add(segment, at < segments.length - 1);
      expect(pairs).toEqual(at < segments.length - 1 ? undefined : LOGIN_PAIRS);
    });
    expect(collector.bufferedBytes).toBe(0);
  }
  expect(encodeTextSegments([], 10)).toEqual([new Uint8Array(0)]);
});

test('the collector keeps what it was given, whatever becomes of the chunk, and can be used again', () => {
  const collector = new TextCollector({ totalBytesMax: 8192 });
  const chunk = ascii('A=12');
  expect(collector.add(chunk, true)).toBeUndefined();
  chunk.fill(0x58);
  expect(collector.add(new Uint8Array(0), true)).toBeUndefined();
  expect(collector.bufferedBytes).toBe(4);
  expect(collector.add(ascii('3\0'), false)).toEqual([['A', '123']]);
  expect(collector.add(ascii('B=4\0'), false)).toEqual([['B', '4']]);
});

test('the collector refuses a text over its limit and drops it', () => {
  const collector = new TextCollector({ totalBytesMax: 8 });
  expect(collector.add(ascii('A=12345'), true)).toBeUndefined();
  expect(kindThrownBy(() => collector.add(ascii('67'), true))).toBe('text-too-long');
  expect(collector.bufferedBytes).toBe(0);
  expect(collector.add(ascii('A=1234\0'), false)).toEqual([['A', '1234']]);
  expect(kindThrownBy(() => collector.add(ascii('A=1234567\0'), false))).toBe('text-too-long');
});
