/** `snaplun pool …` and `snaplun status`. */
import type { Argv } from 'yargs';
import { createFilePool } from '../../snapshot/medium/file.ts';
import { POOL_BLOCK_BYTES } from '../../snapshot/medium/medium.ts';
import type { PoolStatus } from '../../snapshot/pool-types.ts';
import { DEFAULT_POOL_BYTES } from '../config/defaults.ts';
import { formatSize, parseSize } from '../units-of-size.ts';
import { checkCommand } from './check.ts';
import { type GlobalOptions, runVerb } from './command.ts';
import { table } from './table.ts';

interface StatusDocument {
  readonly version: string;
  readonly state: string;
  readonly pool: string;
  readonly portals: readonly string[];
  readonly targets: readonly { readonly name: string; readonly luns: number; readonly sessions: number }[];
  readonly sessions: number;
  readonly upSeconds: number;
}

export function poolCommands(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root.command('pool', 'the pool: where images live', (pool) =>
    checkCommand(createCommand(pool))
      .command(
        'status',
        'space and state of the pool',
        (command) => command.example('$0 pool status --json', 'for monitoring'),
        (argv) => runVerb<PoolStatus>(argv, 'pool.status', {}, statusLines),
      )
      .example('$0 pool status', 'space and state of the pool')
      .demandCommand(1, 'pool what? See `snaplun pool --help`'),
  );
}

function createCommand(pool: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return pool.command(
    'create <directory>',
    'create a pool without serving it',
    (command) =>
      command
        .positional('directory', {
          type: 'string',
          demandOption: true,
          describe: 'missing or empty directory',
        })
        .option('data', {
          type: 'string',
          describe: 'file or block device for the data (default: a file in the directory)',
        })
        .option('capacity', { type: 'string', describe: 'size of the data space (default: 1T, thin)' })
        .example('$0 pool create /srv/snaplun --data /dev/sdb --capacity 2T', 'data on a device of its own'),
    async (argv) => {
      const capacityBytes = argv.capacity === undefined ? DEFAULT_POOL_BYTES : parseSize(argv.capacity);
      await createFilePool(argv.directory, {
        capacityBlocks: Math.floor(capacityBytes / POOL_BLOCK_BYTES),
        ...(argv.data === undefined ? {} : { dataPath: argv.data }),
      });
      const document = { directory: argv.directory, capacityBytes };
      const text = argv.json
        ? JSON.stringify(document, null, 2)
        : `created a pool of ${formatSize(capacityBytes)} in ${argv.directory}`;
      process.stdout.write(`${text}\n`);
    },
  );
}

export function statusCommand(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root.command(
    'status',
    'state of the server',
    (command) => command.example('$0 status', 'exit status 1 when no server answers'),
    (argv) =>
      runVerb<StatusDocument>(argv, 'status', {}, (status) =>
        [
          `snaplun ${status.version}, ${status.state}, up ${status.upSeconds} s`,
          `pool ${status.pool}`,
          `portals ${status.portals.join(', ')}`,
          table(
            ['TARGET', 'LUNS', 'SESSIONS'],
            status.targets.map((target) => [target.name, target.luns, target.sessions]),
          ),
        ].join('\n'),
      ),
  );
}

function statusLines(status: PoolStatus): string {
  return [
    `state        ${status.state}`,
    `capacity     ${formatSize(status.capacityBytes)}`,
    `used         ${formatSize(status.usedBytes)}`,
    `free         ${formatSize(status.freeBytes)}`,
    `reclaimable  ${formatSize(status.reclaimableBytes)}`,
    `images       ${status.images}`,
    `journal      ${formatSize(status.journalBytes)}`,
    `cache        ${formatSize(status.cacheBytes)}`,
  ].join('\n');
}
