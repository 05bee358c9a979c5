/** The command line as a whole: verbs, global options, and what a failure prints. */
import yargs, { type Argv } from 'yargs';
import { OperatorError, StoreError } from '../../lun/errors.ts';
import { VERSION } from '../product.ts';
import { chapCommands, initiatorCommands, sessionCommands, targetCommands } from './access.ts';
import type { GlobalOptions } from './command.ts';
import { applyCommand, configCommands } from './config.ts';
import { lunCommands } from './lun.ts';
import { poolCommands, statusCommand } from './pool.ts';
import { scheduleCommands } from './schedule.ts';
import { serveCommand } from './serve.ts';
import { preserveCommands, snapshotCommands } from './snapshot.ts';
import { streamCommands } from './stream.ts';
import { topCommand } from './top.ts';

/** Exit status: 0 done, 1 refused or failed, 2 wrong use. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

const GROUPS: readonly ((root: Argv<GlobalOptions>) => Argv<GlobalOptions>)[] = [
  serveCommand,
  lunCommands,
  snapshotCommands,
  scheduleCommands,
  preserveCommands,
  streamCommands,
  targetCommands,
  initiatorCommands,
  chapCommands,
  sessionCommands,
  poolCommands,
  applyCommand,
  configCommands,
  statusCommand,
  topCommand,
];

/** What yargs found wrong with the words, as opposed to what a command met while it ran. */
class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Everything that a command line may say. Parsing it rejects with what is wrong, in one line. */
export function commandLine(words: readonly string[]): Argv<GlobalOptions> {
  const root = yargs([...words])
    .scriptName('snaplun')
    .usage('$0 <command>: an iSCSI target server with snapshot-capable LUNs')
    .option('admin', {
      type: 'string',
      describe: 'admin socket of the server (default: in its pool directory)',
    })
    .option('json', { type: 'boolean', default: false, describe: 'print one JSON document' })
    .version(VERSION)
    .help()
    .alias('help', 'h')
    .strict()
    .demandCommand(1, 'which command? See `snaplun --help`')
    .recommendCommands()
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(message);
    }) as Argv<GlobalOptions>;
  for (const group of GROUPS) group(root);
  return root;
}

/** Runs one command line; the exit status. A server keeps running after this returns. */
export async function runProgram(words: readonly string[]): Promise<number> {
  try {
    await commandLine(words).parseAsync();
    return EXIT.done;
  } catch (error) {
    return reportFailure(error);
  }
}

function reportFailure(error: unknown): number {
  const line = (text: string): void => void process.stderr.write(`snaplun: ${text.replaceAll('\n', ' ')}\n`);
  if (error instanceof UsageError || (error instanceof OperatorError && error.code === 'usage')) {
    line(error.message);
    return EXIT.usage;
  }
  if (error instanceof OperatorError || error instanceof StoreError) {
    line(error.message);
    return EXIT.failed;
  }
  if (error instanceof Error && error.name === 'YError') {
    line(error.message);
    return EXIT.usage;
  }
  line(
    `a fault of the program itself: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
  return EXIT.failed;
}
