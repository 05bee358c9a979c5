/** `snaplun snapshot …`, `preserve` and `release`. */
import type { Argv } from 'yargs';
import type { SnapshotRow, VlunRow } from '../admin/verbs/rows.ts';
import { type GlobalOptions, lunOption, parseSnapshotName, runVerb } from './command.ts';
import { diffCommand } from './diff.ts';
import { forceOption } from './lun.ts';
import { spaceCells } from './space.ts';
import { table } from './table.ts';

const SNAPSHOT = { type: 'string', demandOption: true, describe: 'NAME@SNAP' } as const;

export function snapshotCommands(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root.command('snapshot', 'snapshots of LUNs', (snapshot) =>
    diffCommand(rollbackCommand(mapCommands(createCommands(snapshot))))
      .demandCommand(1, 'snapshot what? See `snaplun snapshot --help`')
      .example('snaplun snapshot create db monday', 'db@monday')
      .example('snaplun snapshot clone db@monday db-test', 'a writable LUN from it'),
  );
}

function createCommands(snapshot: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return snapshot
    .command(
      'create <names> <snapshot>',
      'freeze one point in time of one or more LUNs',
      (command) =>
        command
          .positional('names', {
            type: 'string',
            demandOption: true,
            describe: 'NAME, or NAME,NAME,… for one common point',
          })
          .positional('snapshot', { type: 'string', demandOption: true, describe: 'name of the snapshot' })
          .example('$0 snapshot create db,log monday', 'db@monday and log@monday, of the same moment'),
      (argv) =>
        runVerb<{ readonly snapshots: readonly SnapshotRow[]; readonly pausedMs: number }>(
          argv,
          'snapshot.create',
          { vluns: argv.names.split(','), snapshot: argv.snapshot },
          ({ snapshots, pausedMs }) =>
            `created ${snapshots.map((row) => `${row.lun}@${row.name}`).join(', ')}; writes paused ${pausedMs.toFixed(1)} ms`,
        ),
    )
    .command(
      'list [name]',
      'list snapshots',
      (command) =>
        command
          .positional('name', { type: 'string', describe: 'only those of this LUN' })
          .example('$0 snapshot list db', 'the snapshots of db, oldest first'),
      (argv) => runVerb<readonly SnapshotRow[]>(argv, 'snapshot.list', { vlun: argv.name }, snapshotTable),
    )
    .command(
      'delete <snapshot>',
      'delete a snapshot; its space comes back in the background',
      (command) =>
        forceOption(command.positional('snapshot', SNAPSHOT)).example(
          '$0 snapshot delete db@monday',
          'clones of it stay',
        ),
      (argv) =>
        runVerb(
          argv,
          'snapshot.delete',
          { ...parseSnapshotName(argv.snapshot), force: argv.force },
          () => `deleted ${argv.snapshot}`,
        ),
    );
}

function mapCommands(snapshot: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return snapshot
    .command(
      'map <snapshot>',
      'show a snapshot to initiators, read-only',
      (command) =>
        lunOption(command.positional('snapshot', SNAPSHOT))
          .option('target', { type: 'string', describe: 'target (default: the default target)' })
          .example('$0 snapshot map db@monday', 'at the next LUN number'),
      (argv) =>
        runVerb<{ readonly lun: number; readonly target: string }>(
          argv,
          'snapshot.map',
          { ...parseSnapshotName(argv.snapshot), lun: argv.lun, target: argv.target },
          (where) => `${argv.snapshot} is LUN ${where.lun} of ${where.target}, read-only`,
        ),
    )
    .command(
      'unmap <snapshot>',
      'hide a snapshot from initiators; it stays',
      (command) =>
        forceOption(command.positional('snapshot', SNAPSHOT)).example(
          '$0 snapshot unmap db@monday',
          'hidden again',
        ),
      (argv) =>
        runVerb(
          argv,
          'snapshot.unmap',
          { ...parseSnapshotName(argv.snapshot), force: argv.force },
          () => `unmapped ${argv.snapshot}`,
        ),
    )
    .command(
      'clone <snapshot> <newname>',
      'make a writable LUN from a snapshot and map it',
      (command) =>
        lunOption(
          command
            .positional('snapshot', SNAPSHOT)
            .positional('newname', { type: 'string', demandOption: true, describe: 'name of the new LUN' }),
        )
          .option('target', { type: 'string', describe: 'target (default: the default target)' })
          .example('$0 snapshot clone db@monday db-test', 'shares every block until either is written'),
      (argv) =>
        runVerb<VlunRow>(
          argv,
          'snapshot.clone',
          { ...parseSnapshotName(argv.snapshot), newName: argv.newname, lun: argv.lun, target: argv.target },
          (row) => `created ${row.name} from ${argv.snapshot}: LUN ${row.lun} of ${row.target}`,
        ),
    );
}

function rollbackCommand(snapshot: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return snapshot.command(
    'rollback <snapshot>',
    'give a LUN back the contents of its snapshot; sessions and later snapshots stay',
    (command) =>
      forceOption(command.positional('snapshot', SNAPSHOT)).example(
        '$0 snapshot rollback db@monday --force',
        'with initiators logged in: what was written since monday is gone',
      ),
    (argv) =>
      runVerb<VlunRow>(
        argv,
        'snapshot.rollback',
        { ...parseSnapshotName(argv.snapshot), force: argv.force },
        (row) => `${row.name} has the contents of ${argv.snapshot}`,
      ),
  );
}

export function preserveCommands(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root
    .command(
      'preserve <name> <newname>',
      'make a second LUN that tracks a first one live, and map it',
      (command) =>
        lunOption(
          command
            .positional('name', { type: 'string', demandOption: true, describe: 'the LUN to track' })
            .positional('newname', { type: 'string', demandOption: true, describe: 'name of the new LUN' }),
        )
          .option('target', { type: 'string', describe: 'target (default: the default target)' })
          .example(
            '$0 preserve db db-side',
            'reads of db-side fall through to db until either writes the block',
          ),
      (argv) =>
        runVerb<VlunRow>(
          argv,
          'preserve',
          { name: argv.name, newName: argv.newname, lun: argv.lun, target: argv.target },
          (row) => `${row.name} tracks ${argv.name}: LUN ${row.lun} of ${row.target}`,
        ),
    )
    .command(
      'release <name>',
      'end the tracking: the LUN keeps exactly what it reads now',
      (command) =>
        command
          .positional('name', { type: 'string', demandOption: true, describe: 'the tracking LUN' })
          .example('$0 release db-side', 'db-side follows db no more'),
      (argv) =>
        runVerb<VlunRow>(
          argv,
          'release',
          { name: argv.name },
          (row) => `${row.name} tracks nothing any more`,
        ),
    );
}

function snapshotTable(rows: readonly SnapshotRow[]): string {
  if (rows.length === 0) return 'no snapshots; `snaplun snapshot create NAME SNAP` makes one';
  return table(
    ['SNAPSHOT', 'CREATED', 'REFERENCED', 'EXCLUSIVE', 'LUN'],
    rows.map((row) => [`${row.lun}@${row.name}`, row.createdAt, ...spaceCells(row), row.mappedLun]),
  );
}
