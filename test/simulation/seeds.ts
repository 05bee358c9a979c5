/**
 * One seed after the other, here or in processes of their own: what became of each. A seed that fails is
 * shrunk where it was run.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { generate, type Mix } from './generate.ts';
import type { Script } from './script.ts';
import { shrink } from './shrink.ts';
import { failureOf, type Say } from './simulate.ts';
import { newTally, type Tally } from './tally.ts';

const SHRINKING_RUNS_MAX = 300;

export interface Job {
  readonly seed: number;
  readonly mix: Mix;
  readonly shrinking: boolean;
}

export interface Result {
  readonly seed: number;
  readonly tally: Tally;
  readonly failure?: string;
  readonly shrunk?: { readonly script: Script; readonly failure: string };
}

export async function runSeed({ seed, mix, shrinking }: Job, say?: Say): Promise<Result> {
  const script = generate(seed, mix);
  say?.(JSON.stringify(script.world));
  const tally = newTally();
  const failure = await failureOf(script, tally, say);
  if (failure === undefined) return { seed, tally };
  if (!shrinking) return { seed, tally, failure };
  const tools = { failure: (one: Script) => failureOf(one), runsMax: SHRINKING_RUNS_MAX };
  return { seed, tally, failure, shrunk: await shrink({ script, failure }, tools) };
}

export interface Work {
  /** The next one to run; undefined: no more. */
  readonly next: () => Job | undefined;
  readonly onResult: (result: Result) => void;
}

export async function runHere({ next, onResult }: Work, say?: Say): Promise<void> {
  for (let job = next(); job !== undefined; job = next()) onResult(await runSeed(job, say));
}

/** Over so many processes, each of which runs one seed at a time. */
export async function runInProcesses(work: Work, processes: number): Promise<void> {
  await Promise.all(Array.from({ length: processes }, () => oneProcess(work)));
}

async function oneProcess({ next, onResult }: Work): Promise<void> {
  let job = next();
  if (job === undefined) return;
  const child = fork(fileURLToPath(new URL('worker.ts', import.meta.url)));
  const ended = once(child, 'exit').then(() => undefined);
  try {
    for (; job !== undefined; job = next()) onResult(await ask(child, job, ended));
  } finally {
    if (child.connected) child.disconnect();
  }
}

async function ask(child: ChildProcess, job: Job, ended: Promise<undefined>): Promise<Result> {
  const answered = new Promise<Result>((resolve) => {
    child.once('message', (result) => resolve(result as Result));
  });
  if (child.connected) child.send(job);
  const answer = await Promise.race([answered, ended]);
  if (answer !== undefined) return answer;
  return { seed: job.seed, tally: newTally(), failure: 'the process that ran it has ended' };
}
