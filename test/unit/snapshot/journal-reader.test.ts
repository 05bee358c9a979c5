/**
 * Whatever is cut, flipped, stale or left over in a journal, what is read of it is a prefix of what was
 * written.
 */
import { expect, test } from 'vitest';
import {
  type JournalPosition,
  type JournalSurvey,
  readJournal,
  surveyJournal,
} from '../../../snapshot/journal-reader.ts';
import { RecordEncoder } from '../../../snapshot/journal-record.ts';
import type { JournalSegment, JournalSpace } from '../../../snapshot/medium/medium.ts';
import type { RawRecord } from '../../../snapshot/record-decoder.ts';
import { plainChecksum } from '../../support/plain-checksum.ts';

const NOTHING: JournalPosition = { sequence: 0, checksum: 0, epoch: 0, segment: 0 };
const POOL = '00'.repeat(16);

/** A journal that only holds these segments. */
function journalOf(segments: readonly JournalSegment[]): JournalSpace {
  const unused = (): never => expect.fail('a reader only replays');
  return {
    appendBytesMax: 0,
    segment: 0,
    keptBytes: 0,
    append: unused,
    flush: unused,
    beginSegment: unused,
    dropBefore: unused,
    async *replay() {
      yield* segments;
    },
  };
}

interface Found {
  readonly survey: JournalSurvey;
  readonly records: readonly RawRecord[];
  /** Of each record. */
  readonly segments: readonly number[];
  readonly sequences: readonly number[];
}

async function read(segments: readonly JournalSegment[], start = NOTHING): Promise<Found> {
  const journal = journalOf(segments);
  const survey = await surveyJournal(journal, start, plainChecksum);
  const records: RawRecord[] = [];
  const found: number[] = [];
  for await (const batch of readJournal(journal, start, survey, plainChecksum)) {
    records.push(...batch.records);
    found.push(...batch.records.map(() => batch.segment));
  }
  expect(survey.records).toBe(records.length);
  expect(survey.bytes).toBe(records.reduce((sum, record) => sum + record.bytes, 0));
  return { survey, records, segments: found, sequences: records.map(({ sequence }) => sequence) };
}

const upTo = (first: number, last: number): number[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => first + at);

/** Writes records that tell their writer apart: the VLUN of each is `life`. */
class Writer {
  readonly encoder: RecordEncoder;
  readonly life: number;

  constructor(life: number, after: JournalPosition = NOTHING) {
    this.life = life;
    this.encoder = new RecordEncoder({
      checksum: plainChecksum,
      sequence: after.sequence,
      previous: after.checksum,
      epoch: life,
    });
  }

  writes(count: number): void {
    for (let at = 0; at < count; at += 1) {
      this.encoder.write([{ kind: 'write', vlun: this.life, block: at, blocks: 1, place: 2 + at }], [at]);
    }
  }

  /** What was written since the last call, with this behind it. */
  take(behind: Uint8Array = new Uint8Array(64)): Uint8Array {
    const bytes = Buffer.concat([this.encoder.bytes(), behind]);
    this.encoder.clear();
    return new Uint8Array(bytes);
  }

  get position(): JournalPosition {
    const { sequence, previous } = this.encoder;
    return { sequence, checksum: previous, epoch: this.life, segment: 0 };
  }
}

/** Two segments: SEGMENT, three writes, a mark of 3, a structure; then two writes and a mark of 6. */
function smallJournal(): JournalSegment[] {
  const writer = new Writer(1);
  writer.encoder.segment(POOL);
  writer.writes(3);
  writer.encoder.mark(3);
  writer.encoder.structure({ name: 'disk0' });
  const first = writer.take();
  writer.writes(2);
  writer.encoder.mark(6);
  return [
    { number: 4, bytes: first },
    { number: 7, bytes: writer.take() },
  ];
}

