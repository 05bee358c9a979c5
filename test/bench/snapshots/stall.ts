/**
 * How long an initiator's commands wait because of something done beside them. A generator keeps commands
 * outstanding over the wire all the time; again and again, at a fixed interval, the thing is done and not
 * done, in turn. The longest latency among the commands outstanding in the time after either is noted; that
 * time ends a little after the thing was done, and is as long where it is not. What the thing adds is the
 * difference between a quantile of the one kind and the same quantile of the other: the same load, in the
 * same seconds, without it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Case } from '../cases.ts';
import type { Plan } from '../plan.ts';
import { sharedNowMs } from '../timeline.ts';
import { type Bench, quantile } from './figure.ts';
import type { Host } from './host-process.ts';

/** From one moment to the next. */
const INTERVAL_MS = 150;
/** What is outstanding within this long after a moment belongs to it; where a verb takes longer, longer. */
const WINDOW_MS = 30;
const WARM_UP_MS = 2000;

export const WRITES_Q32: Case = {
  name: 'rw4k-q32',
  title: '4 KiB random write, depth 32',
  order: 'random',
  transferBytes: 4096,
  depth: 32,
  readPercent: 0,
  syncEach: false,
  sessions: 1,
};

export const READS_Q32: Case = { ...WRITES_Q32, name: 'rr4k-q32', readPercent: 100 };

export interface StallPlan {
  readonly host: Host;
  readonly load: Pick<Plan, 'luns' | 'spanBytes'> & Partial<Pick<Plan, 'zeroes' | 'attentions'>>;
  readonly pattern: Case;
  /** How often the thing is done; as often it is not. */
  readonly times: number;
  readonly intervalMs?: number;
  readonly cause: (time: number) => Promise<unknown>;
}

export interface Stalls {
  /** The longest latency after each time the thing was done, in milliseconds. */
  readonly caused: readonly number[];
  readonly control: readonly number[];
  /** How long each doing took, as whoever did it saw it. */
  readonly tookMs: readonly number[];
  readonly commandsPerSecond: number;
}

interface Moment {
  readonly atMs: number;
  readonly endMs: number;
  readonly caused: boolean;
}

export async function measureStalls({ generators }: Bench, plan: StallPlan): Promise<Stalls> {
  const { host, pattern, times, intervalMs = INTERVAL_MS } = plan;
  await generators.open({ address: host.address, target: host.target, pattern, seed: 1, ...plan.load });
  await generators.run(pattern, { durationMs: WARM_UP_MS });
  const durationMs = (2 * times + 1) * intervalMs;
  const startedMs = sharedNowMs();
  const load = generators.run(pattern, { durationMs });
  // Should it fail, it is told when it is awaited.
  load.catch(() => undefined);
  const moments: Moment[] = [];
  const tookMs: number[] = [];
  for (let at = 0; at < 2 * times; at += 1) {
    const dueMs = Math.max(startedMs + (at + 1) * intervalMs, moments.at(-1)?.endMs ?? 0);
    await sleep(Math.max(0, dueMs - sharedNowMs()));
    const atMs = sharedNowMs();
    if (at % 2 === 1) {
      // As long as the one before: in a longer time more happens anyway, a checkpoint or a flush.
      const before = moments.at(-1) as Moment;
      moments.push({ atMs, endMs: atMs + before.endMs - before.atMs, caused: false });
      continue;
    }
    await plan.cause(at / 2);
    tookMs.push(sharedNowMs() - atMs);
    moments.push({ atMs, endMs: Math.max(atMs, sharedNowMs() - WINDOW_MS / 2) + WINDOW_MS, caused: true });
  }
  const { timeline, commandsPerSecond } = await load;
  await generators.close();
  // Verbs that took longer than an interval may have gone on when the load had ended.
  const loaded = moments.filter(({ endMs }) => endMs <= startedMs + durationMs);
  const longest = (wanted: boolean): number[] =>
    loaded
      .filter(({ caused }) => caused === wanted)
      .map(({ atMs, endMs }) => timeline.longestMs(atMs, endMs));
  return { caused: longest(true), control: longest(false), tookMs, commandsPerSecond };
}

/** What the thing adds to a quantile of the longest latency, in milliseconds; never below 0. */
export function addedMs({ caused, control }: Stalls, share: number): number {
  return Math.max(0, quantile(caused, share) - quantile(control, share));
}
