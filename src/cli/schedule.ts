/** `snaplun schedule …`: snapshots that the server takes and deletes by itself. */
import type { Argv } from 'yargs';
import type { ScheduleRow } from '../admin/verbs/schedule.ts';
import { type GlobalOptions, runVerb } from './command.ts';
import { table } from './table.ts';

const LUNS = {
  type: 'string',
  demandOption: true,
  describe: 'NAME, or NAME,NAME,… for one common point',
} as const;
const KEEP = { type: 'number', nargs: 1 } as const;

export function scheduleCommands(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root.command('schedule', 'snapshots that are taken and deleted by themselves', (schedule) =>
    listCommand(clearCommand(setCommand(schedule)))
      .demandCommand(1, 'schedule what? See `snaplun schedule --help`')
      .example('$0 schedule set db,log --every 1h --keep-hourly 24 --keep-daily 7', 'db@auto-…, log@auto-…'),
  );
}

function setCommand(schedule: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return schedule.command(
    'set <names> [schedule]',
    'take snapshots of one or more LUNs from now on, or change how; times are UTC',
    (command) =>
      command
        .positional('names', LUNS)
        .positional('schedule', {
          type: 'string',
          describe: 'name of the schedule, with which its snapshots begin (default: auto)',
        })
        .option('every', { type: 'string', nargs: 1, describe: 'interval: 15m, 1h, 1d, 1w' })
        .option('at', { type: 'string', array: true, nargs: 1, describe: 'HH:MM in UTC, one or several' })
        .option('keep-last', { ...KEEP, describe: 'keep the newest so many' })
        .option('keep-hourly', { ...KEEP, describe: 'keep the newest of each of so many hours' })
        .option('keep-daily', { ...KEEP, describe: 'of each of so many days' })
        .option('keep-weekly', { ...KEEP, describe: 'of each of so many weeks' })
        .option('keep-monthly', { ...KEEP, describe: 'of each of so many months' })
        .example(
          '$0 schedule set db --every 15m --keep-last 4 --keep-daily 7',
          'without --keep-…, all are kept',
        )
        .example('$0 schedule set db,log nightly --at 02:00 --keep-daily 14', 'a second one beside it'),
    (argv) =>
      runVerb<ScheduleRow>(
        argv,
        'schedule.set',
        {
          luns: argv.names.split(','),
          name: argv.schedule,
          every: argv.every,
          at: argv.at?.flatMap((text) => text.split(',')),
          keepLast: argv['keep-last'],
          keepHourly: argv['keep-hourly'],
          keepDaily: argv['keep-daily'],
          keepWeekly: argv['keep-weekly'],
          keepMonthly: argv['keep-monthly'],
        },
        (row) =>
          `${row.luns.join(',')} ${row.name}: ${whenOf(row)}, keeps ${keepOf(row)}; next at ${row.nextRun}`,
      ),
  );
}

function clearCommand(schedule: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return schedule.command(
    'clear <names> [schedule]',
    'end the schedules of these LUNs, or one of them; the snapshots stay',
    (command) =>
      command
        .positional('names', { ...LUNS, describe: 'the LUNs as they were set: NAME, or NAME,NAME,…' })
        .positional('schedule', { type: 'string', describe: 'only the schedule of this name' })
        .example('$0 schedule clear db,log nightly', 'db and log get no more snapshots from it'),
    (argv) =>
      runVerb<readonly { readonly name: string }[]>(
        argv,
        'schedule.clear',
        { luns: argv.names.split(','), name: argv.schedule },
        (rows) => `cleared ${rows.map(({ name }) => `${argv.names} ${name}`).join(', ')}; the snapshots stay`,
      ),
  );
}

function listCommand(schedule: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return schedule.command(
    'list',
    'list the schedules, with their last and next run and what went wrong',
    (command) => command.example('$0 schedule list --json', 'for scripts'),
    (argv) =>
      runVerb<readonly ScheduleRow[]>(argv, 'schedule.list', {}, (rows) =>
        rows.length === 0
          ? 'no schedules; `snaplun schedule set NAME --every 1h --keep-hourly 24` makes one'
          : table(
              ['LUNS', 'SCHEDULE', 'WHEN', 'KEEPS', 'LAST RUN', 'NEXT RUN', 'ERROR'],
              rows.map((row) => [
                row.luns.join(','),
                row.name,
                whenOf(row),
                keepOf(row),
                row.lastRun ?? undefined,
                row.nextRun,
                row.lastError ?? undefined,
              ]),
            ),
      ),
  );
}

function whenOf(row: ScheduleRow): string {
  return row.every === undefined ? `at ${(row.at ?? []).join(', ')} UTC` : `every ${row.every}`;
}

function keepOf({ keep }: ScheduleRow): string {
  const counts = Object.entries(keep).map(([period, count]) => `${count} ${period}`);
  return counts.length === 0 ? 'all' : counts.join(', ');
}
