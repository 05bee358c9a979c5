// Shows what must hold for every table: fields inside the 48 bytes and apart from each other, unnamed bits
// zero on send, and random records that survive encoding and decoding. Because a round trip alone proves
// little, a few PDUs are also read by a second reader written by hand with DataView.

import {
  compileLayout,
  DataIn,
  DataOut,
  type Layout,
  PDUS,
  pduOfOpcode,
  R2T,
  type RecordOf,
  reservedMask,
  ScsiCommand,
  usageBitmap,
  type ValueOf,
} from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { type Random, seededRandom } from '../support/random.ts';

const SEED = 7143;
const ROUNDS = 300;

function randomValue(field: Layout[string], random: Random): ValueOf<'bit' | 'u8' | 'raw'> {
  if (field.kind === 'bit') return random.chance(0.5);
  if (field.kind === 'raw') return random.bytes(field.byteCount);
  const bitCount = field.kind === 'bits' ? field.msb - field.lsb + 1 : 8 * field.byteCount;
  const edge = random.below(4);
  if (edge === 0) return 0;
  return edge === 1 ? 2 ** bitCount - 1 : random.below(2 ** bitCount);
}

function randomRecord(layout: Layout, random: Random): RecordOf<Layout> {
  return Object.fromEntries(
    Object.entries(layout).map(([name, field]) => [name, randomValue(field, random)]),
  );
}

/** Raw fields may be given fewer bytes than they hold. */
function shortened(value: unknown, random: Random): unknown {
  return value instanceof Uint8Array && random.chance(0.3)
    ? value.subarray(0, random.below(value.length))
    : value;
}

function unfit({ kind, msb, lsb, byteCount }: Layout[string]): unknown[] {
  if (kind === 'bit') return [1, 'true'];
  if (kind === 'raw') return [new Uint8Array(byteCount + 1), []];
  const limit = kind === 'bits' ? 2 ** (msb - lsb + 1) : 2 ** (8 * byteCount);
  return [limit, -1, 0.5, Number.NaN, 2 ** 32 + 1];
}

describe.each(PDUS.map((pdu) => ({ name: pdu.name, pdu })))('$name', ({ pdu }) => {
  const layout: Layout = pdu.layout;

  test('its fields lie inside the header, apart from each other and from the opcode', () => {
    const claimed = new Set<number>([0, 1, 2, 3, 4, 5]);
    for (const field of Object.values(layout)) {
      for (let byte = field.byte; byte < field.byte + field.byteCount; byte += 1) {
        for (let bit = field.lsb; bit <= field.msb; bit += 1) {
          expect(claimed.has(8 * byte + bit)).toBe(false);
          claimed.add(8 * byte + bit);
        }
      }
    }
    expect(Math.max(...claimed)).toBeLessThan(8 * 48);
    const named = usageBitmap(layout, 48);
    named[0] = (named[0] as number) | 0x3f;
    const bitCount = named.reduce((total, byte) => total + byte.toString(2).replaceAll('0', '').length, 0);
    expect(bitCount).toBe(claimed.size);
  });

  test(`random records come back, and unnamed bits are zero (seed ${SEED})`, () => {
    const random = seededRandom(SEED);
    const unnamed = reservedMask(layout, 48);
    unnamed[0] = (unnamed[0] as number) & ~0x3f;
    const bytes = new Uint8Array(52).fill(0xff);
    for (let round = 0; round < ROUNDS; round += 1) {
      const record = randomRecord(layout, random);
      (pdu.encode as (record: object, bytes: Uint8Array, offset: number) => void)(record, bytes, 2);
      expect(pdu.decode(bytes, 2)).toEqual(record);
      expect((bytes[2] as number) & 0x3f).toBe(pdu.opcode);
      expect(unnamed.some((mask, at) => (mask & (bytes[2 + at] as number)) !== 0)).toBe(false);
    }
    expect([bytes[0], bytes[1], bytes[50], bytes[51]]).toEqual([0xff, 0xff, 0xff, 0xff]);
  });

  test(`its own decoder and encoder, if any, do what the loop over its table does (seed ${SEED})`, () => {
    const random = seededRandom(SEED);
    const table = compileLayout<Layout>(layout, pdu.defaults as Partial<RecordOf<Layout>>);
    const encode = pdu.encode as (record: object, bytes: Uint8Array, offset?: number) => void;
    for (let round = 0; round < ROUNDS; round += 1) {
      const bytes = random.bytes(50);
      expect(pdu.decode(bytes, 2)).toEqual(table.decode(bytes, 2));
      const given = Object.entries(randomRecord(layout, random)).filter(() => random.chance(0.7));
      const record = Object.fromEntries(given.map(([name, value]) => [name, shortened(value, random)]));
      const [one, other] = [new Uint8Array(50).fill(0xff, 2), new Uint8Array(50)];
      encode(record, one, 2);
      other[2] = pdu.opcode;
      table.encode(record as Partial<RecordOf<Layout>>, other, 2);
      expect(one).toEqual(other);
    }
    for (const [name, field] of Object.entries(layout)) {
      for (const value of unfit(field)) {
        expect(() => encode({ [name]: value }, new Uint8Array(48))).toThrow(RangeError);
        expect(() => table.encode({ [name]: value } as never, new Uint8Array(48))).toThrow(RangeError);
      }
    }
  });

  test('a header cut short is refused', () => {
    expect(() => pdu.decode(new Uint8Array(47))).toThrow(RangeError);
    expect(() => pdu.encode({}, new Uint8Array(47))).toThrow(RangeError);
    expect(() => pdu.decode(new Uint8Array(96), -1)).toThrow(RangeError);
  });
});

