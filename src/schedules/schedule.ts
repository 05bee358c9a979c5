/**
 * A schedule: of which LUNs a snapshot is taken, when, and which of those it took are kept. A document of the
 * pool each, so that a restart forgets nothing.
 */
import { strict as assert } from 'node:assert';
import { OperatorError } from '../../lun/errors.ts';
import { checkWhen, type When } from './timing.ts';

/** How many of each kind of period keep their newest snapshot; all of them are kept where none is named. */
export interface Retention {
  readonly last?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
}

export interface Schedule {
  /** What the names of its snapshots begin with. */
  readonly name: string;
  /** Their snapshots are of one point in time. A LUN has at most one schedule of a name. */
  readonly luns: readonly string[];
  readonly when: When;
  readonly keep: Retention;
  /** Milliseconds since 1970, as `lastRunMs`: what would have been due before is not made up for. */
  readonly setAtMs: number;
  readonly lastRunMs?: number;
}

/** The name it has when none is given. */
export const DEFAULT_SCHEDULE = 'auto';
export const SCHEDULE_DOCUMENTS = 'schedule/';

const NAME = /^[A-Za-z0-9._-]+$/;
/** A snapshot's name has 64 characters at most, and 17 of them are `-20261125T140000Z`. */
const NAME_CHARACTERS_MAX = 47;
const KEEP_MAX = 100_000;

/** Refuses a schedule that makes no sense: OperatorError bad-name, bad-schedule. */
export function checkSchedule(schedule: Schedule): void {
  const { name, luns, when, keep } = schedule;
  if (!NAME.test(name) || name.length > NAME_CHARACTERS_MAX) {
    throw new OperatorError(
      'bad-name',
      `a schedule is named with 1 to ${NAME_CHARACTERS_MAX} of A-Z a-z 0-9 . _ -, not "${name}"`,
    );
  }
  if (new Set(luns).size < luns.length || luns.length === 0) {
    throw new OperatorError('bad-schedule', 'a schedule names one LUN or several, each once');
  }
  checkWhen(when);
  const counts = Object.entries(keep) as Array<[keyof Retention, number]>;
  for (const [period, count] of counts) {
    if (Number.isInteger(count) && count >= 0 && count <= KEEP_MAX) continue;
    throw new OperatorError('bad-schedule', `--keep-${period} wants a whole number from 0 to ${KEEP_MAX}`);
  }
  if (counts.length > 0 && counts.every(([, count]) => count === 0)) {
    throw new OperatorError('bad-schedule', 'a schedule that keeps nothing takes nothing; clear it instead');
  }
}

/** `auto-20261125T140000Z`: the name of the schedule and the time (UTC). */
export function snapshotNameAt(schedule: string, atMs: number): string {
  const [date = '', time = ''] = new Date(atMs).toISOString().split('T');
  return `${schedule}-${date.replaceAll('-', '')}T${time.slice(0, 8).replaceAll(':', '')}Z`;
}

/** Documents were written by this program and are checksummed: a wrong form is our own fault. */
export function asSchedule(value: unknown): Schedule {
  assert(typeof value === 'object' && value !== null && 'luns' in value && 'when' in value);
  return value as Schedule;
}
