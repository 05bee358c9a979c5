/** `snaplun lun …`: VLUNs and where they are mapped. */
import type { Argv } from 'yargs';
import { OperatorError } from '../../lun/errors.ts';
import type { VlunRow } from '../admin/verbs/rows.ts';
import { limitWords, parseIopsMax, parseThroughputMax } from '../limit-words.ts';
import { formatSize, parseSize } from '../units-of-size.ts';
import { type GlobalOptions, lunOption, runVerb } from './command.ts';
import { spaceCells } from './space.ts';
import { table } from './table.ts';

export function lunCommands(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root.command('lun', 'create, list and change LUNs', (lun) =>
    setCommand(resizeCommand(mapCommands(showCommands(createCommand(lun)))))
      .demandCommand(1, 'lun what? See `snaplun lun --help`')
      .example('snaplun lun create db --size 10G', 'a 10 GiB LUN, mapped at the next number')
      .example('snaplun lun list', 'all LUNs with what they use'),
  );
}

function createCommand(lun: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return lun.command(
    'create <name>',
    'create a LUN and map it',
    (command) =>
      lunOption(
        command.positional('name', { type: 'string', demandOption: true, describe: 'name of the LUN' }),
      )
        .option('size', { type: 'string', demandOption: true, describe: 'size: bytes, or with K, M, G, T' })
        .option('block-size', {
          choices: [512, 4096] as const,
          default: 512 as const,
          describe: 'logical block, bytes',
        })
        .option('target', { type: 'string', describe: 'target to map it at (default: the default target)' })
        .option('read-only', { type: 'boolean', default: false, describe: 'initiators may only read' })
        .option('removable', { type: 'boolean', default: false, describe: 'shows as a removable medium' })
        .option('write-cache', {
          choices: ['on', 'off'] as const,
          default: 'on' as const,
          describe: 'off: every write is durable',
        })
        .option('reserve', { type: 'string', describe: 'space kept for it: a size, or "full"' })
        .option('iops-max', { type: 'string', describe: 'at most so many reads and writes a second' })
        .option('throughput-max', { type: 'string', describe: 'at most so many bytes a second: a size' })
        .example('$0 lun create db --size 10G', 'a 10 GiB LUN')
        .example('$0 lun create vm --size 2T --block-size 4096 --lun 7', '4096-byte blocks, as LUN 7'),
    (argv) =>
      runVerb<VlunRow>(
        argv,
        'lun.create',
        {
          name: argv.name,
          sizeBytes: parseSize(argv.size),
          blockBytes: argv['block-size'],
          lun: argv.lun,
          target: argv.target,
          readOnly: argv['read-only'],
          removable: argv.removable,
          writeCache: argv['write-cache'] === 'on',
          reservedBytes: argv.reserve === 'full' ? parseSize(argv.size) : reservedBytes(argv.reserve),
          ...limits(argv),
        },
        (row) => `created ${row.name}: ${formatSize(row.sizeBytes)}, LUN ${row.lun} of ${row.target}`,
      ),
  );
}

function setCommand(lun: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return lun.command(
    'set <name>',
    'change what is kept for a LUN',
    (command) =>
      command
        .positional('name', { type: 'string', demandOption: true, describe: 'name of the LUN' })
        .option('reserve', { type: 'string', describe: 'space kept for it: a size, "full" or "none"' })
        .option('iops-max', {
          type: 'string',
          describe: 'at most so many reads and writes a second, or "none"',
        })
        .option('throughput-max', {
          type: 'string',
          describe: 'at most so many bytes a second: a size, or "none"',
        })
        .check(({ reserve, 'iops-max': iops, 'throughput-max': throughput }) => {
          if (reserve !== undefined || iops !== undefined || throughput !== undefined) return true;
          throw new OperatorError('usage', 'set what? --reserve, --iops-max or --throughput-max');
        })
        .example('$0 lun set db --reserve 20G', 'db can always store 20 GiB, whatever others do')
        .example('$0 lun set test --iops-max 500', 'what uses test leaves the rest to others'),
    (argv) =>
      runVerb<VlunRow>(
        argv,
        'lun.set',
        {
          name: argv.name,
          reserveAll: argv.reserve === 'full',
          reservedBytes: reservedBytes(argv.reserve),
          ...limits(argv),
        },
        (row) => `${row.name} has ${formatSize(row.reservedBytes)} reserved now, ${limitText(row)}`,
      ),
  );
}

/** What "full" means is known elsewhere. */
function reservedBytes(reserve: string | undefined): number | undefined {
  if (reserve === undefined || reserve === 'full') return undefined;
  return reserve === 'none' ? 0 : parseSize(reserve);
}

interface LimitOptions {
  readonly 'iops-max'?: string | undefined;
  readonly 'throughput-max'?: string | undefined;
}

