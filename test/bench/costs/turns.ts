/** Two ways in turn, so that whatever else the machine does meets both alike. */
import type { Case } from '../cases.ts';
import { type Figures, measure } from '../measure.ts';
import { median } from '../report.ts';
import { atLeast, type Measured, rounded } from '../snapshots/figure.ts';
import type { Target } from '../targets.ts';
import type { CostBench } from './figure.ts';

const WARM_UP_MS = 500;

/** One of the two ways. */
export interface Way {
  /** As the conditions call it. */
  readonly label: string;
  readonly target: Target;
  readonly pattern: Case;
  readonly spanBytes: number;
  readonly digests?: boolean;
}

async function speed(bench: CostBench, way: Way, seed: number): Promise<Figures> {
  const { target, pattern, spanBytes, digests = false } = way;
  const timing = { durationMs: bench.roundMs, warmUpMs: WARM_UP_MS, spanBytes, seed, digests };
  return measure({ generators: bench.busy, target }, pattern, timing);
}

/** How fast the one is against the other, which has to be at least `limit` times. */
export async function against(
  bench: CostBench,
  what: string,
  [one, other]: readonly [Way, Way],
  limit: number,
): Promise<Measured> {
  bench.say(what);
  const rounds: { readonly one: Figures; readonly other: Figures }[] = [];
  // The round before the first is not counted.
  for (let round = -1; round < bench.rounds; round += 1) {
    const seed = round + 2;
    // Each goes first every second time.
    const first = round % 2 === 0 ? one : other;
    const second = first === one ? other : one;
    const found = [await speed(bench, first, seed), await speed(bench, second, seed)] as const;
    const [ofOne, ofOther] = first === one ? found : [found[1], found[0]];
    if (round >= 0) rounds.push({ one: ofOne, other: ofOther });
  }
  const middle = (of: (round: { one: Figures; other: Figures }) => number): number => median(rounds.map(of));
  const perSecond = (which: 'one' | 'other'): string =>
    rounded(middle((round) => round[which].commandsPerSecond));
  const perProcessor = middle((round) => round.other.serverUs / round.one.serverUs);
  return {
    what,
    ...atLeast(
      middle((round) => round.one.commandsPerSecond / round.other.commandsPerSecond),
      limit,
      '',
    ),
    conditions:
      `${rounds.length} rounds of ${bench.roundMs / 1000} s of each in turn; commands/s: ${one.label} ${perSecond('one')}, ` +
      `${other.label} ${perSecond('other')}; commands for each second of the server's processor time: ${rounded(perProcessor)} times`,
  };
}
