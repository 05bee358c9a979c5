// Shows the pieces that a PDU leaves in: data never copied, padding and digests where RFC 7143 §11.2 puts
// them, lengths computed. What they join to is compared with a PDU put together by hand.

import { buildAhs, encodePdu, NopOut, paddingOf, ScsiCommand } from 'node-iscsi-pdu';
import { expect, test } from 'vitest';
import { hex, joined } from './support/bytes.ts';
import { seededRandom } from './support/random.ts';
import { onTheWire } from './support/wire.ts';

test('every length of data, with and without AHS and digests, is on the wire as put together by hand', () => {
  const random = seededRandom(48);
  for (let dataBytes = 0; dataBytes < 10; dataBytes += 1) {
    for (let choice = 0; choice < 8; choice += 1) {
      const digests = { header: (choice & 1) > 0, data: (choice & 2) > 0 };
      const ahs = (choice & 4) > 0 ? hex('0005 02 00 00012345') : new Uint8Array(0);
      const data = random.bytes(dataBytes);
      const bhs = new Uint8Array(48);
      ScsiCommand.encode({ cmdSN: 9, totalAHSLength: ahs.length / 4, dataSegmentLength: dataBytes }, bhs);
      const pieces = encodePdu(
        ScsiCommand,
        { cmdSN: 9, totalAHSLength: 77, dataSegmentLength: 88 },
        { ahs, data, headerDigest: digests.header, dataDigest: digests.data },
      );
      expect(joined(pieces)).toEqual(onTheWire({ bhs, ahs, data }, digests));
      expect(pieces.every((piece) => piece.length > 0)).toBe(true);
    }
  }
});

test('data is sent as it was given, in one piece or in several', () => {
  const [first, second] = [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5)];
  const one = encodePdu(NopOut, {}, { data: first });
  expect(one.length).toBe(3);
  expect(one[1]).toBe(first);
  const several = encodePdu(NopOut, {}, { data: [first, new Uint8Array(0), second], dataDigest: true });
  expect(several.length).toBe(4);
  expect(several[1]).toBe(first);
  expect(several[2]).toBe(second);
  const whole = encodePdu(NopOut, {}, { data: Uint8Array.of(1, 2, 3, 4, 5), dataDigest: true });
  expect(joined(several)).toEqual(joined(whole));
});

test('a CRC32C that is handed in is the one that is used', () => {
  const options = { data: Uint8Array.of(1), headerDigest: true, dataDigest: true, crc32c: () => 0x04030201 };
  const pieces = encodePdu(NopOut, {}, options);
  expect(pieces[0]?.subarray(48)).toEqual(Uint8Array.of(1, 2, 3, 4));
  expect(pieces[2]).toEqual(Uint8Array.of(0, 0, 0, 1, 2, 3, 4));
});

test('what the lengths cannot say is refused', () => {
  expect(() => encodePdu(NopOut, {}, { data: new Uint8Array(2 ** 24) })).toThrow(RangeError);
  expect(() => encodePdu(NopOut, {}, { ahs: new Uint8Array(6) })).toThrow(RangeError);
  expect(() => encodePdu(NopOut, {}, { ahs: new Uint8Array(1024) })).toThrow(RangeError);
  const longest = encodePdu(
    NopOut,
    {},
    { ahs: buildAhs([{ type: 'extended-cdb', cdbRest: new Uint8Array(1016) }]) },
  );
  expect(longest[0]?.[4]).toBe(255);
});

test('padding fills to four bytes', () => {
  expect([0, 1, 2, 3, 4, 5].map((dataBytes) => paddingOf(dataBytes).length)).toEqual([0, 3, 2, 1, 0, 3]);
});