test('a whole journal is read over its segments, empty ones among them', async () => {
  const [first, second] = smallJournal() as [JournalSegment, JournalSegment];
  const empty = [
    { number: 5, bytes: new Uint8Array(0) },
    { number: 6, bytes: new Uint8Array(4096) },
  ];
  const { survey, records, segments, sequences } = await read([
    first,
    ...empty,
    second,
    { number: 9, bytes: new Uint8Array(64) },
  ]);
  expect(sequences).toEqual(upTo(1, 9));
  expect(records.map(({ body }) => body.kind)).toEqual([
    'segment',
    ...['write', 'write', 'write', 'mark', 'structure', 'write', 'write', 'mark'],
  ]);
  expect(segments).toEqual([4, 4, 4, 4, 4, 4, 7, 7, 7]);
  expect(survey.flushedSequence).toBe(6);
  expect(survey.end).toMatchObject({ sequence: 9, epoch: 1, segment: 7 });
});

test('cut anywhere, a journal reads as a prefix', async () => {
  const whole = smallJournal();
  for (const [at, segment] of whole.entries()) {
    for (let cut = 0; cut < segment.bytes.byteLength; cut += 1) {
      for (const rest of ['gone', 'zeroes']) {
        const bytes = rest === 'gone' ? segment.bytes.slice(0, cut) : segment.bytes.slice().fill(0, cut);
        const { sequences } = await read(whole.with(at, { ...segment, bytes }));
        expect(sequences).toEqual(upTo(1, sequences.length));
        if (at === 1) expect(sequences.length).toBeGreaterThanOrEqual(6);
      }
    }
  }
});

test('flipped anywhere, a journal reads as a prefix, and a later mark shows the damage', async () => {
  const whole = smallJournal();
  for (const [at, segment] of whole.entries()) {
    const written = segment.bytes.byteLength - 64;
    for (let byte = 0; byte < written; byte += 1) {
      const bytes = segment.bytes.slice();
      bytes[byte] = (bytes[byte] as number) ^ 0x10;
      const { survey, sequences } = await read(whole.with(at, { ...segment, bytes }));
      expect(sequences).toEqual(upTo(1, sequences.length));
      expect(sequences.length, `byte ${byte} of segment ${at}`).toBeLessThan(9);
      // In the first segment everything is covered by the mark of 6 in the second.
      if (at === 0) expect(survey.flushedSequence).toBeGreaterThan(survey.end.sequence);
      if (at === 0 && sequences.length > 0) expect(survey.stoppedBy).toBeDefined();
    }
  }
});

test('a damaged record before a mark in the same segment is damage, one behind the last mark a torn tail', async () => {
  const writer = new Writer(1);
  writer.writes(4);
  const begin = writer.encoder.byteLength;
  writer.encoder.mark(4);
  writer.writes(2);
  const bytes = writer.take();
  const flip = async (offset: number): Promise<JournalSurvey> => {
    const wrong = bytes.slice();
    wrong[offset] = (wrong[offset] as number) ^ 1;
    return (await read([{ number: 1, bytes: wrong }])).survey;
  };
  const damaged = await flip(90);
  expect([damaged.end.sequence, damaged.flushedSequence]).toEqual([1, 4]);
  const torn = await flip(begin + 45);
  expect([torn.end.sequence, torn.flushedSequence]).toEqual([5, 4]);
  expect(torn.stoppedBy).toMatchObject({ segment: 1, offsetBytes: begin + 40, why: 'its checksum is wrong' });
});

test('reading begins behind the start, in whichever segment that is, and only where the record of the start fits', async () => {
  const writer = new Writer(1);
  writer.writes(3);
  const start = { ...writer.position, segment: 2 };
  writer.writes(3);
  const bytes = writer.take();
  expect((await read([{ number: 2, bytes }], start)).sequences).toEqual([4, 5, 6]);
  expect((await read([{ number: 1, bytes }], start)).sequences).toEqual([]);
  expect((await read([{ number: 2, bytes }], { ...start, checksum: 1 })).sequences).toEqual([]);
  expect((await read([], start)).survey.end).toEqual(start);
  const other = new Writer(1, start);
  other.writes(2);
  expect((await read([{ number: 3, bytes: other.take() }], start)).sequences).toEqual([4, 5]);
});

