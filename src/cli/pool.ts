/** `snaplun pool …` and `snaplun status`. */
import type { Argv } from 'yargs';
import { blockDeviceBytes, createFilePool } from '../../snapshot/medium/file.ts';
import { POOL_BLOCK_BYTES } from '../../snapshot/medium/medium.ts';
import type { PoolStatus } from '../../snapshot/pool-types.ts';
import type { ScrubProgress } from '../../snapshot/scrub-report.ts';
import { DEFAULT_POOL_BYTES } from '../config/defaults.ts';
import { formatSize, parseSize } from '../units-of-size.ts';
import { checkCommand } from './check.ts';
import { type GlobalOptions, runVerb } from './command.ts';
import { scrubCommand } from './scrub.ts';
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
    scrubCommand(checkCommand(growCommand(createCommand(pool))))
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
        .option('capacity', {
          type: 'string',
          describe: 'size of the data space (default: the device, or 1T, thin)',
        })
        .example('$0 pool create /srv/snaplun --data /dev/sdb --capacity 2T', 'data on a device of its own'),
    async (argv) => {
      const capacityBlocks = Math.floor(capacityOf(argv) / POOL_BLOCK_BYTES);
      await createFilePool(argv.directory, {
        capacityBlocks,
        ...(argv.data === undefined ? {} : { dataPath: argv.data }),
      });
      const capacityBytes = capacityBlocks * POOL_BLOCK_BYTES;
      const document = { directory: argv.directory, capacityBytes };
      const text = argv.json
        ? JSON.stringify(document, null, 2)
        : `created a pool of ${formatSize(capacityBytes)} in ${argv.directory}`;
      process.stdout.write(`${text}\n`);
    },
  );
}

function capacityOf(asked: {
  readonly capacity: string | undefined;
  readonly data: string | undefined;
}): number {
  if (asked.capacity !== undefined) return parseSize(asked.capacity);
  return (asked.data === undefined ? undefined : blockDeviceBytes(asked.data)) ?? DEFAULT_POOL_BYTES;
}

function growCommand<T extends GlobalOptions>(pool: Argv<T>): Argv<T> {
  return pool.command(
    'grow <size>',
    'make the data space larger, while it is served',
    (command) =>
      command
        .positional('size', { type: 'string', demandOption: true, describe: 'new size of the data space' })
        .example('$0 pool grow 4T', 'a file stays sparse; a device has to have that size already'),
    (argv) =>
      runVerb<PoolStatus>(
        argv,
        'pool.grow',
        { sizeBytes: parseSize(argv.size) },
        (status) =>
          `the pool has ${formatSize(status.capacityBytes)} now, ${formatSize(status.freeBytes)} free`,
      ),
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

function scrubText({ state, startedAtMs, checkedBytes, totalBytes, errorCount }: ScrubProgress): string {
  if (state === 'never') return 'none since the server started';
  const began = new Date(startedAtMs).toISOString();
  return `${state}, begun ${began}: ${formatSize(checkedBytes)} of ${formatSize(totalBytes)}, ${errorCount} damaged`;
}

function statusLines(status: PoolStatus): string {
  return [
    `state        ${status.state}`,
    `capacity     ${formatSize(status.capacityBytes)}`,
    `used         ${formatSize(status.usedBytes)}`,
    `free         ${formatSize(status.freeBytes)}`,
    `reserved     ${formatSize(status.reservedBytes)}`,
    `available    ${formatSize(status.availableBytes)}`,
    `thresholds   ${status.thresholdPercents.map((percent) => `${percent} %`).join(', ') || 'none'}`,
    `reclaimable  ${formatSize(status.reclaimableBytes)}`,
    `images       ${status.images}`,
    `journal      ${formatSize(status.journalBytes)}`,
    `cache        ${formatSize(status.cacheBytes)}`,
    `scrub        ${scrubText(status.scrub)}`,
  ].join('\n');
}
