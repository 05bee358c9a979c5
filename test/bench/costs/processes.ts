/**
 * What a second server process brings. One pool has one owner, so a machine uses a further processor by a
 * further server with a pool of its own. Two generators load two LUNs, once of one server and once of two
 * servers with one each, on the same processors; so where the generators take a part of these, as here on
 * loopback, that part is missing on both sides.
 */
import { type Case, FILL } from '../cases.ts';
import type { Generators } from '../generators.ts';
import { fill } from '../measure.ts';
import { median } from '../report.ts';
import { atLeast, type Measured, rounded } from '../snapshots/figure.ts';
import { type Host, withHost } from '../snapshots/host-process.ts';
import type { Target } from '../targets.ts';
import { type CostBench, type CostFigure, caseNamed } from './figure.ts';
import { inTurn, type Round } from './turns.ts';

const MIB = 1024 * 1024;
const SPAN_BYTES = 128 * MIB;
const WARM_UP_MS = 500;
/** A further process must not make it slower. */
const GAIN_MIN = 1;

/** What the two generators load. */
type Pair = readonly [Target, Target];

async function disk(bench: CostBench, host: Host, name: string, lun: number): Promise<Target> {
  await host.ask('lun.create', { name, sizeBytes: SPAN_BYTES });
  const target = { label: name, lun, address: host.address, name: host.target };
  await fill({ generators: bench.busy, target }, FILL, SPAN_BYTES);
  return target;
}

async function together({ calm, busy, roundMs }: CostBench, pair: Pair, pattern: Case): Promise<number> {
  const sides: readonly [Generators, Target][] = [
    [calm, pair[0]],
    [busy, pair[1]],
  ];
  const both = <T>(act: (generators: Generators, target: Target) => Promise<T>): Promise<T[]> =>
    Promise.all(sides.map(([generators, target]) => act(generators, target)));
  await both((generators, { address, name, lun }) =>
    generators.open({ address, target: name, luns: [lun], pattern, spanBytes: SPAN_BYTES, seed: lun + 1 }),
  );
  await both((generators) => generators.run(pattern, { durationMs: WARM_UP_MS }));
  const loads = await both((generators) => generators.run(pattern, { durationMs: roundMs }));
  await both((generators) => generators.close());
  return loads.reduce((sum, { commandsPerSecond }) => sum + commandsPerSecond, 0);
}

async function compare(bench: CostBench, ways: { one: Pair; two: Pair }, pattern: Case): Promise<Measured> {
  bench.say(`${pattern.title}, one server and two`);
  const rounds = await inTurn(
    bench.rounds,
    () => together(bench, ways.two, pattern),
    () => together(bench, ways.one, pattern),
  );
  const middle = (of: (round: Round<number>) => number): number => median(rounds.map(of));
  return {
    what: `${pattern.title}, from two processes: two servers with a pool each / one with both LUNs`,
    ...atLeast(
      middle(({ one: two, other: one }) => two / one),
      GAIN_MIN,
      '',
    ),
    conditions:
      `${rounds.length} rounds of ${bench.roundMs / 1000} s of each in turn, the two generators on the same processors; ` +
      `commands/s: two ${rounded(middle((round) => round.one))}, one ${rounded(middle((round) => round.other))}`,
  };
}

function processes(bench: CostBench): Promise<Measured[]> {
  return withHost({ dropsData: false }, (shared) =>
    withHost({ dropsData: false }, async (second) => {
      const first = await disk(bench, shared, 'first', 0);
      const beside = await disk(bench, shared, 'beside', 1);
      const apart = await disk(bench, second, 'apart', 0);
      const ways = { one: [first, beside], two: [first, apart] } as const;
      const found: Measured[] = [];
      for (const name of ['rr4k-q32', 'rw4k-q32', 'sr1m-q8', 'sw1m-q8'])
        found.push(await compare(bench, ways, caseNamed(name)));
      return found;
    }),
  );
}

export const PROCESSES: CostFigure = {
  name: 'processes',
  title: 'a second server beside the first',
  run: processes,
};
