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

/** What both ways gave in one round. */
export interface Round<T> {
  readonly one: T;
  readonly other: T;
}

/**
 * Measures both in every round; each goes first every second time, and the round before the first is not
 * counted.
 */
export async function inTurn<T>(
  rounds: number,
  measureOne: (seed: number) => Promise<T>,
  measureOther: (seed: number) => Promise<T>,
): Promise<Round<T>[]> {
  const counted: Round<T>[] = [];
  for (let round = -1; round < rounds; round += 1) {
    const seed = round + 2;
    const otherFirst = round % 2 === 0 ? undefined : await measureOther(seed);
    const one = await measureOne(seed);
    const other = otherFirst ?? (await measureOther(seed));
    if (round >= 0) counted.push({ one, other });
  }
  return counted;
}

/** How fast the one is against the other, which has to be at least `limit` times. */
export async function against(
  bench: CostBench,
  what: string,
  [one, other]: readonly [Way, Way],
  limit: number,
): Promise<Measured> {
  bench.say(what);
  const rounds = await inTurn(
    bench.rounds,
    (seed) => speed(bench, one, seed),
    (seed) => speed(bench, other, seed),
  );
  const middle = (of: (round: Round<Figures>) => number): number => median(rounds.map(of));
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
