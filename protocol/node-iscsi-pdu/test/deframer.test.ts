// Shows that the deframer gives the same frames however a stream is cut, with AHSes, padding and digests in
// every combination, that limits and digests can change between frames, and that what is wrong is refused
// before it is buffered. The streams are put together by hand, with a digest computed one bit at a time.

import { CountedMemory, Deframer, type DeframerOptions, type Frame, PduError } from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { joined } from './support/bytes.ts';
import { seededRandom } from './support/random.ts';
import { type Digests, onTheWire, pdu, type WirePdu } from './support/wire.ts';

const SEED = 11;
const LIMIT = 2048;

const random = seededRandom(SEED);
const PDUS: readonly WirePdu[] = [0, 1, 2, 3, 4, 5, 511, LIMIT].flatMap((dataBytes) =>
  [0, 4, 1020].map((ahsBytes) =>
    pdu(0x41 + (dataBytes % 5), { ahs: random.bytes(ahsBytes), data: random.bytes(dataBytes) }),
  ),
);

function deframer(digests: Digests, options: Partial<DeframerOptions> = {}): Deframer {
  const { header, data } = digests;
  return new Deframer({ maxDataSegmentLength: LIMIT, headerDigest: header, dataDigest: data, ...options });
}

function frameOf({ bhs, ahs, data }: WirePdu, dataDigestOk = true): Frame {
  const first = bhs[0] as number;
  return {
    opcode: first & 0x3f,
    immediate: (first & 0x40) > 0,
    bhs,
    ahs,
    data,
    dataDigestOk,
    memory: undefined,
  };
}

/** What a frame says, wherever it lies. */
function plain(frame: Frame): Frame {
  return { ...frame, memory: undefined };
}

function drainOne(from: Deframer): Frame | undefined {
  const frame = from.next();
  return frame === undefined ? undefined : plain(frame);
}

function drain(from: Deframer): Frame[] {
  const frames: Frame[] = [];
  for (let frame = from.next(); frame !== undefined; frame = from.next()) frames.push(plain(frame));
  return frames;
}

/** A frame as one line of text: much faster to compare than its arrays. */
function textOf({ opcode, immediate, bhs, ahs, data, dataDigestOk }: Frame): string {
  const [header, more, body] = [bhs, ahs, data].map((bytes) => Buffer.from(bytes).toString('hex'));
  return [opcode, immediate, header, more, body, dataDigestOk].join(' ');
}

function thrownBy(action: () => unknown): PduError {
  try {
    action();
  } catch (error) {
    if (error instanceof PduError) return error;
    throw error;
  }
  return expect.fail('nothing was thrown');
}

const EVERY_DIGEST: readonly Digests[] = [
  { header: false, data: false },
  { header: true, data: false },
  { header: false, data: true },
  { header: true, data: true },
];

describe.each(EVERY_DIGEST)('with digests %o', (digests) => {
  const stream = joined(PDUS.map((one) => onTheWire(one, digests)));
  const expected = PDUS.map((one) => frameOf(one));

  test('a stream in one chunk gives its frames as views of the chunk', () => {
    const subject = deframer(digests);
    subject.push(stream);
    const frames = drain(subject);
    expect(frames).toEqual(expected);
    expect(frames.every(({ bhs }) => bhs.buffer === stream.buffer)).toBe(true);
    expect(subject.bufferedBytes).toBe(0);
  });

  test('a stream byte by byte gives the same frames, each as soon as its last byte is there', () => {
    const subject = deframer(digests);
    let ends = 0;
    const endOf = new Set<number>();
    for (const one of PDUS) {
      ends += onTheWire(one, digests).length;
      endOf.add(ends);
    }
    const frames: Frame[] = [];
    for (let at = 0; at < stream.length; at += 1) {
      subject.push(stream.slice(at, at + 1));
      const found = drain(subject);
      if (found.length !== Number(endOf.has(at + 1))) expect.fail(`after byte ${at}: ${found.length} frames`);
      frames.push(...found);
    }
    expect(frames.map(textOf)).toEqual(expected.map(textOf));
  });

  test(`a stream cut anywhere gives the same frames (seed ${SEED})`, () => {
    const cuts = seededRandom(SEED);
    for (let round = 0; round < 40; round += 1) {
      const subject = deframer(digests);
      const frames: Frame[] = [];
      const chunkBytesMax = [8, 60, 600, 9000][round % 4] as number;
      for (let at = 0; at < stream.length; ) {
        const count = Math.min(1 + cuts.below(chunkBytesMax), stream.length - at);
        subject.push(stream.subarray(at, at + count));
        at += count;
        if (cuts.chance(0.7)) frames.push(...drain(subject));
      }
      frames.push(...drain(subject));
      expect(frames.map(textOf)).toEqual(expected.map(textOf));
      expect(subject.bufferedBytes).toBe(0);
    }
  });

  test('bytes behind a frame stay for the next one', () => {
    for (const one of PDUS) {
      const whole = onTheWire(one, digests);
      const subject = deframer(digests);
      subject.push(joined([whole, whole.subarray(0, 47)]));
      expect(drainOne(subject)).toEqual(frameOf(one));
      expect(subject.next()).toBeUndefined();
      expect(subject.bufferedBytes).toBe(47);
      subject.push(whole.subarray(47));
      expect(drainOne(subject)).toEqual(frameOf(one));
    }
  });
});

