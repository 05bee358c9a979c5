/**
 * Finds the records that make up the journal behind a checkpoint. A record belongs when it proves itself,
 * follows its predecessor's sequence and names its checksum; the journal ends where the next such record is
 * missing.
 *
 * Within a segment that is all. Between segments there is more to it: an opening that cut the journal
 * (because data of later records was lost) goes on in a segment of its own, and the records it cut may still
 * stand in an older one. So a segment whose first record has sequence N, and names the record N - 1 of the
 * chain so far, replaces what the chain has from N on. A segment that does not fit on at any place is not
 * part of the journal: remains of an older life, or one before which something was lost.
 *
 * The journal is walked twice. The survey decides which records of which segment count, and how far marks
 * prove everything flushed; marks are looked for behind damage as well, since one that stands there says that
 * what is missing had been durable, and is a defect instead of a tail that power loss took. The second walk
 * gives the records. One segment is in memory at a time.
 */
import { StoreError } from '../lun/errors.ts';
import type { Checksum } from './checksum.ts';
import { RECORD_HEADER_BYTES, RECORD_MAGIC } from './journal-record.ts';
import type { JournalSegment, JournalSpace } from './medium/medium.ts';
import { decodeRecord, type RawRecord } from './record-decoder.ts';

const BATCH_RECORDS = 1024;

/** A record, as the end of what is known. Of a pool without any: all 0. */
export interface JournalPosition {
  readonly sequence: number;
  readonly checksum: number;
  readonly epoch: number;
  /** In a checkpoint's state: the first segment that may hold later records. */
  readonly segment: number;
}

/** Records that follow each other in one segment. */
export interface JournalBatch {
  readonly segment: number;
  readonly records: readonly RawRecord[];
}

/** The records of one segment that count: `from` to `to`, both included. */
export interface JournalPiece {
  readonly segment: number;
  readonly from: number;
  readonly to: number;
}

export interface JournalSurvey {
  /** The last record that counts; the start where there is none. */
  readonly end: JournalPosition;
  readonly pieces: readonly JournalPiece[];
  readonly records: number;
  /** Bytes of those records. */
  readonly bytes: number;
  /** The greatest sequence that a mark proves flushed. Beyond the end: the journal is damaged, not torn. */
  readonly flushedSequence: number;
  /** What stands where the next record would. */
  readonly stoppedBy:
    | { readonly segment: number; readonly offsetBytes: number; readonly why: string }
    | undefined;
}

interface Link {
  readonly checksum: number;
  readonly epoch: number;
  readonly bytes: number;
}

/** The records that stand at the begin of one segment, each linked to the one before. */
interface SegmentRun {
  readonly segment: number;
  /** Sequence of the first. */
  readonly first: number;
  /** The predecessor the first one names. */
  readonly previous: number;
  readonly links: readonly Link[];
  readonly stoppedAtBytes: number;
  readonly why: string;
}

interface ChainPiece {
  readonly run: SegmentRun;
  readonly from: number;
  to: number;
}

/** Decides what the journal behind `start` is. Fails with what the medium fails with. */
export async function surveyJournal(
  journal: JournalSpace,
  start: JournalPosition,
  checksum: Checksum,
): Promise<JournalSurvey> {
  const chain = new Chain(start);
  let flushedSequence = 0;
  for await (const segment of journal.replay()) {
    if (segment.number < start.segment) continue;
    const noteMark = (record: RawRecord): void => {
      if (record.body.kind === 'mark')
        flushedSequence = Math.max(flushedSequence, record.body.flushedSequence);
    };
    const run = readRun(segment, checksum, noteMark);
    marksBehind(segment, { from: run.stoppedAtBytes, checksum, noteMark });
    chain.join(run);
  }
  return chain.survey(flushedSequence);
}

/**
 * The records that the survey counted, in order; some at a time, since a turn of an asynchronous generator
 * costs more than a record does. The medium must not have changed since.
 */
export async function* readJournal(
  journal: JournalSpace,
  start: JournalPosition,
  survey: JournalSurvey,
  checksum: Checksum,
): AsyncGenerator<JournalBatch> {
  let sequence = start.sequence;
  for await (const segment of journal.replay()) {
    const piece = survey.pieces.find((candidate) => candidate.segment === segment.number);
    if (piece === undefined) continue;
    let records: RawRecord[] = [];
    for (const record of recordsOf(segment, checksum)) {
      if (record.sequence < piece.from) continue;
      sequence += 1;
      if (record.sequence !== sequence) throw changedUnderRead(sequence);
      records.push(record);
      // What stands behind is not of this journal, whatever sequences it has.
      if (sequence === piece.to) break;
      if (records.length < BATCH_RECORDS) continue;
      yield { segment: segment.number, records };
      records = [];
    }
    if (records.length > 0) yield { segment: segment.number, records };
  }
  if (sequence !== survey.end.sequence) throw changedUnderRead(sequence + 1);
}

function changedUnderRead(sequence: number): StoreError {
  return new StoreError('IO', `Record ${sequence} of the journal was there and is not any more.`);
}

function* recordsOf(segment: JournalSegment, checksum: Checksum): Generator<RawRecord> {
  let offset = 0;
  for (;;) {
    const record = decodeRecord(segment.bytes, offset, checksum);
    if (typeof record === 'string') return;
    yield record;
    offset += record.bytes;
  }
}

