/**
 * A snaplun server for the snapshot benchmarks, in a process of its own: the whole server over the medium in
 * files, as `snaplun serve` runs it, but with bounds of the pool that are told, and where that is told over a
 * medium that keeps tables and journal in their files and drops the data. Ends with whoever started it.
 */
import { join } from 'node:path';
import type { PoolOptions } from '../../../snapshot/pool-types.ts';
import { systemClock } from '../../../src/clock.ts';
import { createLog, type Log } from '../../../src/log.ts';
import { SnaplunServer } from '../../../src/server.ts';
import { LoopWatch } from '../loop-watch.ts';
import { openBenchMedium } from './medium.ts';

export interface HostPlan {
  readonly directory: string;
  readonly dropsData: boolean;
  readonly bounds?: Partial<PoolOptions>;
  /** Nothing that is stored is summed up or compared. Such a pool is of no use to anybody afterwards. */
  readonly withoutChecksums?: boolean;
}

export type HostOrder =
  | { readonly say: 'facts' }
  | { readonly say: 'watchLoop' }
  | { readonly say: 'loop' }
  | { readonly say: 'stop' };

export interface Serving {
  readonly port: number;
  readonly target: string;
  /** From the begin of the opening to the open portal. */
  readonly openedMs: number;
}

/** How often something happened in the pool, by the name of its fact in the log. */
export type Facts = Readonly<Record<string, number>>;

const LOOPBACK = '127.0.0.1';
const TARGET = 'iqn.2026-11.io.snaplun:bench';

/** Errors and warnings are shown; everything that happens in the pool is counted. */
function countingLog(facts: Record<string, number>): Log {
  const log = createLog({ format: 'text', level: 'warn' });
  const counted =
    (level: 'error' | 'warn' | 'info' | 'debug'): Log['info'] =>
    (message, fields) => {
      const event = String(fields?.['event'] ?? 'other');
      facts[event] = (facts[event] ?? 0) + 1;
      log[level](message, fields);
    };
  return {
    error: counted('error'),
    warn: counted('warn'),
    info: counted('info'),
    debug: counted('debug'),
    close: () => log.close(),
  };
}

async function main(): Promise<void> {
  const plan = JSON.parse(process.argv[2] ?? '') as HostPlan;
  const facts: Record<string, number> = {};
  const startedMs = performance.now();
  const medium = await openBenchMedium(plan.directory, plan.dropsData);
  const server = await SnaplunServer.start({
    medium,
    settings: { portals: [`${LOOPBACK}:0`] },
    adminSocket: join(plan.directory, 'admin.sock'),
    defaultTarget: TARGET,
    ...(plan.bounds !== undefined && { bounds: plan.bounds }),
    ...(plan.withoutChecksums === true && { checksum: () => 0 }),
    clock: systemClock,
    log: countingLog(facts),
  });
  let loop = new LoopWatch();
  process.on('message', (order: HostOrder) => {
    if (order.say === 'facts') process.send?.(facts);
    else if (order.say === 'watchLoop') loop = new LoopWatch();
    else if (order.say === 'loop') process.send?.(loop.stalls());
    else void server.stop().then(() => process.exit(0));
  });
  process.once('disconnect', () => process.exit(1));
  const port = Number(server.portals[0]?.split(':').at(-1));
  process.send?.({ port, target: TARGET, openedMs: performance.now() - startedMs } satisfies Serving);
}

await main();
