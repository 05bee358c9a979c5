/**
 * Shows that what an opening after a crash has to do is bounded while the pool serves: by records of the
 * journal, and by what was written that no durable flush mark covers. And that a turn of the loop is, too.
 */
import { expect, test } from 'vitest';
import { BATCH_CHANGES_MAX } from '../../../snapshot/committer.ts';
import type { DataSpace, Medium } from '../../../snapshot/medium/medium.ts';
import { openMemoryMedium } from '../../../snapshot/medium/memory.ts';
import { Pool } from '../../../snapshot/pool.ts';
import { fill, newPool, range, settle, TestEnvironment } from '../../support/pool-world.ts';

const MiB = 1024 * 1024;
const PAGE_SECTORS = 8;

test('a checkpoint begins when the journal has the bound of records, however short they are', async () => {
  const { pool, environment } = await newPool({ checkpointJournalRecords: 20 });
  await pool.createVlun({ name: 'a', sizeBytes: MiB });
  const checkpoints = (): number => environment.facts.filter(({ type }) => type === 'checkpoint').length;
  const write = async (times: number): Promise<void> => {
    for (let at = 0; at < times; at += 1) await fill(pool.unit('a').device, range(0, PAGE_SECTORS), at);
    await settle(200);
  };
  await write(10);
  expect(checkpoints()).toBe(0);
  await write(10);
  expect(checkpoints()).toBe(1);
  await write(10);
  expect(checkpoints()).toBe(1);
  await write(10);
  expect(checkpoints()).toBe(2);
  await pool.close();
});

/** A medium in memory whose data is flushed when the test says so. */
class HeldFlush {
  readonly medium: Medium;
  #waiting: Array<() => void> | undefined;

  constructor() {
    const memory = openMemoryMedium({ capacityBlocks: 10_000 });
    const data: DataSpace = {
      capacityBlocks: memory.data.capacityBlocks,
      read: (place, into) => memory.data.read(place, into),
      write: (writes) => memory.data.write(writes),
      discard: (place, blocks) => memory.data.discard(place, blocks),
      grow: (blocks) => memory.data.grow(blocks),
      flush: async () => {
        if (this.#waiting !== undefined) await new Promise<void>((resolve) => this.#waiting?.push(resolve));
      },
    };
    const { description, lease, journal, meta } = memory;
    this.medium = {
      ...{ description, lease, journal, meta, data },
      dropCaches: () => memory.dropCaches(),
      close: () => memory.close(),
    };
  }

  hold(): void {
    this.#waiting = [];
  }

  letGo(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const resolve of waiting) resolve();
  }
}

test('writes wait for a flush while more is written than the bound that no durable mark covers', async () => {
  const held = new HeldFlush();
  const bounds = { unflushedBytesMax: 16 * 4096, batchBytes: 4096 };
  const pool = await Pool.create(held.medium, new TestEnvironment(), bounds);
  await pool.createVlun({ name: 'a', sizeBytes: MiB });
  held.hold();
  let done = 0;
  const writes = Array.from({ length: 40 }, async (_, at) => {
    await fill(pool.unit('a').device, range(at * PAGE_SECTORS, PAGE_SECTORS), 1);
    done += 1;
  });
  await settle(200);
  expect(done).toBe(16);
  held.letGo();
  await Promise.all(writes);
  expect(done).toBe(40);
  await pool.close();
});

test('the loop turns between the batches of changes that have gathered', async () => {
  const { pool } = await newPool();
  await pool.createVlun({ name: 'a', sizeBytes: 4 * MiB });
  const { device } = pool.unit('a');
  let done = 0;
  const count = 5 * BATCH_CHANGES_MAX;
  const writes = Array.from({ length: count }, async (_, at) => {
    await fill(device, range(at * PAGE_SECTORS, PAGE_SECTORS), 1);
    done += 1;
  });
  const after: number[] = [];
  for (let turn = 0; turn < 4; turn += 1) {
    await settle(1);
    after.push(done);
  }
  expect(after).toEqual([2 * BATCH_CHANGES_MAX, 4 * BATCH_CHANGES_MAX, count, count]);
  await Promise.all(writes);
  await pool.close();
});
