/**
 * The simulation from the command line:
 *
 *   npm run simulate -- --seeds 500 [--from 1]      that many seeds, in order
 *   npm run simulate -- --seconds 60 [--from 1]     as many as fit
 *   npm run simulate -- --seed 77 [--verbose]       one, with everything that happens
 *   … --jobs 4                                      over so many processes, not one per core
 *   … --without resize,fault                        with these kinds of operation left out
 *   … --first-failure                               ends at the first seed that fails, unshrunk
 *
 * A seed that fails is printed with its reason and a script shrunk as far as it goes. Ends with 1 when any
 * failed.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { Mix } from './generate.ts';
import type { Operation } from './script.ts';
import { type Result, runHere, runInProcesses, type Work } from './seeds.ts';
import { addTally, describeTally, newTally } from './tally.ts';

/** Enough to see whether they have something in common. */
const FAILURES_SHOWN_MAX = 5;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    without: { type: 'string', default: '' },
    'first-failure': { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const mix: Mix = { without: values.without.split(',').filter(Boolean) as Operation['do'][] };
const first = Number(values.seed ?? values.from);
const seedsMax =
  values.seed === undefined ? Number(values.seeds ?? (values.seconds === undefined ? 100 : 1e9)) : 1;
const endsAtMs =
  values.seconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + Number(values.seconds) * 1000;

const tally = newTally();
let begun = 0;
let clean = 0;
let failed = 0;

function show({ seed, failure, shrunk }: Result): void {
  print(`seed ${seed} failed: ${failure}`);
  if (shrunk === undefined) return;
  print(`  shrunk to ${shrunk.script.operations.length} operations: ${shrunk.failure}`);
  print(`  ${JSON.stringify(shrunk.script.world)}`);
  for (const operation of shrunk.script.operations) print(`  ${JSON.stringify(operation)}`);
}

const work: Work = {
  next: () => {
    const enough = begun >= seedsMax || Date.now() >= endsAtMs;
    if (enough || (values['first-failure'] && failed > 0)) return undefined;
    begun += 1;
    const shrinking = !values.verbose && !values['first-failure'] && failed < FAILURES_SHOWN_MAX;
    return { seed: first + begun - 1, mix, shrinking };
  },
  onResult: (result) => {
    addTally(tally, result.tally);
    if (result.failure === undefined) {
      clean += 1;
      return;
    }
    failed += 1;
    show(result);
  },
};

const processes = Math.min(Number(values.jobs), seedsMax);
if (processes > 1) await runInProcesses(work, processes);
else await runHere(work, values.verbose ? print : undefined);

const [crashes, ...more] = describeTally(tally);
print(`${begun} seeds from ${first}: ${crashes}`);
for (const line of more) print(line);
print(`${clean} seeds clean, ${failed} failed`);
if (failed > 0) process.exitCode = 1;
