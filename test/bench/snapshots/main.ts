/** `npm run bench -- snapshots`: the figures of docs/SNAPSHOTS.md. */
import { parseArgs } from 'node:util';
import { Generators } from '../generators.ts';
import { COPY } from './copy.ts';
import { CREATE, GROUP_OF_32 } from './create.ts';
import { DEPTH_READS, FIRST_TOUCH } from './depth.ts';
import { type Figure, type Measured, measured } from './figure.ts';
import { MEMORY } from './memory.ts';
import { DELETE } from './merge.ts';
import { conditions, table, writePage } from './page.ts';
import { ROLLBACK } from './rollback.ts';
import { START } from './start.ts';
import { WRITES } from './writes.ts';

const FIGURES: readonly Figure[] = [
  CREATE,
  WRITES,
  DEPTH_READS,
  FIRST_TOUCH,
  GROUP_OF_32,
  DELETE,
  ROLLBACK,
  COPY,
  MEMORY,
  START,
];

const minutes = (figures: readonly Figure[]): string =>
  (figures.reduce((sum, { seconds }) => sum + seconds, 0) / 60).toFixed(0);

const HELP = `npm run bench -- snapshots [options]

Measures what snapshots cost, figure after figure, and prints a table of figures and bars. It runs on loopback
and in temporary directories, and is removed at the end. It takes about ${minutes(FIGURES)} minutes.

${FIGURES.map(({ name, title, seconds }) => `  ${name.padEnd(10)} ${title} (${seconds} s)`).join('\n')}

  --figures A,B   only these
  --quick         small and short: shows that the benchmarks work; the figures say nothing
  --write         also put the figures into docs/SNAPSHOTS.md; lines of others stay as they are
  --help

Example: npm run bench -- snapshots --figures create,group
`;

function readOptions(words: readonly string[]) {
  const { values } = parseArgs({
    args: [...words],
    options: {
      figures: { type: 'string' },
      quick: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const names = values.figures?.split(',') ?? FIGURES.map(({ name }) => name);
  const figures = names.map((name) => FIGURES.find((one) => one.name === name));
  const known = figures.filter((one) => one !== undefined);
  if (known.length < names.length || (values.write && values.quick)) return undefined;
  return { ...values, figures: known };
}

/** Returns the exit status: 0 when every figure holds. */
export async function snapshots(words: readonly string[]): Promise<number> {
  const options = readOptions(words);
  if (options === undefined || options.help) {
    process.stdout.write(HELP);
    return options === undefined ? 2 : 0;
  }
  const generators = new Generators(1);
  const { quick } = options;
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const lines: Measured[] = [];
  try {
    for (const figure of options.figures) lines.push(...(await measured(figure, { generators, quick, say })));
  } finally {
    await generators.stop();
  }
  process.stdout.write(`${conditions()}\n\n${table(lines)}`);
  if (options.write)
    await writePage(
      { document: 'SNAPSHOTS.md', benchmark: 'snapshots' },
      lines,
      options.figures.length < FIGURES.length,
    );
  return lines.every(({ holds }) => holds) ? 0 : 1;
}
