/**
 * Bringing a pool's structures up to the last record that stands (SYSTEM.md §6, promises 3 and 8).
 *
 * Data and journal are made durable and what is cached of them is dropped, so that what is read is what is
 * stored. The journal is walked from the last checkpoint to the first record that does not prove itself. The
 * last flush mark says how far everything is known to be durable: damage up to there is refused, never cut
 * away. Records after it may be there while the data they point at is not, so each is checked against its
 * data before it is applied; the first that fails ends the replay, and everything from it on is discarded
 * (the prefix rule).
 */
import { OperatorError } from '../lun/errors.ts';
import type { CatalogueChange } from './catalogue.ts';
import {
  type JournalPosition,
  type JournalRecord,
  type JournalSurvey,
  readJournal,
  surveyJournal,
} from './journal-reader.ts';
import { type Extent, hasData, hasSums } from './journal-record.ts';
import { type Medium, POOL_BLOCK_BYTES } from './medium/medium.ts';
import { applyStructure, type PoolParts } from './parts.ts';
import type { TablePage } from './table-page.ts';

export interface Replay {
  /** The last record that stands. */
  readonly last: JournalPosition;
  readonly records: number;
  readonly discardedRecords: number;
}

/** Read again what is checked: one run at a time, at most this many blocks. */
const VERIFY_BLOCKS = 256;

/** So many records are compared with their data at once, ahead of the one that is applied. */
const VERIFY_AHEAD = 32;

/** To come before anything is read of the medium. */
export async function settleMedium(medium: Medium): Promise<void> {
  await Promise.all([medium.data.flush(), medium.journal.flush()]);
  await medium.dropCaches();
}

/** Applies what the journal holds. OperatorError 'damaged', or the medium's StoreError. */
export async function replay(parts: PoolParts, start: JournalPosition): Promise<Replay> {
  const { journal } = parts.medium;
  const checksum = (bytes: Uint8Array): number => parts.environment.checksum(bytes);
  const survey = await surveyJournal(journal, start, checksum);
  if (survey.flushedSequence > survey.end.sequence) {
    throw new OperatorError(
      'damaged',
      `The journal of ${parts.medium.description} is damaged after record ${survey.end.sequence}, though record ` +
        `${survey.flushedSequence} was flushed. Run 'pool check' on it; nothing was changed.`,
    );
  }
  let last = start;
  let records = 0;
  const pins = new Set<TablePage>();
  for await (const record of verified(parts, readJournal(journal, start, survey, checksum), survey)) {
    const { body, sequence } = record;
    if (body.kind === 'write') {
      await parts.applier.pages.prepare(body.extents, pins);
      const { extents, sums } = body;
      parts.applier.apply({ sequence, extents, sums, lent: undefined });
      parts.applier.pages.unpin(pins);
      parts.applier.ended();
    } else if (body.kind === 'structure') {
      applyStructure(parts, body.json as CatalogueChange);
    }
    last = { sequence, checksum: record.checksum, epoch: record.epoch, segment: record.segment };
    records += 1;
  }
  return { last, records, discardedRecords: survey.end.sequence - last.sequence };
}

interface Verification {
  readonly record: JournalRecord;
  /** Whether its data stands, or why that cannot be said; never rejects. */
  readonly outcome: Promise<boolean | { readonly cause: unknown }> | true;
}

/** The records up to the first whose data does not stand. Data is read some records ahead, all at once. */
async function* verified(
  parts: PoolParts,
  records: AsyncIterable<JournalRecord>,
  survey: JournalSurvey,
): AsyncGenerator<JournalRecord> {
  const ahead: Verification[] = [];
  try {
    for await (const record of records) {
      const { body, sequence } = record;
      const durable = sequence <= survey.flushedSequence || body.kind !== 'write';
      const outcome =
        durable || dataStands(parts, body.extents, body.sums).catch((cause: unknown) => ({ cause }));
      ahead.push({ record, outcome });
      if (ahead.length < VERIFY_AHEAD) continue;
      const next = await standing(ahead.shift() as Verification);
      if (next === undefined) return;
      yield next;
    }
    for (let next = ahead.shift(); next !== undefined; next = ahead.shift()) {
      const record = await standing(next);
      if (record === undefined) return;
      yield record;
    }
  } finally {
    // Nothing may still be read when the caller goes on, or closes the medium.
    for (const { outcome } of ahead) await outcome;
  }
}

async function standing({ record, outcome }: Verification): Promise<JournalRecord | undefined> {
  const stands = await outcome;
  if (typeof stands === 'object') throw stands.cause;
  return stands ? record : undefined;
}

/** Every block the record points at is what the record says. */
async function dataStands(parts: PoolParts, extents: readonly Extent[], sums: Uint32Array): Promise<boolean> {
  let sumAt = 0;
  for (const { kind, place, blocks } of extents) {
    if (!hasData(kind)) {
      // What is shared was data of an earlier record, and was compared with that where it had to be.
      if (hasSums(kind)) sumAt += blocks;
      continue;
    }
    for (let done = 0; done < blocks; done += VERIFY_BLOCKS) {
      const count = Math.min(VERIFY_BLOCKS, blocks - done);
      const bytes = new Uint8Array(count * POOL_BLOCK_BYTES);
      await parts.medium.data.read(place + done, bytes);
      for (let at = 0; at < count; at += 1, sumAt += 1) {
        const block = bytes.subarray(at * POOL_BLOCK_BYTES, (at + 1) * POOL_BLOCK_BYTES);
        if (parts.environment.checksum(block) !== sums[sumAt]) return false;
      }
    }
  }
  return true;
}
