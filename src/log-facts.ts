/** How weighty each kind of fact is; the words come with the fact. */
import type { Fact, FactKind } from '../protocol/iscsi/effects.ts';
import type { PoolFact } from '../snapshot/pool-types.ts';
import type { DamagedRange } from '../snapshot/scrub-report.ts';
import type { Log, LogFields, LogLevel } from './log.ts';

const LEVEL_OF: Readonly<Record<FactKind, LogLevel>> = {
  'login-refused': 'warn',
  'authentication-failed': 'warn',
  'session-opened': 'info',
  'session-closed': 'info',
  'session-reinstated': 'info',
  'protocol-error': 'warn',
  'digest-error': 'warn',
  'limit-reached': 'warn',
  'timed-out': 'warn',
  'task-management': 'info',
  'internal-error': 'error',
};

export const FACT_KINDS = Object.keys(LEVEL_OF) as readonly FactKind[];

/** Something that a peer can bring about as often as it likes. */
export function isPeersFault(fact: Fact): boolean {
  return LEVEL_OF[fact.kind] === 'warn';
}

export function logFact(log: Log, who: LogFields, fact: Fact): void {
  log[LEVEL_OF[fact.kind]](fact.message, { event: fact.kind, ...who, ...fact.details });
}

export function logPoolFact(log: Log, fact: PoolFact): void {
  const event = `pool-${fact.type}`;
  switch (fact.type) {
    case 'failed':
      log.error('the pool failed: nothing is acknowledged any more; stop the server and run pool check', {
        event,
        why: fact.why,
        cause: messageOf(fact.cause),
      });
      return;
    case 'recovered':
      if (fact.records === 0 && fact.discardedRecords === 0) return;
      log.info('the pool was not closed; its journal was replayed', {
        event,
        records: fact.records,
        discardedRecords: fact.discardedRecords,
        durationMs: Math.round(fact.durationMs),
      });
      return;
    case 'checkpoint':
      log.debug('checkpoint', { event, pages: fact.pages, durationMs: Math.round(fact.durationMs) });
      return;
    case 'checkpoint-failed':
      log.error('a checkpoint did not complete; the journal grows until one does', {
        event,
        cause: messageOf(fact.cause),
      });
      return;
    case 'corrupt':
      log.error('a stored block failed its checksum and was not returned', {
        event,
        unit: fact.unit,
        lba: fact.lba,
        place: fact.place,
      });
      return;
    case 'damaged':
      log.error('a scrub found damage', { event, what: fact.what, readBy: rangesText(fact.ranges) });
      return;
    case 'threshold':
    case 'full':
      logSpace(log, event, fact);
      return;
    case 'purged':
      logPurge(log, event, fact);
      return;
    case 'background-failed':
      log.error('a step of the background failed and is tried again', {
        event,
        what: fact.what,
        cause: messageOf(fact.cause),
      });
      return;
    default:
      fact satisfies never;
  }
}

/** Who reads what is damaged, for people. */
export function rangesText(ranges: readonly DamagedRange[]): string {
  if (ranges.length === 0) return 'nobody';
  return ranges
    .map(({ unit, lba, blocks }) => `${unit} LBA ${lba}${blocks > 1 ? `-${lba + blocks - 1}` : ''}`)
    .join(', ');
}

function logSpace(log: Log, event: string, fact: Extract<PoolFact, { type: 'threshold' | 'full' }>): void {
  const { type, ...fields } = fact;
  if (type === 'threshold') {
    log.warn('the pool runs out of space: delete or unmap something, or grow it', { event, ...fields });
  } else {
    log.error('the pool is full: writes of new blocks fail; delete or unmap something, or grow it', {
      event,
      ...fields,
    });
  }
}

function logPurge(log: Log, event: string, fact: Extract<PoolFact, { type: 'purged' }>): void {
  const { unit, keptBytes } = fact;
  log.info('what a disk had given back was erased; what snapshots keep of it stays', {
    event,
    unit,
    keptBytes,
  });
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