test('an opening that cut the journal goes on in a later segment, and what it cut does not come back', async () => {
  const first = new Writer(1);
  first.writes(5);
  const cutAt = first.position;
  first.writes(4);
  const old = first.take();
  const second = new Writer(2, cutAt);
  second.writes(2);
  const next = second.take();
  const { records, survey } = await read([
    { number: 1, bytes: old },
    { number: 2, bytes: next },
  ]);
  expect(records.map(({ sequence, epoch }) => [sequence, epoch])).toEqual([
    ...[1, 2, 3, 4, 5].map((sequence) => [sequence, 1]),
    [6, 2],
    [7, 2],
  ]);
  expect(survey.pieces).toEqual([
    { segment: 1, from: 1, to: 5 },
    { segment: 2, from: 6, to: 7 },
  ]);
  // The next opening found nothing of that: it cut at the same place once more.
  const third = new Writer(3, cutAt);
  third.writes(1);
  const again = await read([
    { number: 1, bytes: old },
    { number: 2, bytes: next },
    { number: 5, bytes: third.take() },
  ]);
  expect(again.records.map(({ epoch }) => epoch)).toEqual([1, 1, 1, 1, 1, 3]);
});

test('remains behind the last append of a segment are not taken for records, wherever they were cut', async () => {
  const old = new Writer(1);
  old.writes(6);
  const stale = old.take(new Uint8Array(0));
  const writer = new Writer(2);
  writer.writes(2);
  const fresh = writer.take(new Uint8Array(0));
  for (let from = 0; from < stale.byteLength; from += 8) {
    const bytes = new Uint8Array(Buffer.concat([fresh, stale.subarray(from)]));
    expect((await read([{ number: 1, bytes }])).sequences).toEqual([1, 2]);
  }
  // Records of the same life in a file used again: they are older than what was written last.
  const life = new Writer(1);
  life.writes(6);
  const older = life.take(new Uint8Array(0));
  const start = { ...life.position, segment: 3 };
  life.writes(1);
  const bytes = new Uint8Array(Buffer.concat([life.take(new Uint8Array(0)), older]));
  expect((await read([{ number: 3, bytes }], start)).sequences).toEqual([7]);
});

test('a segment that does not fit on is left out', async () => {
  const writer = new Writer(1);
  writer.writes(3);
  const first = writer.take();
  writer.writes(2);
  writer.take();
  writer.writes(2);
  const third = writer.take();
  const gap = await read([
    { number: 1, bytes: first },
    { number: 3, bytes: third },
  ]);
  expect(gap.sequences).toEqual([1, 2, 3]);
  const stranger = new Writer(4, { sequence: 2, checksum: 99, epoch: 1, segment: 0 });
  stranger.writes(3);
  const strange = await read([
    { number: 1, bytes: first },
    { number: 2, bytes: stranger.take() },
  ]);
  expect(strange.records.map(({ epoch }) => epoch)).toEqual([1, 1, 1]);
  expect(strange.survey.stoppedBy).toBeDefined();
});

test('a record of an earlier epoch than its predecessor does not follow', async () => {
  const writer = new Writer(2);
  writer.writes(2);
  const before = writer.take(new Uint8Array(0));
  const earlier = new Writer(1, writer.position);
  earlier.writes(1);
  const bytes = new Uint8Array(Buffer.concat([before, earlier.take()]));
  const { sequences, survey } = await read([{ number: 1, bytes }]);
  expect(sequences).toEqual([1, 2]);
  expect(survey.stoppedBy?.why).toBe('it is of an earlier epoch');
});

test('a medium that changes between the two walks is an error of the medium', async () => {
  const segments = smallJournal();
  const survey = await surveyJournal(journalOf(segments), NOTHING, plainChecksum);
  const drain = async (): Promise<void> => {
    for await (const batch of readJournal(journalOf(segments.slice(0, 1)), NOTHING, survey, plainChecksum)) {
      for (const { sequence } of batch.records) expect(sequence).toBeLessThan(7);
    }
  };
  await expect(drain()).rejects.toMatchObject({ code: 'IO' });
});
