// Shows what each field kind reads and writes, against bytes written by hand, and that a layout refuses what
// it cannot hold: values too large, structures cut short, fields that overlap.

import {
  bit,
  bits,
  compileLayout,
  decodeFields,
  describe as describeLayout,
  encodeFields,
  firstBitSet,
  positionOf,
  raw,
  reservedMask,
  u8,
  u16,
  u24,
  u32,
  u64,
  usageBitmap,
} from 'node-iscsi-pdu/fields';
import { expect, test } from 'vitest';

const EVERY_KIND = {
  flag: bit(0, 7),
  low: bits(0, 4, 2),
  byte: u8(1),
  word: u16(2),
  three: u24(4),
  four: u32(7),
  eight: u64(11),
  bytes: raw(19, 3),
} as const;

const BYTES = Uint8Array.of(
  ...[0x94, 0xfe, 0x12, 0x34, 0xff, 0x00, 0x01, 0xfe, 0xdc, 0xba, 0x98],
  ...[0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88, 0x01, 0x02, 0x03],
);

const RECORD = {
  flag: true,
  low: 5,
  byte: 0xfe,
  word: 0x1234,
  three: 0xff0001,
  four: 0xfedcba98,
  eight: 0xffeeddccbbaa9988n,
  bytes: Uint8Array.of(1, 2, 3),
};

test('every kind is read from bytes written by hand', () => {
  expect(decodeFields(EVERY_KIND, BYTES)).toEqual(RECORD);
});

test('every kind is written as bytes written by hand', () => {
  const bytes = new Uint8Array(BYTES.length);
  encodeFields(EVERY_KIND, RECORD, bytes);
  expect(bytes).toEqual(BYTES);
});

test('a structure is read and written at an offset, and nothing around it changes', () => {
  const bytes = new Uint8Array(BYTES.length + 5).fill(0xa5);
  encodeFields(EVERY_KIND, RECORD, bytes, 3);
  expect(bytes.subarray(0, 3)).toEqual(Uint8Array.of(0xa5, 0xa5, 0xa5));
  expect(bytes.subarray(BYTES.length + 3)).toEqual(Uint8Array.of(0xa5, 0xa5));
  expect(decodeFields(EVERY_KIND, bytes, 3)).toEqual(RECORD);
});

test('encoding changes named bits only; a missing field is written as zero', () => {
  const bytes = new Uint8Array(BYTES.length).fill(0xff);
  encodeFields(EVERY_KIND, {}, bytes);
  expect(bytes).toEqual(Uint8Array.of(0x63, ...new Uint8Array(21)));
});

test('a default of the layout takes the place of a missing field', () => {
  const codec = compileLayout(EVERY_KIND, { flag: true, low: 7 });
  const bytes = new Uint8Array(BYTES.length);
  codec.encode({ low: 1 }, bytes);
  expect(bytes[0]).toBe(0x84);
});

test('a raw field is a view when read and is padded with zeroes when written', () => {
  const bytes = BYTES.slice();
  const record = decodeFields(EVERY_KIND, bytes);
  bytes[19] = 0x77;
  expect(record.bytes[0]).toBe(0x77);
  encodeFields(EVERY_KIND, { ...RECORD, bytes: Uint8Array.of(9) }, bytes);
  expect(bytes.subarray(19)).toEqual(Uint8Array.of(9, 0, 0));
});

test.each([
  { low: 8 },
  { byte: 256 },
  { byte: -1 },
  { word: 0x10000 },
  { three: 0x1000000 },
  { four: 0x100000000 },
  { four: 1.5 },
  { four: Number.NaN },
  { eight: 1n << 64n },
  { eight: -1n },
  { bytes: new Uint8Array(4) },
])('a value that does not fit is refused: %o', (record) => {
  expect(() => encodeFields(EVERY_KIND, record, new Uint8Array(BYTES.length))).toThrow(RangeError);
});

test('a structure that does not fit is refused, also when more bytes lie behind the view', () => {
  const view = new Uint8Array(64).subarray(0, BYTES.length);
  expect(() => decodeFields(EVERY_KIND, view, 1)).toThrow(RangeError);
  expect(() => encodeFields(EVERY_KIND, {}, view, 1)).toThrow(RangeError);
  expect(() => decodeFields(EVERY_KIND, view, -1)).toThrow(RangeError);
});

test('fields that overlap or have no place are refused', () => {
  expect(() => compileLayout({ a: u16(0), b: u8(1) })).toThrow(RangeError);
  expect(() => compileLayout({ a: bits(3, 4, 2), b: bit(3, 2) })).toThrow(RangeError);
  expect(() => bit(0, 8)).toThrow(RangeError);
  expect(() => bits(0, 2, 4)).toThrow(RangeError);
  expect(() => raw(0, 0)).toThrow(RangeError);
  expect(() => u8(-1)).toThrow(RangeError);
});

// SBC-3, READ (16): RDPROTECT, DPO, FARUA bits in byte 1, LBA in 2 to 9, length in 10 to 13, group number in
// byte 14.
const READ_16 = {
  rdProtect: bits(1, 7, 5),
  dpo: bit(1, 4),
  fua: bit(1, 3),
  lba: u64(2),
  transferLength: u32(10),
  groupNumber: bits(14, 4, 0),
} as const;

test('the usage bitmap and the reserved mask of a CDB complete each other', () => {
  const used = Uint8Array.of(0, 0xf8, ...new Uint8Array(12).fill(0xff), 0x1f, 0);
  expect(usageBitmap(READ_16, 16)).toEqual(used);
  expect(reservedMask(READ_16, 16)).toEqual(used.map((byte) => 255 - byte));
  expect(() => usageBitmap(READ_16, 14)).toThrow(RangeError);
});

test('the first reserved bit that is set is found, most significant first', () => {
  const mask = reservedMask(READ_16, 16);
  const cdb = new Uint8Array(20);
  mask[0] = 0;
  expect(firstBitSet(mask, cdb, 4)).toBeUndefined();
  cdb[4 + 14] = 0x61;
  expect(firstBitSet(mask, cdb, 4)).toEqual({ byte: 14, bit: 6 });
  cdb[4 + 1] = 0xf9;
  expect(firstBitSet(mask, cdb, 4)).toEqual({ byte: 1, bit: 0 });
});

test('the position of a field is its most significant bit', () => {
  expect(positionOf(READ_16.groupNumber)).toEqual({ byte: 14, bit: 4 });
  expect(positionOf(READ_16.lba)).toEqual({ byte: 2, bit: 7 });
});

test('a dump names every field with its place and value, in the order of the bytes', () => {
  const layout = { tag: u32(2), flag: bit(1, 7), kind: bits(1, 2, 0), name: raw(6, 2), wide: u64(8) };
  const bytes = Uint8Array.of(0, 0x83, 0, 0, 0, 0x2a, 0xbe, 0xef, 0, 0, 0, 0, 0, 0, 0, 9);
  expect(describeLayout(layout, bytes).split('\n')).toEqual([
    '    1.7  flag = true',
    '  1.2-0  kind = 0x3 (3)',
    '    2-5  tag = 0x2a (42)',
    '    6-7  name = be ef',
    '   8-15  wide = 0x9 (9)',
  ]);
});
