/**
 * Every kind of record is, byte for byte, the one written by hand from FORMAT.md, and is read back from it.
 */
import { expect, test } from 'vitest';
import {
  type Extent,
  RECORD_HEADER_BYTES,
  type RecordBody,
  RecordEncoder,
  writeRecordBytes,
} from '../../../snapshot/journal-record.ts';
import { decodeRecord } from '../../../snapshot/record-decoder.ts';
import { plainChecksum } from '../../support/plain-checksum.ts';
import { seededRandom } from '../../support/random.ts';

const START = { checksum: plainChecksum, sequence: 0x1_0000_0001, previous: 0xa1b2c3d4, epoch: 7 };
const POOL = '000102030405060708090a0b0c0d0e0f';

/** The record with this header behind the checksum and this payload, both in hexadecimal digits. */
function byHand(behind: string): Uint8Array {
  const rest = Buffer.from(behind.replace(/\s/g, ''), 'hex');
  const bytes = new Uint8Array(8 + rest.byteLength);
  bytes.set(Buffer.from('SLJR'));
  bytes.set(rest, 8);
  new DataView(bytes.buffer).setUint32(4, plainChecksum(rest), true);
  return bytes;
}

const EXTENTS: readonly Extent[] = [
  { kind: 'write', vlun: 3, block: 0x0102030405, blocks: 2, place: 0xab12345678 },
  { kind: 'hole', vlun: 4, block: 9, blocks: 0x10000, place: 0 },
  { kind: 'patch', vlun: 5, block: 1, blocks: 1, place: 2 },
];

const GOLDEN: ReadonlyArray<
  readonly [name: string, write: (encoder: RecordEncoder) => number, behind: string, body: RecordBody]
> = [
  [
    'WRITE',
    (encoder) => encoder.write(EXTENTS, [0xdeadbeef, 1, 0xffffffff]),
    `98000000 d4c3b2a1 0200000001000000 07000000 0100 0000
     03000000 03000000
     01000000 03000000 0504030201000000 78563412ab000000 02000000 00000000
     03000000 04000000 0900000000000000 0000000000000000 00000100 00000000
     02000000 05000000 0100000000000000 0200000000000000 01000000 00000000
     efbeadde 01000000 ffffffff 00000000`,
    { kind: 'write', extents: EXTENTS, sums: Uint32Array.of(0xdeadbeef, 1, 0xffffffff) },
  ],
  [
    'WRITE of a move',
    (encoder) => encoder.write([{ kind: 'move', vlun: 8, block: 77, blocks: 1, place: 5 }], [6]),
    `50000000 d4c3b2a1 0200000001000000 07000000 0100 0000
     01000000 01000000
     09000000 08000000 4d00000000000000 0500000000000000 01000000 00000000
     06000000 00000000`,
    {
      kind: 'write',
      extents: [{ kind: 'move', vlun: 8, block: 77, blocks: 1, place: 5 }],
      sums: Uint32Array.of(6),
    },
  ],
  [
    'WRITE of a release',
    (encoder) => encoder.write([{ kind: 'reclaim', vlun: 8, block: 77, blocks: 0, place: 0 }], []),
    `48000000 d4c3b2a1 0200000001000000 07000000 0100 0000
     01000000 00000000
     05000000 08000000 4d00000000000000 0000000000000000 00000000 00000000`,
    {
      kind: 'write',
      extents: [{ kind: 'reclaim', vlun: 8, block: 77, blocks: 0, place: 0 }],
      sums: new Uint32Array(0),
    },
  ],
  [
    'STRUCTURE',
    (encoder) => encoder.structure({ a: 'ü' }),
    `38000000 d4c3b2a1 0200000001000000 07000000 0200 0000
     0a000000 00000000 7b2261223a22c3bc227d 000000000000`,
    { kind: 'structure', json: { a: 'ü' } },
  ],
  [
    'MARK',
    (encoder) => encoder.mark(0x1_0000_0000),
    '28000000 d4c3b2a1 0200000001000000 07000000 0300 0000  0000000001000000',
    { kind: 'mark', flushedSequence: 0x1_0000_0000 },
  ],
  [
    'SEGMENT',
    (encoder) => encoder.segment(POOL),
    `30000000 d4c3b2a1 0200000001000000 07000000 0400 0000  ${POOL}`,
    { kind: 'segment', pool: POOL },
  ],
  [
    'CHECKPOINT',
    (encoder) => encoder.checkpoint(5),
    '28000000 d4c3b2a1 0200000001000000 07000000 0500 0000  0500000000000000',
    { kind: 'checkpoint', sequence: 5 },
  ],
];