function limits({ 'iops-max': iops, 'throughput-max': throughput }: LimitOptions) {
  return {
    ...(iops !== undefined && { iopsMax: parseIopsMax(iops) }),
    ...(throughput !== undefined && { throughputMaxBytes: parseThroughputMax(throughput) }),
  };
}

function limitText(row: VlunRow): string {
  const words = limitWords(row);
  return words.length === 0 ? 'no limit' : `at most ${words.join(' and ')}`;
}

function showCommands(lun: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return lun
    .command(
      'list',
      'list all LUNs',
      (command) => command.example('$0 lun list --json', 'for scripts'),
      (argv) => runVerb<readonly VlunRow[]>(argv, 'lun.list', {}, vlunTable),
    )
    .command(
      'show <name>',
      'show one LUN',
      (command) =>
        command
          .positional('name', { type: 'string', demandOption: true, describe: 'name of the LUN' })
          .example('$0 lun show db', 'everything about db'),
      (argv) => runVerb<VlunRow>(argv, 'lun.show', { name: argv.name }, vlunLines),
    );
}

function mapCommands(lun: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return lun
    .command(
      'map <name>',
      'show a LUN to initiators',
      (command) =>
        lunOption(
          command.positional('name', { type: 'string', demandOption: true, describe: 'name of the LUN' }),
        )
          .option('target', { type: 'string', describe: 'target (default: the default target)' })
          .example('$0 lun map db --lun 3', 'as LUN 3 of the default target'),
      (argv) =>
        runVerb<{ readonly lun: number; readonly target: string }>(
          argv,
          'lun.map',
          { name: argv.name, lun: argv.lun, target: argv.target },
          (where) => `${argv.name} is LUN ${where.lun} of ${where.target}`,
        ),
    )
    .command(
      'unmap <name>',
      'hide a LUN from initiators; its data stays',
      (command) =>
        forceOption(
          command.positional('name', { type: 'string', demandOption: true, describe: 'name of the LUN' }),
        ).example('$0 lun unmap db', 'no initiator sees db any more'),
      (argv) =>
        runVerb(argv, 'lun.unmap', { name: argv.name, force: argv.force }, () => `unmapped ${argv.name}`),
    );
}

function resizeCommand(lun: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return lun
    .command(
      'resize <name> <size>',
      'change the size of a LUN',
      (command) =>
        forceOption(
          command
            .positional('name', { type: 'string', demandOption: true, describe: 'name of the LUN' })
            .positional('size', { type: 'string', demandOption: true, describe: 'new size' })
            .option('shrink', {
              type: 'boolean',
              default: false,
              describe: 'allow a smaller size: what lies beyond is lost',
            }),
        ).example('$0 lun resize db 20G', 'initiators see the new size at once'),
      (argv) =>
        runVerb<VlunRow>(
          argv,
          'lun.resize',
          { name: argv.name, sizeBytes: parseSize(argv.size), shrink: argv.shrink, force: argv.force },
          (row) => `${row.name} is ${formatSize(row.sizeBytes)} now`,
        ),
    )
    .command(
      'delete <name>',
      'delete a LUN and its data',
      (command) =>
        forceOption(
          command
            .positional('name', { type: 'string', demandOption: true, describe: 'name of the LUN' })
            .option('with-snapshots', {
              type: 'boolean',
              default: false,
              describe: 'delete its snapshots too',
            }),
        ).example('$0 lun delete db --with-snapshots', 'db and everything taken from it by snapshot'),
      (argv) =>
        runVerb(
          argv,
          'lun.delete',
          { name: argv.name, withSnapshots: argv['with-snapshots'], force: argv.force },
          () => `deleted ${argv.name}`,
        ),
    );
}

export function forceOption<T>(command: Argv<T>): Argv<T & { force: boolean }> {
  return command.option('force', {
    type: 'boolean',
    default: false,
    describe: 'go on although initiators or trackers use it',
  }) as Argv<T & { force: boolean }>;
}

function vlunTable(rows: readonly VlunRow[]): string {
  if (rows.length === 0) return 'no LUNs; `snaplun lun create NAME --size 10G` makes one';
  return table(
    ['NAME', 'LUN', 'SIZE', 'USED', 'EXCLUSIVE', 'MODE', 'LIMIT', 'TRACKS', 'PARENT', 'TARGET'],
    rows.map((row) => [
      row.name,
      row.lun ?? undefined,
      formatSize(row.sizeBytes),
      ...spaceCells({ ...row, referencedBytes: row.usedBytes }),
      row.readOnly ? 'ro' : 'rw',
      limitWords(row).join(' ') || undefined,
      row.tracks,
      row.parent,
      row.target ?? undefined,
    ]),
  );
}

function vlunLines(row: VlunRow): string {
  return Object.entries(row)
    .map(
      ([key, value]) =>
        `${key}: ${typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)}`,
    )
    .join('\n');
}
