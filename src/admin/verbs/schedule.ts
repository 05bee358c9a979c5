/** Verbs on schedules: set, list, clear. */
import { OperatorError } from '../../../lun/errors.ts';
import { DEFAULT_SCHEDULE, type Retention, type Schedule } from '../../schedules/schedule.ts';
import type { ScheduleState } from '../../schedules/schedules.ts';
import { parseEvery, parseTimes, type When, whenWords } from '../../schedules/timing.ts';
import { type Verb, verb } from '../verb.ts';

/** The document of the command line's contract. */
export interface ScheduleRow {
  readonly name: string;
  readonly luns: readonly string[];
  /** `15m`, `1h`, `1d`, `1w`; or else `at`, HH:MM each, in UTC. */
  readonly every?: string;
  readonly at?: readonly string[];
  /** Empty: everything is kept. */
  readonly keep: Retention;
  readonly lastRun: string | null;
  readonly nextRun: string;
  readonly lastError: string | null;
}

const set = verb({
  name: 'schedule.set',
  changes: true,
  fields: {
    luns: 'strings',
    name: 'string?',
    every: 'string?',
    at: 'strings?',
    keepLast: 'number?',
    keepHourly: 'number?',
    keepDaily: 'number?',
    keepWeekly: 'number?',
    keepMonthly: 'number?',
  },
  async run(context, args) {
    const { keepLast: last, keepHourly: hourly, keepDaily: daily } = args;
    const { keepWeekly: weekly, keepMonthly: monthly } = args;
    const counts = Object.entries({ last, hourly, daily, weekly, monthly });
    const state = await context.schedules.set({
      name: args.name ?? DEFAULT_SCHEDULE,
      luns: args.luns,
      when: whenOf(args),
      keep: Object.fromEntries(counts.filter(([, count]) => count !== undefined)),
    });
    context.log.info('schedule set', {
      event: 'schedule-set',
      schedule: state.name,
      luns: state.luns.join(','),
      next: new Date(state.nextRunMs).toISOString(),
    });
    return scheduleRow(state);
  },
});

function whenOf(args: {
  readonly every?: string | undefined;
  readonly at?: readonly string[] | undefined;
}): When {
  if ((args.every === undefined) === (args.at === undefined)) {
    throw new OperatorError('usage', 'a schedule wants either --every or --at');
  }
  return args.every === undefined ? parseTimes(args.at ?? []) : parseEvery(args.every);
}

const list = verb({
  name: 'schedule.list',
  changes: false,
  fields: {},
  run: (context) => context.schedules.list().map(scheduleRow),
});

const clear = verb({
  name: 'schedule.clear',
  changes: true,
  fields: { luns: 'strings', name: 'string?' },
  async run(context, { luns, name }) {
    const cleared = await context.schedules.clear(luns, name);
    for (const schedule of cleared) {
      context.log.info('schedule cleared', {
        event: 'schedule-cleared',
        schedule: schedule.name,
        luns: schedule.luns.join(','),
      });
    }
    return cleared.map((schedule: Schedule) => ({ name: schedule.name, luns: schedule.luns }));
  },
});

function scheduleRow(state: ScheduleState): ScheduleRow {
  const { name, luns, when, keep, lastRunMs, nextRunMs, lastError } = state;
  return {
    name,
    luns,
    ...whenWords(when),
    keep,
    lastRun: lastRunMs === undefined ? null : new Date(lastRunMs).toISOString(),
    nextRun: new Date(nextRunMs).toISOString(),
    lastError: lastError ?? null,
  };
}

export const SCHEDULE_VERBS: readonly Verb[] = [set, list, clear];
