// Shows the digests of RFC 7143 appendix A.4, in the byte order of the wire, and that pieces sum to the
// whole. The random cases are compared with a CRC computed one bit at a time.

import { crc32c, readDigest, writeDigest } from 'node-iscsi-pdu';
import { expect, test } from 'vitest';
import { hex } from './support/bytes.ts';
import { seededRandom } from './support/random.ts';
import { slowDigest } from './support/wire.ts';

const UP = Uint8Array.from({ length: 32 }, (_, at) => at);

const GOLDEN: ReadonlyArray<readonly [string, Uint8Array, string]> = [
  ['32 bytes of zeroes', new Uint8Array(32), 'aa36918a'],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), '43aba862'],
  ['32 bytes of incrementing 00..1f', UP, '4e79dd46'],
  ['32 bytes of decrementing 1f..00', UP.toReversed(), '5cdb3f11'],
  [
    'an iSCSI SCSI Read (10) Command PDU',
    hex(`01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018
         28000000 00000000 02000000 00000000`),
    '563a96d9',
  ],
];

test.each(GOLDEN)('%s', (_name, bytes, wire) => {
  const written = new Uint8Array(4);
  writeDigest(crc32c(bytes), written, 0);
  expect(written).toEqual(hex(wire));
  expect(readDigest(written, 0)).toBe(crc32c(bytes));
});

test('the check value of the polynomial', () => {
  expect(crc32c(Uint8Array.from('123456789', (digit) => digit.charCodeAt(0)))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(0))).toBe(0);
});

test('any length agrees with the CRC by bits, in one piece and in two (seed 32)', () => {
  const random = seededRandom(32);
  for (let byteCount = 0; byteCount < 200; byteCount += 1) {
    const bytes = random.bytes(byteCount);
    const expected = readDigest(slowDigest(bytes), 0);
    const cut = random.below(byteCount + 1);
    expect(crc32c(bytes)).toBe(expected);
    expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)))).toBe(expected);
  }
});
