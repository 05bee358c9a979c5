/** The media of the snapshot benchmarks, and what a pool takes from the process around it. */
import { randomBytes } from 'node:crypto';
import { openFileMedium } from '../../../snapshot/medium/file.ts';
import type { Medium } from '../../../snapshot/medium/medium.ts';
import { withoutData } from '../../../snapshot/medium/shape.ts';
import type { PoolEnvironment, PoolFact } from '../../../snapshot/pool-types.ts';
import { blockChecksum } from '../../../src/checksums.ts';
import { systemClock } from '../../../src/clock.ts';

/** The pool's files; with `dropsData` all but the data is kept in them. */
export async function openBenchMedium(directory: string, dropsData: boolean): Promise<Medium> {
  const medium = await openFileMedium(directory, { nowMs: () => systemClock.nowMs() });
  return dropsData ? withoutData(medium) : medium;
}

/** The same as the server's, but for the log: what happens is told to `onFact`. */
export function benchEnvironment(onFact: (fact: PoolFact) => void): PoolEnvironment {
  return {
    nowMs: () => systemClock.wallMs(),
    defer: (run) => systemClock.defer(run),
    after: (ms, run) => systemClock.after(ms, run),
    checksum: blockChecksum,
    randomBytes: (count) => randomBytes(count),
    onFact,
  };
}
