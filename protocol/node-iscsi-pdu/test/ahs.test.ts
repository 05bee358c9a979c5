// Shows additional header segments against bytes written by hand from RFC 7143 §11.2.2, parsed and built, and
// that lengths which contradict each other are refused.

import { type Ahs, buildAhs, PduError, parseAhs, wholeCdb } from 'node-iscsi-pdu';
import { expect, test } from 'vitest';
import { hex } from './support/bytes.ts';

// A 32-byte CDB: 16 bytes here, so AHSLength is 32 - 15 = 17; 20 bytes in all.
const EXTENDED = '0011 01 00 101112131415161718191a1b1c1d1e1f';
const READ_LENGTH = '0005 02 00 00012345';
// An odd length: a 19-byte CDB leaves three bytes, one byte of padding follows.
const ODD = '0004 01 00 101112 00';

const GOLDEN: ReadonlyArray<readonly [string, string, readonly Ahs[]]> = [
  ['no AHS', '', []],
  ['an extended CDB', EXTENDED, [{ type: 'extended-cdb', cdbRest: hex('101112131415161718191a1b1c1d1e1f') }]],
  [
    'a bidirectional read length',
    READ_LENGTH,
    [{ type: 'bidirectional-read-length', expectedReadDataLength: 0x12345 }],
  ],
  [
    'two, the first padded',
    ODD + READ_LENGTH,
    [
      { type: 'extended-cdb', cdbRest: hex('101112') },
      { type: 'bidirectional-read-length', expectedReadDataLength: 0x12345 },
    ],
  ],
  ['an unknown type', '0002 3f aabb 000000', [{ type: 'unknown', ahsType: 0x3f, specific: hex('aabb') }]],
];

test.each(GOLDEN)('%s', (_name, bytes, list) => {
  expect(parseAhs(hex(bytes))).toEqual(list);
  expect(buildAhs(list)).toEqual(hex(bytes));
});

test.each([
  ['an AHSLength beyond TotalAHSLength', '0009 01 00 10111213'],
  ['an AHSLength of zero', '0000 01 00'],
  ['a second AHS that is cut short', `${READ_LENGTH} 0005 02 00`],
  ['a read length of another length', '0004 02 00 000100 00'],
])('%s is malformed', (_name, bytes) => {
  const bhs = new Uint8Array(48);
  try {
    parseAhs(hex(bytes), bhs);
    expect.fail('nothing was thrown');
  } catch (error) {
    expect(error).toBeInstanceOf(PduError);
    expect(error).toMatchObject({ kind: 'malformed' });
    expect((error as PduError).bhs).toBe(bhs);
  }
});

test('what does not fit TotalAHSLength cannot be built', () => {
  const cdbRest = new Uint8Array(1016);
  expect(buildAhs([{ type: 'extended-cdb', cdbRest }]).length).toBe(1020);
  expect(() => buildAhs([{ type: 'extended-cdb', cdbRest: new Uint8Array(1017) }])).toThrow(RangeError);
});

test('the whole CDB is that of the header, with what an extended CDB adds', () => {
  const cdb = hex('7f0102030405060708090a0b0c0d0e0f');
  expect(wholeCdb(cdb, parseAhs(hex(READ_LENGTH)))).toBe(cdb);
  expect(wholeCdb(cdb, parseAhs(hex(READ_LENGTH + ODD)))).toEqual(
    hex('7f0102030405060708090a0b0c0d0e0f 101112'),
  );
  expect(() => wholeCdb(cdb, parseAhs(hex(ODD + ODD)))).toThrow(PduError);
});
