/** What every admin command shares: ask the server, print a document or a table, fail in one line. */
import type { Argv } from 'yargs';
import { OperatorError } from '../../lun/errors.ts';
import { ask } from '../admin/client.ts';
import { defaultAdminSocket, defaultPool } from '../config/defaults.ts';
import { confirmed } from './confirm.ts';

/** The options that stand before or after any verb. */
export interface GlobalOptions {
  readonly admin: string | undefined;
  readonly json: boolean;
}

export function adminSocketOf(options: { readonly admin: string | undefined }): string {
  if (options.admin !== undefined) return options.admin;
  return defaultAdminSocket(process.env, defaultPool(process.env, process.getuid?.() === 0));
}

/** Asks the server and prints its answer: JSON as it is, or what `render` makes of it for people. */
export async function runVerb<Result>(
  options: GlobalOptions,
  verb: string,
  args: Record<string, unknown>,
  render: (result: Result) => string,
): Promise<void> {
  const result = (await askOrConfirm(options, verb, args)) as Result;
  const text = options.json ? JSON.stringify(result, null, 2) : render(result);
  if (text !== '') process.stdout.write(`${text}\n`);
}

/** What would hurt somebody is refused by name; on a terminal the operator may then say yes. */
async function askOrConfirm(
  options: GlobalOptions,
  verb: string,
  args: Record<string, unknown>,
): Promise<unknown> {
  const socket = adminSocketOf(options);
  try {
    return await ask(socket, verb, args);
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'needs-force') throw error;
    if (!(await confirmed(error.message))) throw error;
    return await ask(socket, verb, { ...args, force: true });
  }
}

/** `NAME@SNAP` taken apart. */
export function parseSnapshotName(text: string): { readonly vlun: string; readonly snapshot: string } {
  const at = text.indexOf('@');
  if (at <= 0 || at === text.length - 1 || text.indexOf('@', at + 1) >= 0) {
    throw new OperatorError('bad-name', `"${text}" is no snapshot: want NAME@SNAP`);
  }
  return { vlun: text.slice(0, at), snapshot: text.slice(at + 1) };
}

/** A LUN number as an option: whole, 0 … 255. */
export function lunOption<T>(command: Argv<T>): Argv<T & { lun: number | undefined }> {
  return command.option('lun', {
    type: 'number',
    describe: 'LUN number, 0 to 255 (default: the next free one)',
    coerce: (value: number | undefined) => {
      if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value <= 255)) {
        throw new OperatorError('usage', '--lun wants a whole number from 0 to 255');
      }
      return value;
    },
  }) as Argv<T & { lun: number | undefined }>;
}
