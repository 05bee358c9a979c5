/**
 * What one initiator that keeps 256 commands ready costs another that has one at a time, each on a LUN of its
 * own. The calm one is measured alone and beside the busy one in turn; a round's figure is the ratio of the
 * two p99. A session has at most 128 commands under way here, as the target's window says, so the busy one is
 * always at its limit.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Server, startServer } from '../../support/server.ts';
import { type Case, FILL } from '../cases.ts';
import type { Generators } from '../generators.ts';
import { fill } from '../measure.ts';
import { median } from '../report.ts';
import { atMost, type Measured, rounded } from '../snapshots/figure.ts';
import { type CostBench, type CostFigure, caseNamed } from './figure.ts';

const MIB = 1024 * 1024;
const SPAN_BYTES = 128 * MIB;
const UNIT_BYTES = 256 * MIB;
const RATIO_MAX = 3;
const HEAD_START_MS = 300;
const CALM_LUN = 0;
const BUSY_LUN = 1;

const busyCase = (name: string, title: string, rest: Partial<Case>): Case => ({
  ...caseNamed('rr4k-q32'),
  name,
  title,
  depth: 256,
  ...rest,
});

const BUSY: readonly Case[] = [
  busyCase('busy-read', '4 KiB reads', {}),
  busyCase('busy-write', '4 KiB writes', { readPercent: 0 }),
  busyCase('busy-long', '64 KiB writes', { readPercent: 0, transferBytes: 64 * 1024 }),
];
const CALM: readonly Case[] = [caseNamed('rr4k-q1'), caseNamed('rw4k-q1')];

interface Sides {
  readonly calm: Generators;
  readonly busy: Generators;
  readonly server: Server;
}

const NANOSECONDS_PER_US = 1000;

interface Latency {
  readonly p50Us: number;
  readonly p99Us: number;
}

async function latency({ calm }: Sides, pattern: Case, durationMs: number): Promise<Latency> {
  const { latencies } = await calm.run(pattern, { durationMs });
  const percentileUs = (share: number): number => latencies.percentile(share) / NANOSECONDS_PER_US;
  return { p50Us: percentileUs(0.5), p99Us: percentileUs(0.99) };
}

async function open(generators: Generators, server: Server, pattern: Case, lun: number): Promise<void> {
  const address = { host: '127.0.0.1', port: server.port };
  await generators.open({
    address,
    target: server.target,
    luns: [lun],
    pattern,
    spanBytes: SPAN_BYTES,
    seed: lun,
  });
}

interface Pair {
  readonly alone: Latency;
  readonly beside: Latency;
  readonly busyPerSecond: number;
}

async function round(sides: Sides, calm: Case, busy: Case, durationMs: number): Promise<Pair> {
  const alone = await latency(sides, calm, durationMs);
  const load = sides.busy.run(busy, { durationMs: durationMs + 2 * HEAD_START_MS });
  await sleep(HEAD_START_MS);
  const beside = await latency(sides, calm, durationMs);
  return { alone, beside, busyPerSecond: (await load).commandsPerSecond };
}

async function compare(sides: Sides, calm: Case, busy: Case, bench: CostBench): Promise<Measured> {
  bench.say(`${calm.title}, beside ${busy.title} at depth 256`);
  await open(sides.calm, sides.server, calm, CALM_LUN);
  await open(sides.busy, sides.server, busy, BUSY_LUN);
  await round(sides, calm, busy, bench.roundMs / 2);
  const pairs: Pair[] = [];
  for (let nth = 0; nth < bench.rounds; nth += 1) pairs.push(await round(sides, calm, busy, bench.roundMs));
  await sides.calm.close();
  await sides.busy.close();
  const middle = (of: (pair: Pair) => number): number => median(pairs.map(of));
  return {
    what: `${calm.title}: p99 beside ${busy.title} at depth 256 / alone`,
    ...atMost(
      middle(({ alone, beside }) => beside.p99Us / alone.p99Us),
      RATIO_MAX,
      '×',
    ),
    conditions:
      `${pairs.length} pairs of ${bench.roundMs / 1000} s; alone p50 and p99 ` +
      `${rounded(middle(({ alone }) => alone.p50Us))} and ${rounded(middle(({ alone }) => alone.p99Us))} µs, beside ` +
      `${rounded(middle(({ beside }) => beside.p50Us))} and ${rounded(middle(({ beside }) => beside.p99Us))} µs; the busy one ${rounded(middle(({ busyPerSecond }) => busyPerSecond))} commands/s`,
  };
}

async function neighbour(bench: CostBench): Promise<Measured[]> {
  const server = await startServer({ args: ['--init', `calm:${UNIT_BYTES}`], host: '127.0.0.1' });
  try {
    await server.cli('lun', 'create', 'busy', '--size', String(UNIT_BYTES));
    const address = { host: '127.0.0.1', port: server.port };
    for (const lun of [CALM_LUN, BUSY_LUN]) {
      const target = { label: 'snaplun', address, name: server.target, lun };
      await fill({ generators: bench.busy, target }, FILL, SPAN_BYTES);
    }
    const sides = { calm: bench.calm, busy: bench.busy, server };
    const found: Measured[] = [];
    for (const calm of CALM) {
      for (const busy of BUSY) found.push(await compare(sides, calm, busy, bench));
    }
    return found;
  } finally {
    await server.stop();
  }
}

export const NEIGHBOUR: CostFigure = {
  name: 'neighbour',
  title: 'a busy initiator beside a calm one',
  run: neighbour,
};