test('a PDU is found by its opcode, and opcodes that RFC 7143 does not define find none', () => {
  const known = PDUS.map(({ opcode }) => opcode);
  expect(known).toEqual([
    ...[0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10],
    ...[0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x31, 0x32, 0x3f],
  ]);
  for (let opcode = 0; opcode < 64; opcode += 1)
    expect(pduOfOpcode(opcode) !== undefined).toBe(known.includes(opcode));
});

test(`a second reader, written by hand, sees the same fields (seed ${SEED})`, () => {
  const random = seededRandom(SEED);
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = random.bytes(48);
    const view = new DataView(bytes.buffer);
    const flag = (mask: number): boolean => (view.getUint8(1) & mask) === mask;
    const shared = {
      final: flag(0x80),
      totalAHSLength: view.getUint8(4),
      dataSegmentLength: view.getUint32(4) % 2 ** 24,
      lun: bytes.slice(8, 16),
      initiatorTaskTag: view.getUint32(16),
    };
    const transfer = { ...shared, targetTransferTag: view.getUint32(20) };
    const counters = {
      statSN: view.getUint32(24),
      expCmdSN: view.getUint32(28),
      maxCmdSN: view.getUint32(32),
    };
    expect(ScsiCommand.decode(bytes)).toEqual({
      ...shared,
      ...{ immediate: (view.getUint8(0) & 0x40) > 0, read: flag(0x40), write: flag(0x20) },
      ...{ attr: view.getUint8(1) % 8, expectedDataTransferLength: view.getUint32(20) },
      ...{ cmdSN: view.getUint32(24), expStatSN: view.getUint32(28), cdb: bytes.slice(32) },
    });
    expect(DataOut.decode(bytes)).toEqual({
      ...transfer,
      ...{ expStatSN: view.getUint32(28), dataSN: view.getUint32(36), bufferOffset: view.getUint32(40) },
    });
    expect(DataIn.decode(bytes)).toEqual({
      ...{
        ...transfer,
        ...counters,
        acknowledge: flag(0x40),
        residualOverflow: flag(4),
        residualUnderflow: flag(2),
      },
      ...{ statusPresent: flag(1), status: view.getUint8(3), dataSN: view.getUint32(36) },
      ...{ bufferOffset: view.getUint32(40), residualCount: view.getUint32(44) },
    });
    expect(R2T.decode(bytes)).toEqual({
      ...{ ...transfer, ...counters, r2tSN: view.getUint32(36), bufferOffset: view.getUint32(40) },
      desiredDataTransferLength: view.getUint32(44),
    });
  }
});
