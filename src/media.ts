/**
 * Which medium a `--pool` names: a directory of files, or `memory:` for a pool that is gone with the process.
 */
import { OperatorError } from '../lun/errors.ts';
import { createFilePool, openFileMedium } from '../snapshot/medium/file.ts';
import { type Medium, POOL_BLOCK_BYTES } from '../snapshot/medium/medium.ts';
import { openMemoryMedium } from '../snapshot/medium/memory.ts';
import { systemClock } from './clock.ts';

export const MEMORY_POOL = 'memory:';

/** The medium of a pool; a directory that is missing or empty becomes one of `capacityBytes`. */
export async function openOrCreatePoolMedium(pool: string, capacityBytes: number): Promise<Medium> {
  const capacityBlocks = Math.floor(capacityBytes / POOL_BLOCK_BYTES);
  if (pool === MEMORY_POOL) return openMemoryMedium({ capacityBlocks });
  try {
    return await openPoolMedium(pool);
  } catch (error) {
    const isNew =
      error instanceof OperatorError && (error.code === 'not-found' || error.code === 'not-a-pool');
    if (!isNew) throw error;
  }
  // Refuses a directory with anything in it.
  await createFilePool(pool, { capacityBlocks });
  return openPoolMedium(pool);
}

/** The medium of a pool that exists. */
export function openPoolMedium(pool: string): Promise<Medium> {
  return openFileMedium(pool, { nowMs: () => systemClock.nowMs() });
}