test('a chunk that is a view into a larger buffer, like those of a socket, is read at its own place', () => {
  const one = pdu(1, { data: Uint8Array.of(1, 2, 3) });
  const pool = joined([new Uint8Array(13).fill(0xee), onTheWire(one), new Uint8Array(9).fill(0xee)]);
  const subject = deframer({ header: false, data: false });
  subject.push(Buffer.from(pool.buffer, 13, 52));
  expect(drainOne(subject)).toEqual(frameOf(one));
});

test('a data segment over the limit is refused from its header alone, and nothing of it is buffered', () => {
  const one = pdu(1, { data: new Uint8Array(LIMIT + 1) });
  for (const chunkBytes of [1, 48, 52, 10_000]) {
    const subject = deframer({ header: false, data: false });
    const wire = onTheWire(one);
    let failure: PduError | undefined;
    for (let at = 0; at < 48; at += chunkBytes) {
      subject.push(wire.subarray(at, at + chunkBytes));
      if (at + chunkBytes >= 48) failure = thrownBy(() => subject.next());
      else expect(subject.next()).toBeUndefined();
    }
    expect(failure?.kind).toBe('too-large');
    expect(failure?.bhs).toEqual(one.bhs);
    expect(subject.bufferedBytes).toBe(0);
  }
});

test('a failure ends the stream: every further call throws it again and nothing more is taken in', () => {
  const subject = deframer({ header: false, data: false });
  subject.push(onTheWire(pdu(1, { data: new Uint8Array(LIMIT + 1) })));
  const failure = thrownBy(() => subject.next());
  subject.push(onTheWire(pdu(0)));
  expect(subject.bufferedBytes).toBe(0);
  expect(thrownBy(() => subject.next())).toBe(failure);
});

test('a header digest finds every single bit error; the frame before it is still given', () => {
  const digests = { header: true, data: true };
  const good = pdu(1, { ahs: Uint8Array.of(0, 5, 2, 0, 0, 0, 1, 0), data: Uint8Array.of(1, 2, 3) });
  const wire = onTheWire(good, digests);
  for (let bit = 0; bit < 8 * (48 + 8 + 4); bit += 1) {
    const lengthField = bit >= 8 * 4 && bit < 8 * 8;
    if (lengthField) continue;
    const broken = wire.slice();
    broken[bit >>> 3] = (broken[bit >>> 3] as number) ^ (1 << (bit & 7));
    for (const chunks of [
      [wire, broken],
      [joined([wire, broken])],
      [wire, broken.slice(0, 62), broken.slice(62)],
      [wire.slice(0, 62), wire.slice(62), broken.slice(0, 62), broken.slice(62)],
    ]) {
      const subject = deframer(digests);
      for (const chunk of chunks) subject.push(chunk);
      expect(drainOne(subject)).toEqual(frameOf(good));
      const failure = thrownBy(() => subject.next());
      expect(failure.kind).toBe('header-digest');
      expect(failure.bhs).toEqual(broken.subarray(0, 48));
    }
  }
});

test('a wrong header digest is reported before the data has come', () => {
  const wire = onTheWire(pdu(1, { data: new Uint8Array(1000) }), { header: true, data: false });
  wire[50] = (wire[50] as number) ^ 1;
  const subject = deframer({ header: true, data: false });
  subject.push(wire.subarray(0, 51));
  expect(subject.next()).toBeUndefined();
  subject.push(wire.subarray(51, 60));
  expect(thrownBy(() => subject.next()).kind).toBe('header-digest');
});

