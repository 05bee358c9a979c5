/** `npm run bench`: snaplun beside tgt and beside a bare TCP server, in one run, on loopback. */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { CASES, type Case, FILL, QUICK_CASES } from './cases.ts';
import { costs } from './costs/main.ts';
import { Generators } from './generators.ts';
import { type Figures, fill, measure, type Timing } from './measure.ts';
import { caseRows, heading, LEGEND, type Rounds } from './report.ts';
import { snapshots } from './snapshots/main.ts';
import { type Opened, openBare, openSnaplun, openTgt, type Target, tgtIsInstalled } from './targets.ts';
import { parseUrl } from './url.ts';

const HELP = `npm run bench -- [options]

Starts snaplun and, where it is installed, Debian's tgt (as it comes, and tuned) on loopback, loads one after
the other, and prints medians and ratios in one table. The line "bare TCP" is a server that moves the same
bytes and does nothing else. Everything is removed at the end.

  --cases A,B       only these of: ${CASES.map(({ name }) => name).join(' ')}
  --rounds N        rounds, all targets in each, and one before them that is not counted (default 3)
  --seconds S       of one measurement (default 2)
  --warm-up S       before each measurement (default 0.3)
  --span MIB        bytes in play of each unit (default 256)
  --targets A,B     only these of: snaplun, tgt, bare (default all)
  --generators N    generator processes (default one for every two processors)
  --url LABEL=URL   also iscsi://HOST:PORT/IQN/LUN, overwritten from its first block on (repeatable)
  --no-fill         do not write the span once first
  --quick           one round of one second of a few cases over 64 MiB
  --help

Example: npm run bench -- --cases rr4k-q32,rw4k-q32 --rounds 5

npm run bench -- snapshots [options]

Measures what snapshots cost instead (docs/SNAPSHOTS.md); it has a --help of its own.

npm run bench -- costs [options]

Measures what options, numbers, neighbours and the background cost; it has a --help of its own.
`;

const MIB = 1024 * 1024;
const UNIT_BYTES_MIN = 1024 * MIB;

function readOptions() {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'warm-up': { type: 'string', default: '0.3' },
      span: { type: 'string' },
      targets: { type: 'string', default: 'snaplun,tgt,bare' },
      generators: { type: 'string', default: String(Math.max(1, availableParallelism() >> 1)) },
      url: { type: 'string', multiple: true, default: [] },
      'no-fill': { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { quick } = values;
  const names = values.cases?.split(',') ?? (quick ? QUICK_CASES : CASES.map(({ name }) => name));
  const cases = names.map((name) => CASES.find((one) => one.name === name));
  const rounds = Number(values.rounds ?? (quick ? 1 : 3));
  const durationMs = Number(values.seconds ?? (quick ? 1 : 2)) * 1000;
  const warmUpMs = Number(values['warm-up']) * 1000;
  const spanBytes = Number(values.span ?? (quick ? 64 : 256)) * MIB;
  const generatorCount = Number(values.generators);
  const urls = values.url.map(parseUrl);
  const whole = [rounds, generatorCount, spanBytes / MIB].every((one) => Number.isInteger(one) && one >= 1);
  const known = cases.every((one) => one !== undefined) && urls.every((one) => one !== undefined);
  if (!whole || !known || !(durationMs > 0) || !(warmUpMs >= 0)) return undefined;
  return {
    help: values.help,
    fills: !values['no-fill'],
    wanted: values.targets.split(','),
    cases: cases.filter((one) => one !== undefined),
    urls: urls.filter((one) => one !== undefined),
    timing: { durationMs, warmUpMs, spanBytes },
    rounds,
    generatorCount,
  };
}

type Options = NonNullable<ReturnType<typeof readOptions>>;

/** Starts what is wanted; `opened` knows what to stop even when one of them does not start. */
async function openTargets(options: Options, opened: Opened[]): Promise<readonly Target[]> {
  const unitBytes = Math.max(UNIT_BYTES_MIN, options.timing.spanBytes);
  if (options.wanted.includes('snaplun')) opened.push(await openSnaplun(unitBytes));
  if (options.wanted.includes('tgt')) {
    if (await tgtIsInstalled()) opened.push(await openTgt(unitBytes));
    else process.stdout.write('tgt is not installed (Debian package tgt): compared without it\n');
  }
  if (options.wanted.includes('bare')) opened.push(await openBare());
  return [...opened.flatMap(({ targets }) => targets), ...options.urls];
}

async function measureCase(
  pattern: Case,
  targets: readonly Target[],
  { generators, rounds, timing }: { generators: Generators; rounds: number; timing: Timing },
): Promise<Rounds> {
  const found = new Map<string, (Figures | undefined)[]>(targets.map(({ label }) => [label, []]));
  // The first round is not counted: JavaScript is compiled while a server meets a case for the first time.
  for (let round = -1; round < rounds; round += 1) {
    for (const target of targets) {
      const figures = await measure({ generators, target }, pattern, { ...timing, seed: round + 1 }).catch(
        (error: Error) => {
          process.stdout.write(`${pattern.name} on ${target.label}: ${error.message}\n`);
          return undefined;
        },
      );
      if (round >= 0) found.get(target.label)?.push(figures);
    }
  }
  return found;
}

function conditions({ rounds, timing, generatorCount }: Options): string {
  const processors = cpus();
  const load = loadavg()[0]?.toFixed(1);
  return (
    `${rounds} rounds of ${timing.durationMs / 1000} s over ${timing.spanBytes / MIB} MiB; ` +
    `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, load average ${load}; ` +
    `Node.js ${process.version}, ${generatorCount} generator process(es)\n\n`
  );
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined || options.help) {
    process.stdout.write(HELP);
    return options === undefined ? 2 : 0;
  }
  const generators = new Generators(options.generatorCount);
  const opened: Opened[] = [];
  let failed = 0;
  try {
    const targets = await openTargets(options, opened);
    process.stdout.write(conditions(options));
    for (const target of targets) {
      if (target.name !== undefined && options.fills)
        await fill({ generators, target }, FILL, options.timing.spanBytes);
    }
    process.stdout.write(heading());
    for (const pattern of options.cases) {
      const rounds = await measureCase(pattern, targets, { ...options, generators });
      process.stdout.write(caseRows(pattern, rounds));
      failed += [...rounds.values()].flat().filter((one) => one === undefined).length;
    }
    process.stdout.write(LEGEND);
  } finally {
    await generators.stop();
    for (const one of opened.reverse()) await one.stop();
  }
  return failed === 0 ? 0 : 1;
}

const [first, ...rest] = process.argv.slice(2);
const others: Readonly<Record<string, (words: readonly string[]) => Promise<number>>> = {
  snapshots,
  costs,
};
process.exitCode = await (others[first ?? '']?.(rest) ?? main());
