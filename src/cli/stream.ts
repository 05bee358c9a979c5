/** `snaplun export` and `import`: streams to standard output and from standard input, with progress on a terminal. */
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
  // The write that fails says so as well.
  stdout.on('error', () => undefined);
  const asked = { socketPath: adminSocketOf(options), verb: 'export', args };
  await progress.during(() =>
    askOut(asked, async (bytes) => {
      await written(bytes);
      progress.add(bytes.byteLength);
    }),
  );
}

/** Completes when the bytes are with whoever reads; fails when nobody does. */
function written(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(noOutput(error)) : resolve()));
  });
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
  const parts = counted();
  let row: ImportRow;
  try {
    row = (await progress.during(() => askIn(asked, parts))) as ImportRow;
    // Whoever writes the stream is not to fail because it was here already.
    if (row.repeated) while ((await parts.next()).done !== true);
  } finally {
    process.stdin.destroy();
  }
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

  /** Ends the line when `work` has ended; after a failure only where there is one. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    let done = false;
    try {
      const result = await work();
      done = true;
      return result;
    } finally {
      if (done || this.#shown > 0) this.#print('\n');
    }
  }

  #print(after: string): void {
    if (process.stderr.isTTY) process.stderr.write(`\r${this.#what} ${formatSize(this.#bytes)}${after}`);
  }
}
