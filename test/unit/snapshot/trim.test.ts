/**
 * Shows that free space goes back to the medium in the end, however small the pieces it was freed in, and
 * that nobody waits for that: the discards are counted at the medium.
 */
import { expect, test } from 'vitest';
import type { Medium } from '../../../snapshot/medium/medium.ts';
import { MemoryStore, openMemoryMedium } from '../../../snapshot/medium/memory.ts';
import { Pool } from '../../../snapshot/pool.ts';
import { overriding } from '../../support/overriding.ts';
import { fill, NO_FUA, range, settle, TestEnvironment } from '../../support/pool-world.ts';

interface Run {
  readonly place: number;
  readonly blocks: number;
}

/** A medium that notes its discards, each of which waits for `gate`. */
function noting(store: MemoryStore, discards: Run[], gate: () => Promise<void>): Medium {
  const medium = openMemoryMedium(store);
  const discard = async (place: number, blocks: number): Promise<void> => {
    discards.push({ place, blocks });
    await gate();
    await medium.data.discard(place, blocks);
  };
  return overriding(medium, { data: overriding(medium.data, { discard }) });
}

async function world(capacityBlocks = 100_000) {
  const store = new MemoryStore({ capacityBlocks });
  const environment = new TestEnvironment();
  const discards: Run[] = [];
  const held: Array<() => void> = [];
  const control = { hold: false };
  const gate = (): Promise<void> =>
    control.hold ? new Promise((resolve) => held.push(resolve)) : Promise.resolve();
  const pool = await Pool.create(noting(store, discards, gate), environment);
  await pool.createVlun({ name: 'a', sizeBytes: 64 << 20, blockBytes: 4096 });
  const reopen = async (): Promise<Pool> => {
    store.abandon();
    discards.length = 0;
    return Pool.open(noting(store, discards, gate), environment);
  };
  const { device } = pool.unit('a');
  /** Frees blocks one command at a time, and lets the marks that they wait for come. */
  const free = async (blocks: readonly number[]): Promise<void> => {
    for (const block of blocks) await device.unmap([range(block, 1)], NO_FUA);
    await pool.flush();
    await settle();
    await environment.advance(1500);
  };
  return { pool, device, environment, discards, held, control, reopen, free };
}

const every = (step: number, from: number, to: number): number[] =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => from + i * step);
const total = (runs: readonly Run[]): number => runs.reduce((sum, { blocks }) => sum + blocks, 0);

test('blocks freed one by one are discarded once they make up a run, and only once', async () => {
  const { device, environment, discards, free } = await world();
  await fill(device, range(0, 256), 1);
  await free(every(2, 0, 256));
  await environment.advance(10_000);
  expect(discards).toEqual([]);
  await free(every(2, 1, 129));
  await environment.advance(10_000);
  expect(discards).toEqual([{ place: 2, blocks: 129 }]);
  await fill(device, range(300, 1), 1);
  await environment.advance(10_000);
  expect(total(discards)).toBe(129);
});

test('places that are used again before their neighbours come are not discarded', async () => {
  const { device, environment, discards, free } = await world();
  await fill(device, range(0, 64), 1);
  await free(every(2, 0, 64));
  for (let i = 0; i < 40; i += 1) await fill(device, range(i, 1), 2);
  await environment.advance(10_000);
  expect(discards.filter(({ blocks }) => blocks < 16)).toEqual([]);
});

test('what was freed and not discarded before the process died is discarded after the next opening', async () => {
  const { device, pool, environment, discards, reopen } = await world();
  await fill(device, range(0, 512), 1);
  for (const from of [0, 1]) {
    for (const block of every(2, from, 300)) await device.unmap([range(block, 1)], NO_FUA);
    await pool.checkpoint();
  }
  expect(discards).toEqual([]);
  const again = await reopen();
  await environment.advance(10_000);
  expect(discards).toContainEqual({ place: 2, blocks: 300 });
  expect(again.status().usedBytes).toBe(212 * 4096);
});

test('a write that finds no room waits for a run that is being discarded', async () => {
  const { device, pool, environment, discards, held, control, free } = await world(512);
  await fill(device, range(0, 500), 1);
  await free(every(2, 0, 400));
  control.hold = true;
  await free(every(2, 1, 400));
  await environment.advance(2000);
  expect(discards.length).toBe(1);
  const written = fill(device, range(0, 380), 2).then(() => 'written');
  expect(await Promise.race([written, settle(50).then(() => 'waits')])).toBe('waits');
  control.hold = false;
  for (const release of held.splice(0)) release();
  for (let i = 0; i < 20; i += 1) {
    await settle();
    for (const release of held.splice(0)) release();
  }
  expect(await written).toBe('written');
  expect(pool.state).toBe('serving');
});

test('nothing is taken for discarding while the pool is nearly full', async () => {
  const { device, environment, discards, free } = await world(4096);
  await fill(device, range(0, 4070), 1);
  await free(every(2, 0, 32));
  await free(every(2, 1, 32));
  await environment.advance(10_000);
  expect(discards).toEqual([]);
  await free(every(2, 32, 400));
  await free(every(2, 33, 400));
  await environment.advance(10_000);
  expect(total(discards)).toBeGreaterThanOrEqual(300);
});
