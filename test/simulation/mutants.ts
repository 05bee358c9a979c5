/**
 * Shows that the simulation can fail: the engine is broken on purpose in one place after another, and each
 * time some seed has to notice. Not part of the test run, for it takes minutes:
 *
 *   npm run simulate:mutants [-- --named] [--seeds 500] [--only 3] [--jobs 2]
 *
 * `--named`: only the faults that the design names. Prints for every mutant how it was found, and at the end
 * a table of how many seeds that took; ends with 1 when one got away.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { MUTANTS, type Mutant } from './mutant-list.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '500' },
    only: { type: 'string' },
    named: { type: 'boolean', default: false },
    jobs: { type: 'string', default: String(availableParallelism()) },
  },
});

const SHOWN_CHARACTERS = 160;
const PROGRAM = [
  ...['--import', './test/support/run-typescript.mjs'],
  ...['--import', './test/simulation/mutate.mjs'],
  'test/simulation/main.ts',
];

/** The first failure that the simulation reports; undefined when the mutant got away. */
async function caught({ edits }: Mutant): Promise<string | undefined> {
  const limits = ['--seeds', values.seeds, '--jobs', '1', '--first-failure'];
  const child = spawn(process.execPath, [...PROGRAM, ...limits], {
    env: { ...process.env, MUTANT: JSON.stringify(edits) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const lines = `${out}${errors}`.split('\n');
  return lines
    .find((line) => /^the mutant does not fit|^seed \d+ failed|Error/.test(line))
    ?.slice(0, SHOWN_CHARACTERS);
}

const chosen = MUTANTS.map((mutant, i) => ({ mutant, number: i + 1 })).filter(
  ({ mutant, number }) =>
    (values.only === undefined || values.only.split(',').includes(String(number))) &&
    (!values.named || mutant.fault !== undefined),
);
const waiting = chosen.slice();
/** Seeds until each was caught, by number. */
const seedsUntil = new Map<number, number>();

function label({ fault, what }: Mutant): string {
  return fault === undefined ? what : `${fault} | ${what}`;
}

async function worker(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { mutant, number } = next;
    const how = await caught(mutant);
    const seed = how?.match(/^seed (\d+)/)?.[1];
    if (seed !== undefined) seedsUntil.set(number, Number(seed));
    const good = seed !== undefined;
    process.stdout.write(`${number}. ${label(mutant)}\n   ${good ? '' : 'NOT CAUGHT '}${how ?? ''}\n`);
  }
}

await Promise.all(Array.from({ length: Number(values.jobs) }, worker));
process.stdout.write(`\nseeds until caught | fault\n`);
for (const { mutant, number } of chosen) {
  process.stdout.write(`${String(seedsUntil.get(number) ?? '-').padStart(18)} | ${label(mutant)}\n`);
}
const missed = chosen.length - seedsUntil.size;
process.stdout.write(`${chosen.length} mutants, ${missed} not caught\n`);
if (missed > 0) process.exitCode = 1;
