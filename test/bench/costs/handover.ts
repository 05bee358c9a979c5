/**
 * What it costs to hand a command to another thread of the process and to have its answer back. That is what
 * one pool on several processors would begin with: threads that keep the sockets, and one that owns the pool.
 * A command is a number here, its data being in memory that both see; all that is ready in a turn of the loop
 * goes in one message, in both directions.
 */
import assert from 'node:assert';
import { Worker } from 'node:worker_threads';
import { atMost, type Measured, quantile } from '../snapshots/figure.ts';
import type { CostBench, CostFigure } from './figure.ts';

/** Answers everything it was asked in a turn at the end of that turn. */
const OWNER = `
  const { parentPort } = require('node:worker_threads');
  let answers = [];
  parentPort.on('message', (commands) => {
    if (answers.length === 0) setImmediate(() => { parentPort.postMessage(answers); answers = []; });
    answers.push(...commands);
  });
`;
const DEPTH = 32;
const WARM_UP_MS = 500;
/** Half of the median latency of a 4 KiB read at depth 1 (docs/PERFORMANCE.md). */
const LATENCY_US_MAX = 25;
/** Half of the processor time of a 4 KiB read at depth 32. */
const PROCESSOR_US_MAX = 5.5;

interface Handed {
  readonly medianUs: number;
  /** Processor time of both threads for each command. */
  readonly processorUs: number;
}

/** Keeps `depth` commands with the owner. */
async function hand(owner: Worker, depth: number, durationMs: number): Promise<Handed> {
  const begunUs = new Map<number, number>();
  const latenciesUs: number[] = [];
  const nowUs = (): number => performance.now() * 1000;
  const before = process.cpuUsage();
  const endUs = nowUs() + durationMs * 1000;
  let next = 0;
  const send = (count: number): void => {
    const commands = Array.from({ length: count }, (_, at) => next + at);
    next += count;
    for (const command of commands) begunUs.set(command, nowUs());
    owner.postMessage(commands);
  };
  await new Promise<void>((resolve) => {
    owner.on('message', (answers: readonly number[]) => {
      for (const command of answers) {
        latenciesUs.push(nowUs() - (begunUs.get(command) ?? assert.fail('what was handed over comes back')));
        begunUs.delete(command);
      }
      if (nowUs() < endUs) send(answers.length);
      else if (begunUs.size === 0) resolve();
    });
    send(depth);
  });
  owner.removeAllListeners('message');
  const spent = process.cpuUsage(before);
  return {
    medianUs: quantile(latenciesUs, 0.5),
    processorUs: (spent.user + spent.system) / latenciesUs.length,
  };
}

async function handover({ roundMs, say }: CostBench): Promise<Measured[]> {
  say('handing commands to another thread');
  const owner = new Worker(OWNER, { eval: true });
  try {
    await hand(owner, DEPTH, WARM_UP_MS);
    const one = await hand(owner, 1, roundMs);
    const many = await hand(owner, DEPTH, roundMs);
    const conditions = `${roundMs / 1000} s; all that is ready in a turn goes in one message`;
    return [
      {
        what: 'A command handed to another thread and back, one at a time: median',
        ...atMost(one.medianUs, LATENCY_US_MAX, 'µs'),
        conditions: `${conditions}; the bar is half of the median of a 4 KiB read at depth 1`,
      },
      {
        what: `The same, ${DEPTH} at a time: processor time for each`,
        ...atMost(many.processorUs, PROCESSOR_US_MAX, 'µs'),
        conditions: `${conditions}; the bar is half of what a 4 KiB read at depth 32 costs`,
      },
    ];
  } finally {
    await owner.terminate();
  }
}

export const HANDOVER: CostFigure = {
  name: 'handover',
  title: 'a command handed to another thread',
  run: handover,
};
