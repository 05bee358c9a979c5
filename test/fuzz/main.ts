/**
 * The fuzzer from the command line:
 *
 *   npm run fuzz -- --pdus 200000 [--seed S]       against the whole target in this process
 *   npm run fuzz -- --pdus 200000 --server         against a real server with a real pool, over loopback
 *
 * Every 2,000 PDUs are a world of their own with the next seed, so that a failure is small: it is cut
 * down to the shortest prefix of its world that fails, and printed with the command that shows it again.
 * Ends with 1 when one failed, or when a world did not end (a hang), or when memory grows.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Tally } from './assault.ts';
import { fuzzServer } from './server.ts';
import { runWorld } from './world.ts';

const WORLD_PDUS = 2_000;
/** A world takes a fraction of a second. */
const HANG_MS = 60_000;
/** What may stay behind after all worlds: caches of the program's own code and of the runtime. */
const GROWTH_BYTES_MAX = 48 * 1024 * 1024;
const COLLECTIONS = 5;
/** Worlds until caches are as warm as they get. */
const WARM_UP_WORLDS = 10;

interface Plan {
  readonly pdus: number;
  readonly seed: number;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Heap and buffers in use once nothing more can be collected: buffers go a turn after what held them. */
async function usedBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let turn = 0; turn < COLLECTIONS; turn += 1) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** The smallest number of PDUs with which the world still fails. */
async function shortest(seed: number, pdus: number): Promise<number> {
  let passes = 0;
  let fails = pdus;
  while (fails - passes > 1) {
    const middle = (passes + fails) >> 1;
    if ((await runWorld({ seed, pdus: middle, tally: new Tally() })) === undefined) passes = middle;
    else fails = middle;
  }
  return fails;
}

async function work({ pdus, seed }: Plan): Promise<void> {
  const tally = new Tally();
  let warmBytes = 0;
  let worlds = 0;
  for (let left = pdus; left > 0; left -= WORLD_PDUS) {
    const size = Math.min(left, WORLD_PDUS);
    const worldSeed = seed + worlds;
    process.send?.({ seed: worldSeed });
    const failure = await runWorld({ seed: worldSeed, pdus: size, tally });
    if (failure !== undefined) {
      const prefix = await shortest(worldSeed, size);
      print(`seed ${worldSeed} failed within ${size} PDUs: ${failure}`);
      print(`shortest prefix that fails: npm run fuzz -- --seed ${worldSeed} --pdus ${prefix}`);
      process.exitCode = 1;
      return;
    }
    worlds += 1;
    if (worlds === WARM_UP_WORLDS) warmBytes = await usedBytes();
  }
  for (const [what, count] of [...tally.counts].sort()) print(`${String(count).padStart(9)}  ${what}`);
  const grown = warmBytes === 0 ? 0 : (await usedBytes()) - warmBytes;
  print(
    `${tally.pdus} PDUs in ${worlds} worlds from seed ${seed}: no failure; memory grew by ${kib(grown)} KiB`,
  );
  if (grown > GROWTH_BYTES_MAX) {
    print(`that is more than ${kib(GROWTH_BYTES_MAX)} KiB`);
    process.exitCode = 1;
  }
}

function kib(bytes: number): number {
  return Math.round(bytes / 1024);
}

/**
 * Runs the worlds in a process of their own, so that one that never ends can be seen, and ended, from
 * here.
 */
function supervise(plan: Plan): void {
  const words = ['--worlds', '--pdus', String(plan.pdus), '--seed', String(plan.seed)];
  const child = fork(fileURLToPath(import.meta.url), words);
  let current = plan.seed;
  const onHang = (): void => {
    const again = `npm run fuzz -- --seed ${current} --pdus ${WORLD_PDUS}`;
    print(`seed ${current} did not end within ${HANG_MS / 1000} s: ${again}`);
    child.kill('SIGKILL');
  };
  let timer = setTimeout(onHang, HANG_MS);
  child.on('message', (message) => {
    current = (message as { readonly seed: number }).seed;
    clearTimeout(timer);
    timer = setTimeout(onHang, HANG_MS);
  });
  child.on('exit', (code) => {
    clearTimeout(timer);
    if (code !== 0) print(`the worlds ended with ${code ?? 'a signal'} at seed ${current}`);
    process.exitCode = code ?? 1;
  });
}

const { values } = parseArgs({
  options: {
    pdus: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    server: { type: 'boolean', default: false },
    /** Set for the process that runs the worlds. */
    worlds: { type: 'boolean', default: false },
  },
});
const plan = { pdus: Number(values.pdus), seed: Number(values.seed) };
if (values.worlds) {
  await work(plan);
  process.disconnect?.();
} else if (values.server) await fuzzServer(plan, print);
else supervise(plan);
