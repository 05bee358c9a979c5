/** `snaplun pool check`: the independent proof of a pool's invariants, beside its server or without one. */
import type { Argv } from 'yargs';
import { OperatorError } from '../../lun/errors.ts';
import { type CheckReport, checkPool } from '../../snapshot/check.ts';
import { ask } from '../admin/client.ts';
import { blockChecksum } from '../checksums.ts';
import { openPoolMedium } from '../media.ts';
import { adminSocketOf, type GlobalOptions } from './command.ts';

export function checkCommand(pool: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return pool.command(
    'check',
    'prove the invariants of a pool; exit status 1 when something is wrong',
    (command) =>
      command
        .option('pool', {
          type: 'string',
          describe: 'directory of a pool that no server runs on (default: ask the server)',
        })
        .option('data', { type: 'boolean', default: false, describe: 'read every block, too' })
        .example('$0 pool check', 'beside a server that serves')
        .example('$0 pool check --pool /srv/snaplun --data', 'everything, offline'),
    async (argv) => {
      const report =
        argv.pool === undefined ? await checkOnline(argv) : await checkOffline(argv.pool, argv.data);
      if (argv.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
      const text = judge(report);
      if (!argv.json) process.stdout.write(`${text}\n`);
    },
  );
}

async function checkOnline(options: GlobalOptions & { readonly data: boolean }): Promise<CheckReport> {
  return (await ask(adminSocketOf(options), 'pool.check', { data: options.data })) as CheckReport;
}

async function checkOffline(pool: string, data: boolean): Promise<CheckReport> {
  const medium = await openPoolMedium(pool);
  try {
    return await checkPool(medium, { checksum: blockChecksum, data });
  } finally {
    await medium.close();
  }
}

/** What people read; a pool that is not sound is a failure of the command, in one line. */
function judge(report: CheckReport): string {
  if (!report.ok) {
    const more = report.errorCount > 1 ? ` (and ${report.errorCount - 1} more; --json lists them)` : '';
    throw new OperatorError('unsound', `the pool is not sound: ${report.errors[0] ?? 'unknown'}${more}`);
  }
  const data = report.verifiedBlocks > 0 ? `, ${report.verifiedBlocks} blocks read` : '';
  return (
    `sound: ${report.vluns} LUNs, ${report.snapshots} snapshots, ${report.images} images, ` +
    `${report.referencedBlocks} blocks in use${data}; ${report.records} records in the journal beyond the checkpoint`
  );
}
