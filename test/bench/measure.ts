/** One measurement: open the sessions, warm up, load for a while, close; and what the server spent on it. */
import type { Case } from './cases.ts';
import type { Generators } from './generators.ts';
import { processesServing, processorSeconds } from './process-time.ts';
import type { Target } from './targets.ts';

export interface Timing {
  readonly durationMs: number;
  readonly warmUpMs: number;
  readonly spanBytes: number;
  /** What is written is zeroes. */
  readonly zeroes?: boolean;
  /** With header and data digests. */
  readonly digests?: boolean;
}

/** Figures of one case on one target in one round; times in microseconds. */
export interface Figures {
  readonly commandsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  /** Processor time of the server for each command; NaN where the system does not tell. */
  readonly serverUs: number;
  readonly generatorUs: number;
}

const US_PER_SECOND = 1e6;
const US_PER_MS = 1000;
const NANOSECONDS_PER_US = 1000;
const BYTES_PER_MEGABYTE = 1e6;
const FILL_TIMEOUT_MS = 60_000;

interface Subject {
  readonly generators: Generators;
  readonly target: Target;
}

function planFor(target: Target, pattern: Case, spanBytes: number) {
  return {
    address: target.address,
    target: target.name,
    luns: target.luns ?? [target.lun],
    pattern,
    spanBytes,
  };
}

/** Writes every block of the span once, so that no read is of a hole. */
export async function fill({ generators, target }: Subject, pattern: Case, spanBytes: number): Promise<void> {
  await generators.open({ ...planFor(target, pattern, spanBytes), seed: 0 });
  await generators.run(pattern, {
    durationMs: FILL_TIMEOUT_MS,
    commandsMax: spanBytes / pattern.transferBytes,
  });
  await generators.close();
}

export async function measure(
  { generators, target }: Subject,
  pattern: Case,
  {
    durationMs,
    warmUpMs,
    spanBytes,
    seed,
    zeroes = false,
    digests = false,
  }: Timing & { readonly seed: number },
): Promise<Figures> {
  const pids = processesServing(target.address.port);
  await generators.open({ ...planFor(target, pattern, spanBytes), seed, zeroes, digests });
  await generators.run(pattern, { durationMs: warmUpMs });
  const before = processorSeconds(pids);
  const load = await generators.run(pattern, { durationMs });
  const after = processorSeconds(pids);
  await generators.close();
  const spentSeconds = before === undefined || after === undefined ? Number.NaN : after - before;
  const percentileUs = (share: number): number => load.latencies.percentile(share) / NANOSECONDS_PER_US;
  return {
    commandsPerSecond: load.commandsPerSecond,
    megabytesPerSecond: load.bytesPerSecond / BYTES_PER_MEGABYTE,
    p50Us: percentileUs(0.5),
    p99Us: percentileUs(0.99),
    p999Us: percentileUs(0.999),
    serverUs: (spentSeconds * US_PER_SECOND) / load.commands,
    generatorUs: load.generatorMsPerCommand * US_PER_MS,
  };
}
