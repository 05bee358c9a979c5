/**
 * The simulation from the command line:
 *
 *   npm run simulate -- --seeds 500 [--from 1]      that many seeds, in order
 *   npm run simulate -- --seconds 60 [--from 1]     as many as fit
 *   npm run simulate -- --seed 77 [--verbose]       one, with everything that happens
 *   … --without resize,fault                        with these kinds of operation left out
 *   … --first-failure                               ends at the first seed that fails, unshrunk
 *
 * A seed that fails is printed with its reason and a script shrunk as far as it goes. Ends with 1 when any
 * failed.
 */
import { parseArgs } from 'node:util';
import { generate, type Mix } from './generate.ts';
import { newTally } from './runner.ts';
import type { Operation } from './script.ts';
import { shrink } from './shrink.ts';
import { failureOf } from './simulate.ts';

const SHRINKING_RUNS_MAX = 300;
/** Enough to see whether they have something in common. */
const FAILURES_SHOWN_MAX = 5;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
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
let clean = 0;
let failed = 0;

async function runSeed(seed: number): Promise<void> {
  const script = generate(seed, mix);
  if (values.verbose) print(JSON.stringify(script.world));
  const failure = await failureOf(script, tally, values.verbose ? print : undefined);
  if (failure === undefined) {
    clean += 1;
    return;
  }
  failed += 1;
  print(`seed ${seed} failed: ${failure}`);
  if (values.verbose || values['first-failure'] || failed > FAILURES_SHOWN_MAX) return;
  const shrunk = await shrink(
    { script, failure },
    { failure: (one) => failureOf(one), runsMax: SHRINKING_RUNS_MAX },
  );
  print(`  shrunk to ${shrunk.script.operations.length} operations: ${shrunk.failure}`);
  print(`  ${JSON.stringify(shrunk.script.world)}`);
  for (const operation of shrunk.script.operations) print(`  ${JSON.stringify(operation)}`);
}

let seeds = 0;
while (seeds < seedsMax && Date.now() < endsAtMs && !(values['first-failure'] && failed > 0)) {
  await runSeed(first + seeds);
  seeds += 1;
}
print(
  `${seeds} seeds from ${first}: ${tally.operations} operations, ${tally.powerCuts} power cuts, ` +
    `${tally.kills} kills, ${tally.events} events`,
);
print(`${clean} seeds clean, ${failed} failed`);
if (failed > 0) process.exitCode = 1;
