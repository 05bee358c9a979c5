/** `snaplun export` and `import`: streams to standard output and from standard input, with progress on a terminal. */
import { once } from 'node:events';
import type { Argv } from 'yargs';
import { OperatorError } from '../../lun/errors.ts';
import { askIn, askOut } from '../admin/stream-client.ts';
import type { VlunRow } from '../admin/verbs/rows.ts';
import { formatSize } from '../units-of-size.ts';
import { adminSocketOf, type GlobalOptions, parseSnapshotName } from './command.ts';

export function streamCommands(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root
    .command(
      'export <snapshot>',
      'write a snapshot, or what changed since an older one, to standard output',
      (command) =>
        command
          .positional('snapshot', { type: 'string', demandOption: true, describe: 'NAME@SNAP' })
          .option('from', { type: 'string', describe: 'NAME@OLD: only what changed since then' })
          .example('$0 export db@monday > db-monday.snap', 'all of it')
          .example(
            '$0 export db@tuesday --from db@monday | ssh away snaplun import db',
            'the changes, elsewhere',
          ),
      (argv) => exportTo(argv, { ...parseSnapshotName(argv.snapshot), from: olderOf(argv) }),
    )
    .command(
      'import <name>',
      'make a LUN from an exported stream, or bring one up to date; reads standard input',
      (command) =>
        command
          .positional('name', {
            type: 'string',
            demandOption: true,
            describe: 'the LUN to make or to continue',
          })
          .example('$0 import db-copy < db-monday.snap', 'a new LUN with the snapshot monday'),
      (argv) => importFrom(argv, argv.name),
    );
}

/** The name of the older snapshot, which has to be of the same LUN. */
function olderOf(argv: { readonly snapshot: string; readonly from: string | undefined }): string | undefined {
  if (argv.from === undefined) return undefined;
  const { vlun, snapshot } = parseSnapshotName(argv.from);
  if (vlun === parseSnapshotName(argv.snapshot).vlun) return snapshot;
  throw new OperatorError('bad-name', `${argv.from} is of another LUN than ${argv.snapshot}`);
}

async function exportTo(options: GlobalOptions, args: Record<string, unknown>): Promise<void> {
  const { stdout } = process;
  if (stdout.isTTY) {
    throw new OperatorError('usage', 'the stream is no text: send it to a file or a pipe');
  }
  const progress = new Progress('exported');
  // A reader that went away shows as a write that fails.
  let failure: Error | undefined;
  stdout.on('error', (error) => {
    failure = error;
  });
  await askOut({ socketPath: adminSocketOf(options), verb: 'export', args }, async (bytes) => {
    if (failure !== undefined) throw noOutput(failure);
    if (!stdout.write(bytes)) await Promise.race([once(stdout, 'drain'), once(stdout, 'close')]);
    progress.add(bytes.byteLength);
  });
  await new Promise<void>((resolve) => stdout.write('', () => resolve()));
  if (failure !== undefined) throw noOutput(failure);
  progress.end();
}

function noOutput(cause: Error): OperatorError {
  return new OperatorError('output', `the stream could not be written: ${cause.message}`, { cause });
}

async function importFrom(options: GlobalOptions, name: string): Promise<void> {
  if (process.stdin.isTTY) {
    throw new OperatorError('usage', 'import reads a stream from standard input: < FILE, or a pipe');
  }
  const progress = new Progress('imported');
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const bytes of process.stdin as AsyncIterable<Buffer>) {
      progress.add(bytes.byteLength);
      yield bytes;
    }
  }
  const asked = { socketPath: adminSocketOf(options), verb: 'import', args: { name } };
  let row: ImportRow;
  try {
    row = (await askIn(asked, counted())) as ImportRow;
  } finally {
    process.stdin.destroy();
  }
  progress.end();
  const text = row.repeated
    ? `${name}@${row.snapshot.name} was there already; nothing was done`
    : `imported ${name}@${row.snapshot.name}: LUN ${row.lun ?? '-'} of ${row.target ?? '-'}`;
  process.stdout.write(`${options.json ? JSON.stringify(row, null, 2) : text}\n`);
}

interface ImportRow extends VlunRow {
  readonly snapshot: { readonly name: string };
  readonly repeated: boolean;
}

const PROGRESS_BYTES = 16 * 1024 * 1024;

/** A line on a terminal that says how far it is. */
class Progress {
  readonly #what: string;
  #bytes = 0;
  #shown = 0;

  constructor(what: string) {
    this.#what = what;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes - this.#shown < PROGRESS_BYTES) return;
    this.#shown = this.#bytes;
    this.#print('');
  }

  end(): void {
    this.#print('\n');
  }

  #print(after: string): void {
    if (process.stderr.isTTY) process.stderr.write(`\r${this.#what} ${formatSize(this.#bytes)}${after}`);
  }
}
