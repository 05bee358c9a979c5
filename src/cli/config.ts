/** `snaplun apply` and `snaplun config …`: everything that can be declared, in one file. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Argv } from 'yargs';
import { OperatorError } from '../../lun/errors.ts';
import type { Applied, ApplyRequest } from '../config/apply.ts';
import { changeText } from '../config/difference.ts';
import { parseConfiguration, secretFilesOf } from '../config/parse.ts';
import { type ConfigurationDocument, renderYaml } from '../config/render.ts';
import { type GlobalOptions, runVerb } from './command.ts';
import { forceOption } from './lun.ts';
import { readSecret } from './secret.ts';

/** Reads and checks the form of a file, and reads the secrets that it names. OperatorError bad-config, … */
export function readConfigFile(path: string): ApplyRequest {
  const file = path === '-' ? 'standard input' : path;
  let text: string;
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new OperatorError('bad-config', `cannot read ${file}: ${why}`, { cause });
  }
  const directory = path === '-' ? process.cwd() : dirname(resolve(path));
  const { configuration, places } = parseConfiguration(text, file, directory);
  const secrets = new Map<string, string>();
  for (const { file: from, path: where } of secretFilesOf(configuration)) {
    try {
      secrets.set(from, readSecret(from));
    } catch (error) {
      if (error instanceof OperatorError) throw places.error(where, error.message, { cause: error });
      throw error;
    }
  }
  return { text, file, directory, secrets };
}

export function applyCommand(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root.command(
    'apply',
    'make everything what a file says, whole or not at all',
    (command) =>
      forceOption(
        command
          .option('file', {
            ...{ alias: 'f', type: 'string', nargs: 1, demandOption: true },
            describe: 'YAML, in the form that `config show` prints; "-" for standard input',
          } as const)
          .option('dry-run', { type: 'boolean', default: false, describe: 'only say what would change' })
          .option('prune', {
            type: 'boolean',
            default: false,
            describe: 'delete LUNs that are not in the file',
          })
          .option('with-snapshots', {
            type: 'boolean',
            default: false,
            describe: 'with --prune: also LUNs that have snapshots, and these',
          }),
      )
        .example('$0 apply -f /etc/snaplun/config.yaml --dry-run', 'what would change')
        .example(
          '$0 apply -f /etc/snaplun/config.yaml',
          'a section that the file does not have stays as it is',
        ),
    (argv) => {
      const { text, file, directory, secrets } = readConfigFile(argv.file);
      return runVerb<Applied>(
        argv,
        'config.apply',
        {
          ...{ text, file, directory, secretFiles: [...secrets.keys()], secrets: [...secrets.values()] },
          ...{ dryRun: argv['dry-run'], prune: argv.prune, force: argv.force },
          withSnapshots: argv['with-snapshots'],
        },
        appliedText,
      );
    },
  );
}

function appliedText({ changes, applied, hurts, notes }: Applied): string {
  const lines = changes.map(changeText);
  if (changes.length === 0) lines.push('nothing to change');
  else lines.push(`${changes.length} changes${applied ? ' applied' : '; nothing was changed (--dry-run)'}`);
  if (!applied && hurts.length > 0) lines.push(`wants --force, for it hurts ${hurts.join(' and ')}`);
  return [...lines, ...notes.map((note) => `note: ${note}`)].join('\n');
}

export function configCommands(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root.command('config', 'the configuration as a whole', (config) =>
    config
      .command(
        'show',
        'print what stands, as `apply` takes it; secrets are named by their files, never shown',
        (command) => command.example('$0 config show > snaplun.yaml', 'edit it, and apply it again'),
        (argv) =>
          runVerb<ConfigurationDocument>(argv, 'config.show', {}, (document) =>
            renderYaml(document).trimEnd(),
          ),
      )
      .example(
        '$0 config show > snaplun.yaml',
        'what `snaplun apply -f snaplun.yaml` would make of an empty pool',
      )
      .demandCommand(1, 'config what? See `snaplun config --help`'),
  );
}
