/**
 * Shows that units of a pool keep the block device contract: alone, over snapshots, as clones, as trackers of
 * a VLUN, and where every call of the medium completes later.
 */
import { openFaultyMedium } from '../../../snapshot/medium/faulty.ts';
import { FaultyStore } from '../../../snapshot/medium/faulty-store.ts';
import { Pool } from '../../../snapshot/pool.ts';
import { blockDeviceContract, type ContractDevice } from '../../support/block-device-contract.ts';
import { newPool, TestEnvironment } from '../../support/pool-world.ts';
import { seededRandom } from '../../support/random.ts';

const sizeBytes = 8 * 1024 * 1024;

async function withPool(open: (pool: Pool) => Promise<string>): Promise<ContractDevice> {
  const { pool } = await newPool();
  const name = await open(pool);
  return { device: pool.unit(name).device, close: () => pool.close() };
}

for (const blockBytes of [512, 4096] as const) {
  blockDeviceContract(`a VLUN with blocks of ${blockBytes} bytes`, () =>
    withPool(async (pool) => (await pool.createVlun({ name: 'a', sizeBytes, blockBytes })).name),
  );
}

blockDeviceContract('a VLUN over snapshots', () =>
  withPool(async (pool) => {
    await pool.createVlun({ name: 'a', sizeBytes });
    for (let i = 0; i < 6; i += 1) await pool.createSnapshots([{ vlun: 'a', snapshot: `s${i}` }]);
    return 'a';
  }),
);

blockDeviceContract('a clone', () =>
  withPool(async (pool) => {
    await pool.createVlun({ name: 'a', sizeBytes });
    await pool.createSnapshots([{ vlun: 'a', snapshot: 's' }]);
    await pool.clone({ vlun: 'a', snapshot: 's', newName: 'c' });
    return 'c';
  }),
);

blockDeviceContract('a VLUN that tracks another', () =>
  withPool(async (pool) => {
    await pool.createVlun({ name: 'a', sizeBytes });
    await pool.preserve({ name: 'a', newName: 'b' });
    await pool.createSnapshots([{ vlun: 'b', snapshot: 's' }]);
    return 'b';
  }),
);

blockDeviceContract('a VLUN whose medium takes its time', async () => {
  const random = seededRandom(5);
  const medium = openFaultyMedium(new FaultyStore({ capacityBlocks: 10_000 }), {
    random,
    defer: (complete) => setImmediate(complete),
    atOnceChance: 0.3,
  });
  const pool = await Pool.create(medium, new TestEnvironment(), {
    tableCacheBytes: 0,
    resolvedCacheBytes: 0,
  });
  await pool.createVlun({ name: 'a', sizeBytes });
  await pool.preserve({ name: 'a', newName: 'b' });
  return { device: pool.unit('a').device, close: () => pool.close() };
});
