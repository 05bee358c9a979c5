/** Which failures of a command are in order: those that the world and its faults explain. */
import type { StoreError } from '../../lun/errors.ts';
import type { History } from './history.ts';
import type { Machine } from './machine.ts';
import type { World } from './script.ts';

/** A pool this full may refuse a write: freed places wait for flushes before they are free. */
const FULL_SHARE = 1 / 4;
/** So may one this small, where a single write takes half of it. */
const SMALL_BLOCKS = 1000;

export function explains(
  { code }: StoreError,
  { machine, world, history }: { machine: Machine; world: World; history: History },
): boolean {
  const { pool, faults } = machine;
  if (code === 'IO') return faults > 0;
  if (code === 'CLOSED') return pool?.state !== 'serving' || history.deletions > 0;
  if (code !== 'NO_SPACE' || pool === undefined) return false;
  const { usedBytes, capacityBytes } = pool.status();
  const { capacityBlocks, spaceBlocks } = world;
  if (capacityBlocks <= SMALL_BLOCKS || spaceBlocks !== undefined || faults > 0) return true;
  return usedBytes > capacityBytes * FULL_SHARE;
}
