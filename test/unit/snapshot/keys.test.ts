/**
 * Keys are the bytes written by hand, their bytewise order is that of their numbers, and they give the
 * numbers back.
 */
import { expect, test } from 'vitest';
import {
  allocatorKey,
  catalogueKey,
  catalogueOfKey,
  countsKey,
  documentKey,
  documentOfKey,
  imageKey,
  KEYS,
  numberOfKey,
  STATE_KEY,
  summaryKey,
  summaryOfKey,
  tableKey,
  tableOfKey,
} from '../../../snapshot/keys.ts';

const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex');

test('every kind of key is the one written by hand', () => {
  expect(hex(tableKey(0x0102030405, 0xfffefdfc))).toBe('740102030405fffefdfc');
  expect(hex(tableKey(7, 9))).toBe('74000000000700000009');
  expect(hex(summaryKey(0x01020304, 0xaabbcc))).toBe('7301020304aabbcc');
  expect(hex(imageKey(0x80000000))).toBe('6980000000');
  expect(hex(allocatorKey(258))).toBe('6200000102');
  expect(hex(countsKey(65_535))).toBe('420000ffff');
  expect(hex(catalogueKey(3, 0x01000002))).toBe('630301000002');
  expect(hex(documentKey('acl'))).toBe('6461636c');
  expect(hex(STATE_KEY)).toBe('53');
});

test('keys give their numbers and names back', () => {
  expect(tableOfKey(tableKey(2 ** 40 - 1, 2 ** 32 - 1))).toEqual({ page: 2 ** 40 - 1, image: 2 ** 32 - 1 });
  expect(summaryOfKey(summaryKey(2 ** 32 - 1, 2 ** 24 - 1))).toEqual({
    image: 2 ** 32 - 1,
    chunk: 2 ** 24 - 1,
  });
  expect(numberOfKey(imageKey(123_456_789))).toBe(123_456_789);
  expect(catalogueOfKey(catalogueKey(255, 5))).toEqual({ kind: 255, id: 5 });
  expect(documentOfKey(documentKey('targets/iqn.2024-01.org.example:ü'))).toBe(
    'targets/iqn.2024-01.org.example:ü',
  );
});

test('table keys are ordered by page, then by image, and stay within their range', () => {
  const names = [
    [0, 0],
    [0, 2 ** 32 - 1],
    [1, 0],
    [255, 7],
    [256, 1],
    [2 ** 32 - 1, 5],
    [2 ** 32, 1],
    [2 ** 40 - 1, 2 ** 32 - 1],
  ] as const;
  const keys = names.map(([page, image]) => hex(tableKey(page, image)));
  expect([...keys].sort()).toEqual(keys);
  for (const key of keys) expect(key >= hex(KEYS.table.from) && key < hex(KEYS.table.to)).toBe(true);
});

test('a number that does not fit its key is our own fault', () => {
  expect(() => tableKey(2 ** 40, 0)).toThrow('fits its key');
  expect(() => tableKey(0, -1)).toThrow('fits its key');
  expect(() => summaryKey(0, 2 ** 24)).toThrow('fits its key');
  expect(() => imageKey(0.5)).toThrow('fits its key');
  expect(() => documentKey('x'.repeat(64))).toThrow('fits a key');
});