function readRun(segment: JournalSegment, checksum: Checksum, take: (record: RawRecord) => void): SegmentRun {
  const links: Link[] = [];
  let first = 0;
  let previous = 0;
  let offset = 0;
  let before: RawRecord | undefined;
  for (;;) {
    const record = decodeRecord(segment.bytes, offset, checksum);
    const why = typeof record === 'string' ? record : linkFault(before, record);
    if (why !== undefined || typeof record === 'string') {
      return { segment: segment.number, first, previous, links, stoppedAtBytes: offset, why: why ?? '' };
    }
    if (before === undefined) ({ sequence: first, previous } = record);
    links.push({ checksum: record.checksum, epoch: record.epoch, bytes: record.bytes });
    take(record);
    offset += record.bytes;
    before = record;
  }
}

function linkFault(before: RawRecord | undefined, record: RawRecord): string | undefined {
  if (before === undefined) return undefined;
  if (record.sequence !== before.sequence + 1) return `its sequence ${record.sequence} does not follow`;
  if (record.previous !== before.checksum) return 'it names another predecessor';
  return record.epoch < before.epoch ? 'it is of an earlier epoch' : undefined;
}

/** Records stand at multiples of 8; each one that proves itself behind a run is looked at. */
function marksBehind(
  segment: JournalSegment,
  search: { from: number; checksum: Checksum; noteMark: (record: RawRecord) => void },
): void {
  const { bytes } = segment;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = search.from;
  while (offset + RECORD_HEADER_BYTES <= bytes.byteLength) {
    if (view.getUint32(offset, true) !== RECORD_MAGIC) {
      offset += 8;
      continue;
    }
    const record = decodeRecord(bytes, offset, search.checksum);
    if (typeof record !== 'string') search.noteMark(record);
    offset += typeof record === 'string' ? 8 : record.bytes;
  }
}

/** The chain as far as it was put together. */
class Chain {
  readonly #start: JournalPosition;
  readonly #pieces: ChainPiece[] = [];
  #stoppedBy: JournalSurvey['stoppedBy'];

  constructor(start: JournalPosition) {
    this.#start = start;
  }

  /** Adds the records of a segment where they fit on. */
  join(run: SegmentRun): void {
    const stop = { segment: run.segment, offsetBytes: run.stoppedAtBytes, why: run.why };
    if (run.links.length === 0) {
      this.#stoppedBy ??= stop;
      return;
    }
    const { sequence } = this.#start;
    const from = Math.max(run.first, sequence + 1);
    const to = run.first + run.links.length - 1;
    const end = this.#pieces.at(-1)?.to ?? sequence;
    const before = from <= end + 1 ? this.#linkAt(from - 1) : undefined;
    if (run.first <= sequence && !this.#holdsStart(run)) return;
    if (from > to) {
      this.#stoppedBy ??= stop;
      return;
    }
    const named = run.first === from ? run.previous : linkOf(run, from - 1)?.checksum;
    const epoch = linkOf(run, from)?.epoch ?? 0;
    if (before === undefined || named !== before.checksum || epoch < before.epoch) {
      this.#stoppedBy ??= { segment: run.segment, offsetBytes: 0, why: `record ${from} does not fit on` };
      return;
    }
    this.#cutFrom(from);
    this.#pieces.push({ run, from, to });
    this.#stoppedBy = stop;
  }

  survey(flushedSequence: number): JournalSurvey {
    let records = 0;
    let bytes = 0;
    for (const { run, from, to } of this.#pieces) {
      records += to - from + 1;
      for (let sequence = from; sequence <= to; sequence += 1) bytes += linkOf(run, sequence)?.bytes ?? 0;
    }
    return {
      end: this.#end(),
      pieces: this.#pieces.map(({ run, from, to }) => ({ segment: run.segment, from, to })),
      records,
      bytes,
      flushedSequence,
      stoppedBy: this.#stoppedBy,
    };
  }

  #end(): JournalPosition {
    const last = this.#pieces.at(-1);
    const link = last === undefined ? undefined : linkOf(last.run, last.to);
    if (last === undefined || link === undefined) return this.#start;
    return { sequence: last.to, checksum: link.checksum, epoch: link.epoch, segment: last.run.segment };
  }

  /** Of a run that begins at or before the start: whether it goes through the very record of the start. */
  #holdsStart(run: SegmentRun): boolean {
    return linkOf(run, this.#start.sequence)?.checksum === this.#start.checksum;
  }

  #linkAt(sequence: number): Pick<Link, 'checksum' | 'epoch'> | undefined {
    if (sequence === this.#start.sequence) return this.#start;
    const piece = this.#pieces.find(({ from, to }) => from <= sequence && sequence <= to);
    return piece === undefined ? undefined : linkOf(piece.run, sequence);
  }

  #cutFrom(sequence: number): void {
    for (
      let last = this.#pieces.at(-1);
      last !== undefined && last.to >= sequence;
      last = this.#pieces.at(-1)
    ) {
      if (last.from < sequence) {
        last.to = sequence - 1;
        return;
      }
      this.#pieces.pop();
    }
  }
}

function linkOf(run: SegmentRun, sequence: number): Link | undefined {
  return run.links[sequence - run.first];
}
