/** The table: for each case the medians of every target, and how they compare in the rounds they shared. */
import type { Case } from './cases.ts';
import type { Figures } from './measure.ts';

/** Figures of the rounds of one case, by the target's label; a round that failed is undefined. */
export type Rounds = ReadonlyMap<string, readonly (Figures | undefined)[]>;

const HEADINGS = [
  'case',
  'target',
  'IOPS',
  'MB/s',
  'p50 µs',
  'p99 µs',
  'p99.9 µs',
  'server µs/IO',
  'generator µs/IO',
] as const;
const WIDTHS = [13, 11, 8, 8, 8, 8, 9, 12, 15] as const;

const OURS = 'snaplun';

export const LEGEND = `
Medians of the rounds. A line "÷ X" is ${OURS} against X, the median of the pairs measured in the same round:
IOPS and MB/s; and under "server", I/O per second of the server's processor time. More is better for us.
What snapshots cost is measured by: npm run bench -- snapshots
`;

export function median(values: readonly number[]): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const high = sorted[middle];
  const low = sorted[sorted.length - 1 - middle];
  return high === undefined || low === undefined ? Number.NaN : (low + high) / 2;
}

function line(cells: readonly string[]): string {
  const padded = WIDTHS.map((width, column) => {
    const cell = cells[column] ?? '';
    return column < 2 ? cell.padEnd(width) : cell.padStart(width);
  });
  return `| ${padded.join(' | ')} |\n`;
}

export function heading(): string {
  const rules = WIDTHS.map((width, column) => (column < 2 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return line(HEADINGS) + line(rules);
}

const fixed = (value: number, digits: number): string =>
  Number.isNaN(value) ? 'n/a' : value.toFixed(digits);

const times = (value: number): string => (Number.isNaN(value) ? 'n/a' : `${value.toFixed(2)}×`);

function row(pattern: Case, label: string, rounds: readonly (Figures | undefined)[]): string {
  const figures = rounds.filter((one) => one !== undefined);
  if (figures.length === 0) return line([pattern.name, label, 'failed']);
  const middle = (key: keyof Figures, digits: number): string =>
    fixed(median(figures.map((one) => one[key])), digits);
  return line([
    pattern.name,
    label,
    middle('commandsPerSecond', 0),
    middle('megabytesPerSecond', 1),
    middle('p50Us', 0),
    middle('p99Us', 0),
    middle('p999Us', 0),
    middle('serverUs', 1),
    middle('generatorUs', 1),
  ]);
}

type Rounded = readonly (Figures | undefined)[];

/** The median over the rounds of what one target reached against another in the same round. */
function ratio(ours: Rounded, theirs: Rounded, of: (one: Figures) => number): number {
  return median(
    ours.map((one, round) => {
      const other = theirs[round];
      return one === undefined || other === undefined ? Number.NaN : of(one) / of(other);
    }),
  );
}

const perSecond = (one: Figures): number => one.commandsPerSecond;
const perProcessorSecond = (one: Figures): number => 1 / one.serverUs;

/** One line for each other target: throughput against its, and I/O per processor second against its. */
function ratios(pattern: Case, rounds: Rounds): string {
  const ours = rounds.get(OURS);
  if (ours === undefined) return '';
  const lines: string[] = [];
  for (const [label, theirs] of rounds) {
    if (label === OURS) continue;
    const speed = times(ratio(ours, theirs, perSecond));
    const perProcessor = times(ratio(ours, theirs, perProcessorSecond));
    lines.push(line([pattern.name, `÷ ${label}`, speed, speed, '', '', '', perProcessor]));
  }
  return lines.join('');
}

export function caseRows(pattern: Case, rounds: Rounds): string {
  const rows = [...rounds].map(([label, figures]) => row(pattern, label, figures));
  return rows.join('') + ratios(pattern, rounds);
}
