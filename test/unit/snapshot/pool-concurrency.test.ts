/**
 * Shows what commands may count on that run at the same time, over a medium whose completions the test
 * orders: reads and writes of one range do not mix, places are not used again under a reader, and checkpoints
 * do not stop the pipeline.
 */
import { expect, test } from 'vitest';
import { openFaultyMedium } from '../../../snapshot/medium/faulty.ts';
import { FaultyStore } from '../../../snapshot/medium/faulty-store.ts';
import { Pool } from '../../../snapshot/pool.ts';
import type { PoolOptions } from '../../../snapshot/pool-types.ts';
import { fill, NO_FUA, range, readBytes, settle, TestEnvironment } from '../../support/pool-world.ts';
import { seededRandom } from '../../support/random.ts';

const MiB = 1024 * 1024;

/** Completions are held back while `held` is true. */
class SlowMedium {
  held = false;
  readonly #waiting: Array<() => void> = [];

  readonly defer = (complete: () => void): void => {
    if (this.held) this.#waiting.push(complete);
    else setImmediate(complete);
  };

  async letGo(): Promise<void> {
    this.held = false;
    for (const complete of this.#waiting.splice(0)) complete();
    await settle(50);
  }
}

async function slowPool(options: Partial<PoolOptions> = {}) {
  const slow = new SlowMedium();
  const store = new FaultyStore({ capacityBlocks: 10_000 });
  const medium = openFaultyMedium(store, { random: seededRandom(1), defer: slow.defer });
  const environment = new TestEnvironment();
  const pool = await Pool.create(medium, environment, options);
  await pool.createVlun({ name: 'a', sizeBytes: 8 * MiB });
  return { slow, pool, environment, device: pool.unit('a').device };
}

test('a write waits for a read of its range under way, and a later read for that write (P8)', async () => {
  const { slow, pool, device } = await slowPool();
  await fill(device, range(0, 64), 1);
  await pool.preserve({ name: 'a', newName: 'b' });
  slow.held = true;
  const order: string[] = [];
  const first = readBytes(pool.unit('b').device, 0, 64).then((bytes) => {
    order.push('read');
    return bytes;
  });
  const write = fill(device, range(0, 64), 2).then(() => order.push('write'));
  const second = readBytes(pool.unit('b').device, 0, 64);
  await settle();
  expect(order).toEqual([]);
  await slow.letGo();
  await write;
  expect(order).toEqual(['read', 'write']);
  expect(await first).toEqual(new Uint8Array(64 * 512).fill(1));
  expect(await second).toEqual(new Uint8Array(64 * 512).fill(2));
});

test('a place is not used again while a snapshot is being read from it, though the snapshot is gone', async () => {
  const { slow, pool, device, environment } = await slowPool({ discardBlocksMin: 1 });
  await fill(device, range(0, 64), 1);
  await pool.createSnapshots([{ vlun: 'a', snapshot: 's' }]);
  await device.unmap([range(0, 64)], NO_FUA);
  const snapshot = pool.snapshotUnit('a', 's').device;
  slow.held = true;
  const reading = readBytes(snapshot, 0, 64).then(
    () => 'read',
    (cause: { code: string }) => cause.code,
  );
  slow.held = false;
  const { freeBytes } = pool.status();
  await pool.deleteSnapshot({ vlun: 'a', snapshot: 's' });
  for (let i = 0; i < 20; i += 1) {
    await environment.advance(500);
    await settle();
  }
  expect(pool.status().freeBytes).toBe(freeBytes);
  await slow.letGo();
  expect(await reading).toBe('CLOSED');
  for (let i = 0; i < 20; i += 1) {
    await environment.advance(500);
    await settle();
  }
  expect(pool.status().freeBytes).toBeGreaterThan(freeBytes);
});

test('checkpoints that are due all the time, and changes that wait for them, do not wait for each other', async () => {
  const { pool, device, environment } = await slowPool({ checkpointDirtyPages: 1, batchBytes: 4096 });
  let next = 0;
  const writer = async (): Promise<void> => {
    for (let i = next++; i < 64; i = next++) await fill(device, range(i * 256, 8), i + 1);
  };
  await Promise.all([writer(), writer(), writer(), writer()]);
  await pool.createSnapshots([{ vlun: 'a', snapshot: 's' }]);
  for (let i = 0; i < 64; i += 1) expect((await readBytes(device, i * 256, 8))[0]).toBe(i + 1);
  expect(environment.facts.filter(({ type }) => type === 'checkpoint').length).toBeGreaterThan(2);
  await pool.close();
});

test('a write goes on while a checkpoint is committed, and is in the journal after it', async () => {
  const { pool, device, slow } = await slowPool();
  await fill(device, range(0, 8), 1);
  const checkpoint = pool.checkpoint();
  await fill(device, range(0, 8), 2);
  await slow.letGo();
  await checkpoint;
  expect((await readBytes(device, 0, 8))[0]).toBe(2);
  await pool.close();
});
