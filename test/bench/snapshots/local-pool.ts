/** A pool in the measuring process itself, for figures that no wire and no other process should blur. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from '../../../snapshot/pool.ts';
import type { PoolFact, PoolOptions } from '../../../snapshot/pool-types.ts';
import { type BuiltPool, buildPool } from './build.ts';
import { withDirectory } from './host-process.ts';
import { benchEnvironment, openBenchMedium } from './medium.ts';

export interface LocalPool {
  readonly pool: Pool;
  readonly facts: readonly PoolFact[];
}

/** Builds a pool whose data is dropped, and closes and removes it when `work` has ended. */
export function withLocalPool<T>(
  plan: { readonly built: BuiltPool; readonly bounds?: Partial<PoolOptions> },
  work: (local: LocalPool) => Promise<T>,
): Promise<T> {
  return withDirectory(async (directory) => {
    await buildPool(directory, plan.built);
    const facts: PoolFact[] = [];
    const medium = await openBenchMedium(directory, true);
    const environment = benchEnvironment((fact) => facts.push(fact));
    const pool = await Pool.open(medium, environment, plan.bounds);
    try {
      return await work({ pool, facts });
    } finally {
      await pool.close();
    }
  });
}

const LOOK_MS = 2;

/** Completes when the background has left this many images. */
export async function untilImages(pool: Pool, count: number): Promise<void> {
  while (pool.status().images > count) await sleep(LOOK_MS);
}
