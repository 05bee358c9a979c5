/**
 * Shows that the background gives way: while commands come in, writes or reads, there is a pause after each
 * of its steps, and without any it goes on at once. Time is in the test's hands.
 */
import { describe, expect, test } from 'vitest';
import { fill, newPool, type PoolWorld, range, readBytes, settle } from '../../support/pool-world.ts';

const PAGES = 60;
const PAGE_SECTORS = 256 * 8;
const PAUSE_MS = 10;

/** A deleted VLUN with one block in each of its pages, and another for commands. */
async function deleted(space: { readonly capacityBlocks?: number } = {}): Promise<PoolWorld> {
  const world = await newPool({ reclaimPagesPerStep: 1, reclaimPauseMs: PAUSE_MS, ...space });
  await world.pool.createVlun({ name: 'used', sizeBytes: 1 << 20 });
  await fill(world.pool.unit('used').device, range(0, 8), 1);
  await world.pool.createVlun({ name: 'gone', sizeBytes: PAGES * PAGE_SECTORS * 512 });
  for (let page = 0; page < PAGES; page += 1) {
    await fill(world.pool.unit('gone').device, range(page * PAGE_SECTORS, 8), 2);
  }
  await world.pool.deleteVlun({ name: 'gone' });
  return world;
}

const left = ({ pool }: PoolWorld): number => pool.status().usedBytes / 4096 - 1;

const COMMANDS = {
  writes: ({ pool }: PoolWorld) => fill(pool.unit('used').device, range(0, 8), 3),
  reads: ({ pool }: PoolWorld) => readBytes(pool.unit('used').device, 0, 8),
} as const;

describe('giving back', () => {
  test('goes on at once where nothing else is done', async () => {
    const world = await deleted();
    // After the verb that deleted, which was a command.
    await world.environment.advance(PAUSE_MS);
    await settle(2000);
    expect(left(world)).toBe(0);
  });

  test('does not wait where space is running out', async () => {
    const world = await deleted({ capacityBlocks: PAGES + 4 });
    await COMMANDS.writes(world);
    for (let i = 0; i < 200; i += 1) {
      await COMMANDS.reads(world);
      await settle(5);
    }
    expect(left(world)).toBe(0);
  });

  for (const [kind, command] of Object.entries(COMMANDS)) {
    test(`waits between steps while ${kind} come in`, async () => {
      const world = await deleted();
      const busy = async (): Promise<void> => {
        for (let i = 0; i < 100; i += 1) await command(world);
      };
      await busy();
      const before = left(world);
      expect(before).toBeGreaterThan(PAGES / 2);
      await busy();
      expect(left(world)).toBe(before);
      for (let step = 1; step <= 10; step += 1) {
        await world.environment.advance(PAUSE_MS);
        await busy();
        expect(before - left(world)).toBe(step);
      }
    });
  }
});
