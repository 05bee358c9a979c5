/**
 * `snaplun snapshot diff`: asks for portion after portion, so that a long answer is never held as a whole.
 */
import type { Argv } from 'yargs';
import type { DiffAnswer } from '../../snapshot/pool-types.ts';
import { ask } from '../admin/client.ts';
import { adminSocketOf, type GlobalOptions, parseSnapshotName } from './command.ts';

export function diffCommand(snapshot: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return snapshot.command(
    'diff <from> <to>',
    'list what changed, in bytes: offset and length',
    (command) =>
      command
        .positional('from', { type: 'string', demandOption: true, describe: 'NAME@SNAP, the older' })
        .positional('to', { type: 'string', demandOption: true, describe: 'NAME@SNAP, or NAME as it is now' })
        .example('$0 snapshot diff db@monday db@tuesday', 'found in the tables; no data is read'),
    async (argv) => {
      parseSnapshotName(argv.from);
      if (argv.to.includes('@')) parseSnapshotName(argv.to);
      await printDiff(argv, { from: argv.from, to: argv.to });
    },
  );
}

async function printDiff(
  options: GlobalOptions,
  between: { readonly from: string; readonly to: string },
): Promise<void> {
  const socket = adminSocketOf(options);
  let printed = 0;
  for (let offsetBytes: number | undefined = 0; offsetBytes !== undefined; ) {
    const answer = (await ask(socket, 'snapshot.diff', { ...between, offsetBytes })) as DiffAnswer;
    const lines = answer.ranges.map((range) =>
      options.json ? `  ${JSON.stringify(range)}` : `${range.offsetBytes} ${range.lengthBytes}`,
    );
    if (lines.length > 0) {
      const before = options.json ? (printed === 0 ? '[\n' : ',\n') : '';
      process.stdout.write(before + lines.join(options.json ? ',\n' : '\n') + (options.json ? '' : '\n'));
    }
    printed += lines.length;
    offsetBytes = answer.nextOffsetBytes;
  }
  if (options.json) process.stdout.write(printed === 0 ? '[]\n' : '\n]\n');
}
