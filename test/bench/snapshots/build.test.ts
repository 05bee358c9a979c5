/**
 * Shows that a pool whose stored form the benchmarks write directly is a pool: the check, which shares no
 * code with the engine, finds it sound, the engine opens it, and it is sound again after it was changed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkPool } from '../../../snapshot/check.ts';
import { Pool } from '../../../snapshot/pool.ts';
import type { Usage } from '../../../snapshot/pool-types.ts';
import { blockChecksum } from '../../../src/checksums.ts';
import { NO_FUA, range } from '../../support/pool-world.ts';
import { type BuiltPool, buildPool, WHOLE_PAGE } from './build.ts';
import { benchEnvironment, openBenchMedium } from './medium.ts';

const BUILT: BuiltPool = {
  images: [
    { id: 1, frozen: true, firstPage: 0, endPage: 40, blocks: WHOLE_PAGE },
    { id: 2, base: 1, frozen: true, firstPage: 10, endPage: 17_000, blocks: [0, 200] },
    { id: 3, base: 2, frozen: false, firstPage: 0, endPage: 0, blocks: [] },
  ],
  vluns: [
    {
      name: 'disk',
      sizeBytes: 2 ** 35,
      live: 3,
      snapshots: [
        { name: 'older', image: 1 },
        { name: 'newer', image: 2 },
      ],
    },
  ],
};

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'snaplun-built-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function findings(): Promise<unknown> {
  const medium = await openBenchMedium(directory, true);
  try {
    return (await checkPool(medium, { checksum: blockChecksum, data: true })).errors;
  } finally {
    await medium.close();
  }
}

/** Counting may take longer than anybody waits. */
async function countedUsage(pool: Pool): Promise<Usage> {
  for (;;) {
    const usage = await pool.usageOf('disk');
    if (usage.atMs === undefined) return usage;
  }
}

test('the check finds a built pool sound, and the engine opens, merges and closes it sound', async () => {
  await buildPool(directory, BUILT);
  expect(await findings()).toEqual([]);
  const facts: string[] = [];
  const medium = await openBenchMedium(directory, true);
  const pool = await Pool.open(
    medium,
    benchEnvironment(({ type }) => facts.push(type)),
  );
  const zeroes = new Uint8Array(4096);
  await pool.unit('disk').device.write(range(5, 1), zeroes, NO_FUA);
  // Two blocks in each of 30 pages, and the one just written, lie over others.
  const read = { usedBytes: (40 * 256 + 16_990 * 2 - 30 * 2) * 4096 };
  expect(await countedUsage(pool)).toMatchObject(read);
  await pool.deleteSnapshot({ vlun: 'disk', snapshot: 'older' });
  while (pool.status().images > 2) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await countedUsage(pool)).toMatchObject(read);
  await pool.close();
  expect(await findings()).toEqual([]);
  expect(facts).not.toContain('failed');
});
