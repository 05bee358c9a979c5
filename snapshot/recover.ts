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
import { type JournalPosition, readJournal, surveyJournal } from './journal-reader.ts';
import type { Medium } from './medium/medium.ts';
import { applyStructure, type PoolParts } from './parts.ts';
import type { TablePage } from './table-page.ts';
import { standing } from './verify-data.ts';

export interface Replay {
  /** The last record that stands. */
  readonly last: JournalPosition;
  readonly records: number;
  readonly discardedRecords: number;
}

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
  const found = readJournal(journal, start, survey, checksum);
  const { applier } = parts;
  const { data } = parts.medium;
  for await (const batch of standing(found, { data, checksum, flushedSequence: survey.flushedSequence })) {
    for (const { sequence, checksum: sum, epoch, body } of batch.records) {
      if (body.kind === 'write') {
        const { extents, sums } = body;
        const loading = applier.pages.prepare(extents, pins);
        // A journal has more records than may each cost a turn.
        if (loading !== undefined) await loading;
        applier.apply({ sequence, extents, sums, lent: undefined });
        applier.pages.unpin(pins);
        applier.ended();
      } else if (body.kind === 'structure') {
        applyStructure(parts, body.json as CatalogueChange);
      }
      last = { sequence, checksum: sum, epoch, segment: batch.segment };
      records += 1;
    }
  }
  return { last, records, discardedRecords: survey.end.sequence - last.sequence };
}