test.each(GOLDEN)('%s has the form written by hand', (_name, write, behind, body) => {
  const encoder = new RecordEncoder(START);
  expect(write(encoder)).toBe(START.sequence + 1);
  const golden = byHand(behind);
  expect(Buffer.from(encoder.bytes()).toString('hex')).toBe(Buffer.from(golden).toString('hex'));
  const checksum = new DataView(golden.buffer).getUint32(4, true);
  expect(encoder.previous).toBe(checksum);
  expect(decodeRecord(golden, 0, plainChecksum)).toEqual({
    bytes: golden.byteLength,
    checksum,
    previous: START.previous,
    sequence: START.sequence + 1,
    epoch: 7,
    flags: 0,
    body,
  });
});

test('records follow each other in one buffer that grows, and each names the one before', () => {
  const encoder = new RecordEncoder(START);
  encoder.mark(1);
  encoder.clear();
  let previous = encoder.previous;
  const sums = new Uint32Array(256);
  const count = 300;
  for (let at = 0; at < count; at += 1) {
    expect(encoder.write([{ kind: 'write', vlun: 1, block: at, blocks: 256, place: 2 }], sums)).toBe(
      START.sequence + 2 + at,
    );
  }
  const bytes = encoder.bytes();
  expect(bytes.byteLength).toBe(count * writeRecordBytes(1, 256));
  expect(encoder.byteLength).toBe(bytes.byteLength);
  for (let at = 0; at < count; at += 1) {
    const record = decodeRecord(bytes, at * writeRecordBytes(1, 256), plainChecksum);
    if (typeof record === 'string') expect.fail(record);
    expect(record.previous).toBe(previous);
    previous = record.checksum;
  }
});

test('a sum is asked for each data block, no more and no fewer', () => {
  const encoder = new RecordEncoder(START);
  expect(() => encoder.write(EXTENTS, [1, 2])).toThrow('one sum');
  expect(() => encoder.segment('not hexadecimal')).toThrow('32 hexadecimal');
});

test('every flipped bit and every cut is told from a record', () => {
  for (const [name, , behind] of GOLDEN) {
    const good = byHand(behind);
    for (let bit = 0; bit < good.byteLength * 8; bit += 1) {
      const wrong = good.slice();
      wrong[bit >>> 3] = (wrong[bit >>> 3] as number) ^ (1 << (bit & 7));
      expect(typeof decodeRecord(wrong, 0, plainChecksum), `${name}, bit ${bit}`).toBe('string');
    }
    for (let cut = 0; cut < good.byteLength; cut += 1) {
      expect(typeof decodeRecord(good.slice(0, cut), 0, plainChecksum), `${name}, cut at ${cut}`).toBe(
        'string',
      );
    }
  }
});

test('a payload that makes no sense under a right checksum is no record, and never an exception', () => {
  const random = seededRandom(3);
  let records = 0;
  for (let round = 0; round < 20_000; round += 1) {
    const [, , behind] = random.pick(GOLDEN);
    const bytes = byHand(behind);
    for (let change = random.between(1, 3); change > 0; change -= 1) {
      bytes[random.between(RECORD_HEADER_BYTES - 4, bytes.byteLength - 1)] = random.pick([
        0,
        1,
        255,
        random.below(256),
      ]);
    }
    new DataView(bytes.buffer).setUint32(4, plainChecksum(bytes.subarray(8)), true);
    if (typeof decodeRecord(bytes, 0, plainChecksum) !== 'string') records += 1;
  }
  expect(records).toBeGreaterThan(0);
  expect(records).toBeLessThan(20_000);
});
