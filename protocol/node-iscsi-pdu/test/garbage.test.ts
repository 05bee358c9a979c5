// Shows that no stream of bytes makes the codec do anything but give frames or throw a PduError, and that it
// never holds more than one PDU of the limit: 100,000 seeded random streams, through the deframer and then
// through every reader.

import {
  Deframer,
  decodeLun,
  decodeText,
  encodeText,
  type Frame,
  PduError,
  parseAhs,
  parseLun,
  pduOfOpcode,
} from 'node-iscsi-pdu';
import { expect, test } from 'vitest';
import { type Random, seededRandom } from './support/random.ts';

const SEED = 20140401;
const STREAMS = 100_000;

/** Header, the most AHS there can be, both digests; the data limit is added to it. */
const OVERHEAD_BYTES = 48 + 1020 + 8;

/** Garbage whose lengths are small often enough for whole frames to come out of it. */
function garbage(random: Random): Uint8Array {
  const bytes = random.bytes(random.below(160));
  for (let at = 4; at < bytes.length && random.chance(0.9); at += 52) {
    bytes[at] = random.chance(0.7) ? 0 : random.below(8);
    bytes.fill(0, at + 1, at + 3);
    if (at + 3 < bytes.length) bytes[at + 3] = random.below(72);
  }
  return bytes;
}

function swallow(read: () => unknown, where: string): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof PduError)) expect.fail(`${where} threw ${error}`);
  }
}

function readEverything(frame: Frame, where: string): void {
  swallow(() => parseAhs(frame.ahs, frame.bhs), where);
  swallow(() => encodeText(decodeText(frame.data)), where);
  parseLun(frame.bhs, 8);
  decodeLun(frame.bhs, 8);
  pduOfOpcode(frame.opcode)?.decode(frame.bhs);
}

test(`garbage gives frames or a PduError, and is never buffered beyond the limit (seed ${SEED})`, () => {
  const random = seededRandom(SEED);
  const outcomes = { frames: 0, refused: 0, unfinished: 0 };
  for (let round = 0; round < STREAMS; round += 1) {
    const where = `round ${round} of seed ${SEED}`;
    const limit = random.below(64);
    const digests = { headerDigest: random.chance(0.1), dataDigest: random.chance(0.5) };
    const deframer = new Deframer({ maxDataSegmentLength: limit, ...digests });
    const stream = garbage(random);
    for (let at = 0; at < stream.length; ) {
      const count = 1 + random.below(100);
      deframer.push(stream.subarray(at, at + count));
      at += count;
      swallow(() => {
        try {
          for (let frame = deframer.next(); frame !== undefined; frame = deframer.next()) {
            outcomes.frames += 1;
            readEverything(frame, where);
            if (frame.data.length > limit) expect.fail(`${where}: a frame over the limit`);
          }
        } catch (error) {
          outcomes.refused += 1;
          throw error;
        }
      }, where);
      if (deframer.bufferedBytes > OVERHEAD_BYTES + limit) expect.fail(`${where}: too much is buffered`);
    }
    if (deframer.bufferedBytes > 0) outcomes.unfinished += 1;
  }
  expect(Object.values(outcomes).every((count) => count > STREAMS / 100)).toBe(true);
});
