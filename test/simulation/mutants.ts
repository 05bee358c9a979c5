/**
 * Shows that the simulation can fail: the engine is broken on purpose in one place after another, and each
 * time some seed has to notice. Not part of the test run, for it takes minutes:
 *
 *   npm run simulate:mutants [-- --seeds 500] [--only 3] [--jobs 2]
 *
 * Prints for every mutant the first seed that found it and how; ends with 1 when one got away.
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
  ({ number }) => values.only === undefined || values.only.split(',').includes(String(number)),
);
const waiting = chosen.slice();
let missed = 0;

async function worker(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { mutant, number } = next;
    const how = await caught(mutant);
    const good = how?.startsWith('seed ') === true;
    if (!good) missed += 1;
    process.stdout.write(`${number}. ${mutant.what}\n   ${good ? '' : 'NOT CAUGHT '}${how ?? ''}\n`);
  }
}

await Promise.all(Array.from({ length: Number(values.jobs) }, worker));
process.stdout.write(`${chosen.length} mutants, ${missed} not caught\n`);
if (missed > 0) process.exitCode = 1;
