/**
 * What it costs to hand a command to another thread of the process and to have its answer back. That is what
 * one pool on several processors would begin with: threads that keep the sockets, and one that owns the pool.
 * A command is a number here, its data being in memory that both see; all that is ready in a turn of the loop
 * goes in one message, in both directions.
 */
import { Worker } from 'node:worker_threads';
import { Histogram } from '../histogram.ts';
import { atMost, type Measured } from '../snapshots/figure.ts';
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
const NANOSECONDS_PER_MS = 1e6;
const NANOSECONDS_PER_US = 1000;
/** Half of the median latency of a 4 KiB read at depth 1 (docs/PERFORMANCE.md). */
const LATENCY_US_MAX = 25;
/** Half of the processor time of a 4 KiB read at depth 32. */
const PROCESSOR_US_MAX = 5.5;

interface Handed {
  readonly medianUs: number;
  /** Processor time of both threads for each command. */
  readonly processorUs: number;
}

const nowNs = (): number => performance.now() * NANOSECONDS_PER_MS;

/** Keeps `depth` commands with the owner; each is the time at which it was handed over. */
async function hand(owner: Worker, depth: number, durationMs: number): Promise<Handed> {
  const latencies = new Histogram();
  let commands = 0;
  let outstanding = 0;
  const before = process.cpuUsage();
  const endNs = nowNs() + durationMs * NANOSECONDS_PER_MS;
  const send = (count: number): void => {
    outstanding += count;
    owner.postMessage(new Array<number>(count).fill(nowNs()));
  };
  await new Promise<void>((resolve) => {
    owner.on('message', (answers: readonly number[]) => {
      for (const begunNs of answers) latencies.add(nowNs() - begunNs);
      commands += answers.length;
      outstanding -= answers.length;
      if (nowNs() < endNs) send(answers.length);
      else if (outstanding === 0) resolve();
    });
    send(depth);
  });
  owner.removeAllListeners('message');
  const spent = process.cpuUsage(before);
  return {
    medianUs: latencies.percentile(0.5) / NANOSECONDS_PER_US,
    processorUs: (spent.user + spent.system) / commands,
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
