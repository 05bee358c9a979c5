/** Opening a pool: recover, checkpoint, begin a new epoch, serve. */
import { OperatorError } from '../lun/errors.ts';
import type { Medium } from './medium/medium.ts';
import { loadParts } from './parts.ts';
import { loadState } from './pool-state.ts';
import { POOL_DEFAULTS, type PoolEnvironment, type PoolOptions } from './pool-types.ts';
import { replay, settleMedium } from './recover.ts';
import { PoolService } from './service.ts';

export async function openService(
  medium: Medium,
  environment: PoolEnvironment,
  options: Partial<PoolOptions> = {},
): Promise<PoolService> {
  const startedMs = environment.nowMs();
  const state = await loadState(medium.meta, (bytes) => environment.checksum(bytes));
  if (state === undefined) {
    throw new OperatorError('not-a-pool', `There is no pool in ${medium.description}.`);
  }
  await settleMedium(medium);
  const ground = { medium, environment, options: { ...POOL_DEFAULTS, ...options } };
  const parts = await loadParts(ground, state);
  const { sequence, checksum, epoch, segment } = state;
  const replayed = await replay(parts, { sequence, checksum, epoch, segment });
  const service = new PoolService(parts, replayed);
  await service.begin(replayed);
  const { records, discardedRecords } = replayed;
  environment.onFact({
    type: 'recovered',
    records,
    discardedRecords,
    durationMs: environment.nowMs() - startedMs,
  });
  return service;
}