test('wrong data or padding is marked, and the stream goes on', () => {
  const digests = { header: false, data: true };
  const one = pdu(5, { data: Uint8Array.of(1, 2, 3, 4, 5) });
  const after = onTheWire(pdu(0), digests);
  for (const at of [48, 52, 53, 55, 56, 59]) {
    const broken = onTheWire(one, digests);
    broken[at] = (broken[at] as number) ^ 0x10;
    const data = broken.slice(48, 53);
    for (const chunks of [[joined([broken, after])], [broken.slice(0, 50), broken.slice(50), after]]) {
      const subject = deframer(digests);
      for (const chunk of chunks) subject.push(chunk);
      expect(drain(subject)).toEqual([frameOf({ ...one, data }, false), frameOf(pdu(0))]);
    }
  }
});

test('digests and limit change between two frames of one chunk', () => {
  const large = pdu(1, { data: new Uint8Array(LIMIT) });
  const subject = new Deframer({ maxDataSegmentLength: 100 });
  const digests = { header: true, data: true };
  subject.push(joined([onTheWire(pdu(3)), onTheWire(large, digests), onTheWire(pdu(6))]));
  expect(drainOne(subject)).toEqual(frameOf(pdu(3)));
  subject.setDigests(digests);
  subject.setMaxDataSegmentLength(LIMIT);
  expect(drainOne(subject)).toEqual(frameOf(large));
  subject.setDigests({ header: false, data: false });
  expect(drainOne(subject)).toEqual(frameOf(pdu(6)));
});

test('a PDU under way keeps the digests that it began with', () => {
  const one = pdu(1, { data: Uint8Array.of(1) });
  const wire = onTheWire(one, { header: true, data: true });
  const subject = deframer({ header: true, data: true });
  subject.push(wire.subarray(0, 50));
  expect(subject.next()).toBeUndefined();
  subject.setDigests({ header: false, data: false });
  subject.push(wire.subarray(50));
  expect(drainOne(subject)).toEqual(frameOf(one));
});

test('a CRC32C that is handed in is the one that is used', () => {
  const digests = { header: true, data: true };
  let sums = 0;
  const subject = deframer(digests, {
    crc32c: () => {
      sums += 1;
      return 0;
    },
  });
  const wire = onTheWire(pdu(1, { data: Uint8Array.of(1) }), digests);
  wire.fill(0, 48, 52);
  wire.fill(0, 56);
  subject.push(wire);
  expect(subject.next()?.dataDigestOk).toBe(true);
  expect(sums).toBe(2);
});

test('a limit that no DataSegmentLength can reach is refused', () => {
  expect(() => new Deframer({ maxDataSegmentLength: 2 ** 24 })).toThrow(RangeError);
  expect(() => new Deframer({ maxDataSegmentLength: 10 }).setMaxDataSegmentLength(-1)).toThrow(RangeError);
});

test('memory that nobody holds is used again, and what is held does not change', () => {
  const dice = seededRandom(SEED);
  const digests = { header: true, data: true };
  const stream = joined(PDUS.map((one) => onTheWire(one, digests)));
  const expected = PDUS.map((one) => textOf(frameOf(one)));
  const given = new Set<Uint8Array>();
  let chunksUnused = 0;
  const poison = (bytes: Uint8Array): void => void bytes.fill(0xee);
  const buffers = {
    allocate: (bytes: number): Uint8Array => new Uint8Array(bytes).fill(0xdd),
    giveBack: (buffer: Uint8Array): void => {
      expect(given.has(buffer), 'a buffer comes back once').toBe(false);
      given.add(buffer);
      poison(buffer);
    },
  };
  for (let round = 0; round < 50; round += 1) {
    const from = deframer(digests, { buffers });
    const seen: string[] = [];
    const kept: Array<{ frame: Frame; text: string }> = [];
    for (let at = 0; at < stream.length; ) {
      const end = at + 1 + dice.below(1500);
      const memory = new CountedMemory(stream.slice(at, end), ({ bytes }) => {
        chunksUnused += 1;
        poison(bytes);
      });
      from.push(memory.bytes, memory);
      at = end;
      for (let frame = from.next(); frame !== undefined; frame = from.next()) {
        const text = textOf(frame);
        seen.push(text);
        if (dice.chance(0.5)) continue;
        frame.memory?.hold();
        kept.push({ frame, text });
      }
    }
    expect(seen, `seed ${SEED} round ${round}`).toEqual(expected);
    for (const { frame, text } of kept) {
      expect(textOf(frame), `seed ${SEED} round ${round}`).toBe(text);
      frame.memory?.release();
    }
  }
  expect(given.size).toBeGreaterThan(50);
  expect(chunksUnused).toBeGreaterThan(50);
});

test('memory that is released more often than held is a mistake', () => {
  const memory = new CountedMemory(new Uint8Array(1), () => undefined);
  expect(() => memory.release()).toThrow(RangeError);
});
