/** `npm run bench -- costs`: what options, numbers, neighbours and the background cost. */
import { parseArgs } from 'node:util';
import { Generators } from '../generators.ts';
import type { Measured } from '../snapshots/figure.ts';
import { measured } from '../snapshots/figure.ts';
import { conditions, table, writePage } from '../snapshots/page.ts';
import { BACKGROUND } from './background.ts';
import { CHECKSUMS, DIGESTS } from './checking.ts';
import type { CostFigure } from './figure.ts';
import { HANDOVER } from './handover.ts';
import { FLUSHES, LUNS, SESSIONS, SNAPSHOTS } from './many.ts';
import { NEIGHBOUR } from './neighbour.ts';
import { PROCESSES } from './processes.ts';
import { STALL } from './stall.ts';

const FIGURES: readonly CostFigure[] = [
  CHECKSUMS,
  DIGESTS,
  FLUSHES,
  SESSIONS,
  LUNS,
  SNAPSHOTS,
  STALL,
  NEIGHBOUR,
  BACKGROUND,
  PROCESSES,
  HANDOVER,
];

const HELP = `npm run bench -- costs [options]

Measures what things cost, with and without in turn, and prints a table of figures and bars. It runs on
loopback and in temporary directories, and is removed at the end.

${FIGURES.map(({ name, title }) => `  ${name.padEnd(11)} ${title}`).join('\n')}

  --figures A,B   only these
  --rounds N      pairs of each figure (default 5)
  --seconds S     of one measurement (default 2)
  --quick         small and short: shows that the benchmarks work; the figures say nothing
  --write         also put the figures into docs/PERFORMANCE.md; lines of others stay as they are
  --help

Example: npm run bench -- costs --figures sessions,luns
`;

function readOptions(words: readonly string[]) {
  const { values } = parseArgs({
    args: [...words],
    options: {
      figures: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { quick, write, help } = values;
  const names = values.figures?.split(',') ?? FIGURES.map(({ name }) => name);
  const figures = FIGURES.filter(({ name }) => names.includes(name));
  const rounds = Number(values.rounds ?? (quick ? 1 : 5));
  const roundMs = Number(values.seconds ?? (quick ? 0.5 : 2)) * 1000;
  const known = figures.length === names.length && !(write && quick);
  if (!known || !Number.isInteger(rounds) || rounds < 1 || !(roundMs > 0)) return undefined;
  return { figures, rounds, roundMs, quick, write, help };
}

/** Returns the exit status: 0 when every figure holds. */
export async function costs(words: readonly string[]): Promise<number> {
  const options = readOptions(words);
  if (options === undefined || options.help) {
    process.stdout.write(HELP);
    return options === undefined ? 2 : 0;
  }
  const calm = new Generators(1);
  const busy = new Generators(1);
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const lines: Measured[] = [];
  try {
    for (const figure of options.figures)
      lines.push(...(await measured(figure, { ...options, calm, busy, say })));
  } finally {
    await calm.stop();
    await busy.stop();
  }
  process.stdout.write(`${conditions()}\n\n${table(lines)}`);
  if (options.write) {
    const page = { document: 'PERFORMANCE.md', benchmark: 'costs' };
    await writePage(page, lines, options.figures.length < FIGURES.length);
  }
  return lines.every(({ holds }) => holds) ? 0 : 1;
}
