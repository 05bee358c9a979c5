// Rollback (P14): a VLUN reads what it read at the snapshot, trackers follow, sessions hear of it, space
// comes back.
import { expect, test } from 'vitest';
import { checkPool } from '../../snapshot/check.ts';
import { openMemoryMedium } from '../../snapshot/medium/memory.ts';
import {
  fill,
  killAndReopen,
  NO_FUA,
  newPool,
  type PoolWorld,
  range,
  readBytes,
  settle,
} from '../support/pool-world.ts';

const SIZE_BYTES = 256 * 1024;
const SECTORS = SIZE_BYTES / 512;

async function firstBytes(world: PoolWorld, name: string, lbas: readonly number[]): Promise<number[]> {
  const all = await readBytes(world.pool.unit(name).device, 0, SECTORS);
  return lbas.map((lba) => all[lba * 512] as number);
}

async function worldWithSnapshots(): Promise<PoolWorld> {
  const world = await newPool();
  await world.pool.createVlun({ name: 'V1', sizeBytes: SIZE_BYTES });
  const { device } = world.pool.unit('V1');
  await fill(device, range(0, 64), 1);
  await world.pool.createSnapshots([{ vlun: 'V1', snapshot: 'a' }]);
  await fill(device, range(8, 16), 2);
  await world.pool.createSnapshots([{ vlun: 'V1', snapshot: 'b' }]);
  await fill(device, range(16, 64), 3);
  return world;
}

async function expectSound({ pool, store, environment }: PoolWorld): Promise<void> {
  await pool.close();
  const medium = openMemoryMedium(store);
  const report = await checkPool(medium, { checksum: (bytes) => environment.checksum(bytes), data: true });
  expect(report.errors).toEqual([]);
  await medium.close();
}

test('goes back and forth between snapshots, which all stay', async () => {
  const world = await worldWithSnapshots();
  const { device } = world.pool.unit('V1');
  expect(await firstBytes(world, 'V1', [0, 8, 16, 64])).toEqual([1, 2, 3, 3]);
  await world.pool.rollback({ vlun: 'V1', snapshot: 'a' });
  expect(world.pool.unit('V1').device).toBe(device);
  expect(await firstBytes(world, 'V1', [0, 8, 16, 64])).toEqual([1, 1, 1, 0]);
  await world.pool.rollback({ vlun: 'V1', snapshot: 'b' });
  expect(await firstBytes(world, 'V1', [0, 8, 16, 64])).toEqual([1, 2, 2, 0]);
  await fill(device, range(0, 8), 4);
  expect(world.pool.info('V1')?.snapshots).toEqual(['a', 'b']);
  await killAndReopen(world);
  expect(await firstBytes(world, 'V1', [0, 8, 16, 64])).toEqual([4, 2, 2, 0]);
  const b = await readBytes(world.pool.snapshotUnit('V1', 'b').device, 0, 8);
  expect(b[0]).toBe(1);
  await expectSound(world);
});

test('trackers follow, however far below, and lose what was their own', async () => {
  const world = await worldWithSnapshots();
  await world.pool.preserve({ name: 'V1', newName: 'V2' });
  await world.pool.preserve({ name: 'V2', newName: 'V3' });
  await fill(world.pool.unit('V2').device, range(32, 8), 5);
  await world.pool.createSnapshots([{ vlun: 'V2', snapshot: 's' }]);
  await fill(world.pool.unit('V3').device, range(40, 8), 6);
  await world.pool.rollback({ vlun: 'V1', snapshot: 'a' });
  for (const name of ['V2', 'V3']) {
    expect(world.pool.info(name)?.tracks).toBeDefined();
    expect(await firstBytes(world, name, [0, 8, 32, 40, 64])).toEqual([1, 1, 1, 1, 0]);
  }
  await fill(world.pool.unit('V1').device, range(8, 8), 7);
  expect(await firstBytes(world, 'V3', [8])).toEqual([7]);
  await expectSound(world);
});

test('a tracking VLUN that is rolled back goes on tracking from then on', async () => {
  const world = await worldWithSnapshots();
  await world.pool.preserve({ name: 'V1', newName: 'V2' });
  await fill(world.pool.unit('V2').device, range(0, 8), 5);
  await world.pool.createSnapshots([{ vlun: 'V2', snapshot: 's' }]);
  await fill(world.pool.unit('V1').device, range(24, 8), 6);
  await world.pool.rollback({ vlun: 'V2', snapshot: 's' });
  expect(await firstBytes(world, 'V2', [0, 24])).toEqual([5, 3]);
  await fill(world.pool.unit('V1').device, range(32, 8), 7);
  expect(await firstBytes(world, 'V2', [0, 24, 32])).toEqual([5, 3, 7]);
  await killAndReopen(world);
  expect(await firstBytes(world, 'V2', [0, 24, 32])).toEqual([5, 3, 7]);
  await world.pool.deleteVlun({ name: 'V1', withSnapshots: true });
  await world.environment.advance(1_000);
  expect(await firstBytes(world, 'V2', [0, 24, 32])).toEqual([5, 3, 7]);
  await expectSound(world);
});

test('tells every unit whose contents it replaced, and of another capacity', async () => {
  const world = await worldWithSnapshots();
  await world.pool.preserve({ name: 'V1', newName: 'V2' });
  await world.pool.resizeVlun({ name: 'V1', sizeBytes: SIZE_BYTES * 2 });
  const told: string[] = [];
  world.pool.unit('V1').onFact((fact) => told.push(`V1 ${fact}`));
  world.pool.unit('V2').onFact((fact) => told.push(`V2 ${fact}`));
  await world.pool.rollback({ vlun: 'V1', snapshot: 'b' });
  expect(told.sort()).toEqual(['V1 capacity-changed', 'V1 contents-replaced', 'V2 contents-replaced']);
  expect(world.pool.unit('V1').device.geometry.capacityBlocks).toBe(SECTORS);
});

test('a write of part of a block that is under way is wholly before it or wholly after it', async () => {
  for (let turns = 0; turns < 12; turns += 1) {
    const world = await worldWithSnapshots();
    const { device } = world.pool.unit('V1');
    const written = device.write(range(18, 2), new Uint8Array(1024).fill(9), NO_FUA);
    await settle(turns);
    const rolledBack = world.pool.rollback({ vlun: 'V1', snapshot: 'a' });
    const after = device.write(range(26, 2), new Uint8Array(1024).fill(8), NO_FUA);
    await Promise.all([written, rolledBack, after]);
    expect(await firstBytes(world, 'V1', [16, 18, 20, 24, 26, 28])).toEqual([1, 1, 1, 1, 8, 1]);
  }
});

test('gives back what only the old live image stored', async () => {
  const world = await worldWithSnapshots();
  const before = world.pool.status().usedBytes;
  await world.pool.rollback({ vlun: 'V1', snapshot: 'b' });
  await world.environment.advance(5_000);
  expect(before - world.pool.status().usedBytes).toBe(64 * 512);
  expect(world.pool.status().reclaimableBytes).toBe(0);
});

test('refuses what is no snapshot of the VLUN, and changes nothing', async () => {
  const world = await worldWithSnapshots();
  await world.pool.clone({ vlun: 'V1', snapshot: 'a', newName: 'C' });
  await expect(world.pool.rollback({ vlun: 'C', snapshot: 'a' })).rejects.toThrow(/no snapshot 'C@a'/);
  await expect(world.pool.rollback({ vlun: 'X', snapshot: 'a' })).rejects.toThrow(/no VLUN 'X'/);
  expect(await firstBytes(world, 'V1', [16])).toEqual([3]);
});
