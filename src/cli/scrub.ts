/** `snaplun pool scrub`: everything that is stored, read and compared beside what is served. */
import type { Argv } from 'yargs';
import { OperatorError } from '../../lun/errors.ts';
import type { ScrubProgress, ScrubReport } from '../../snapshot/scrub-report.ts';
import { askOut } from '../admin/stream-client.ts';
import { rangesText } from '../log-facts.ts';
import { formatSize } from '../units-of-size.ts';
import { adminSocketOf, type GlobalOptions, runVerb } from './command.ts';

export function scrubCommand<T extends GlobalOptions>(pool: Argv<T>): Argv<T> {
  return pool.command(
    'scrub',
    'read everything and compare it with its checksums; exit status 1 when something is wrong',
    (command) =>
      command
        .option('stop', { type: 'boolean', default: false, describe: 'end the scrub that runs' })
        .example('$0 pool scrub', 'beside what is served, slowly while commands come in; Ctrl-C ends it')
        .example('$0 pool scrub --stop', 'end one that runs elsewhere'),
    (argv) => (argv.stop ? stop(argv) : scrub(argv)),
  );
}

function stop(options: GlobalOptions): Promise<void> {
  return runVerb<{ readonly stopped: boolean }>(options, 'pool.scrub-stop', {}, ({ stopped }) =>
    stopped ? 'the scrub ends' : 'no scrub runs',
  );
}

async function scrub(options: GlobalOptions): Promise<void> {
  const asked = { socketPath: adminSocketOf(options), verb: 'pool.scrub', args: {} };
  const show = process.stderr.isTTY === true;
  let shown = false;
  const answer = await askOut(asked, async (frame) => {
    if (!show) return;
    shown = true;
    process.stderr.write(
      `\r${progressLine(JSON.parse(Buffer.from(frame).toString('utf8')) as ScrubProgress)} `,
    );
  });
  if (shown) process.stderr.write('\n');
  const report = answer as ScrubReport;
  if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else
    for (const { what, ranges } of report.errors)
      process.stdout.write(`damaged: ${what}, read by ${rangesText(ranges)}\n`);
  const text = judge(report);
  if (!options.json) process.stdout.write(`${text}\n`);
}

function progressLine({ checkedBytes, totalBytes, values, errorCount }: ScrubProgress): string {
  return `${values} values, ${formatSize(checkedBytes)} of ${formatSize(totalBytes)}, ${errorCount} damaged`;
}

/** What people read; damage, or a scrub that did not come to its end, is a failure of the command. */
function judge(report: ScrubReport): string {
  const { errorCount, state } = report;
  const read = `${report.values} values and ${formatSize(report.checkedBytes)} of data read`;
  if (errorCount > 0) {
    throw new OperatorError(
      'unsound',
      `the scrub found ${errorCount} damaged blocks or values (${read}); restore or rewrite what reads them`,
    );
  }
  if (state !== 'done') throw new OperatorError('stopped', `the scrub was stopped before its end: ${read}`);
  return `nothing damaged: ${read} in ${Math.round(report.durationMs / 1000)} s`;
}
