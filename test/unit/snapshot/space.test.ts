/**
 * Reservations and thresholds of a real pool on a medium in memory. The oracle is arithmetic on what the test
 * itself wrote: who may store how much is known beforehand.
 */
import { describe, expect, test } from 'vitest';
import type { UnitFact } from '../../../lun/logical-unit.ts';
import type { Pool } from '../../../snapshot/pool.ts';
import { fill, killAndReopen, NO_FUA, newPool, range, readBytes, settle } from '../../support/pool-world.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const BLOCK = 4096;
/** 16 MiB, of which a 16th is working space where anything is reserved. */
const CAPACITY = 4096;
const WORKING = 256;

async function world() {
  const made = await newPool({ capacityBlocks: CAPACITY });
  const create = (name: string, reservedBytes?: number) =>
    made.pool.createVlun({
      name,
      sizeBytes: 64 * MiB,
      blockBytes: BLOCK,
      ...(reservedBytes !== undefined && { reservedBytes }),
    });
  return { ...made, create };
}

/** Stores blocks one by one until there is no room; how many went in. */
async function fillUp(pool: Pool, name: string): Promise<number> {
  const { device } = pool.unit(name);
  for (let block = 0; ; block += 1) {
    try {
      await fill(device, range(block, 1), 1);
    } catch (error) {
      expect(error).toMatchObject({ code: 'NO_SPACE' });
      return block;
    }
  }
}

describe('A reservation', () => {
  test('keeps space from others, which its LUN can store to the last block and overwrite again and again', async () => {
    const { pool, create } = await world();
    await create('kept', 4 * MiB);
    await create('other');
    const { freeBytes } = pool.status();
    expect(pool.status()).toMatchObject({
      reservedBytes: 4 * MiB + WORKING * BLOCK,
      availableBytes: freeBytes - 4 * MiB - WORKING * BLOCK,
    });
    expect(await fillUp(pool, 'other')).toBe(freeBytes / BLOCK - 1024 - WORKING);
    expect(pool.status().availableBytes).toBe(0);
    const { device } = pool.unit('kept');
    for (let round = 1; round <= 4; round += 1) {
      const writes = Array.from({ length: 32 }, (_, i) => fill(device, range(i * 32, 32), round));
      await Promise.all(writes);
    }
    expect((await readBytes(device, 1000, 24)).every((byte) => byte === 4)).toBe(true);
    await expect(fill(pool.unit('other').device, range(0, 1), 2)).rejects.toMatchObject({ code: 'NO_SPACE' });
    expect((await readBytes(pool.unit('other').device, 0, 1)).every((byte) => byte === 1)).toBe(true);
  });

  test('is kept when its blocks are unmapped, and given up with it', async () => {
    const { pool, create } = await world();
    await create('kept', 4 * MiB);
    await create('other');
    const { device } = pool.unit('kept');
    await fill(device, range(0, 1024), 1);
    expect(pool.status().reservedBytes).toBe(WORKING * BLOCK);
    await device.unmap([range(0, 1024)], NO_FUA);
    expect(pool.status().reservedBytes).toBe(4 * MiB + WORKING * BLOCK);
    await pool.setVlun({ name: 'kept', reservedBytes: 0 });
    expect(pool.status().reservedBytes).toBe(0);
    expect(pool.info('kept')?.reservedBytes).toBe(0);
  });

  test('survives the process, and shrinks with its LUN', async () => {
    const made = await world();
    await made.create('kept', 4 * MiB);
    await killAndReopen(made);
    expect(made.pool.info('kept')?.reservedBytes).toBe(4 * MiB);
    await made.pool.resizeVlun({ name: 'kept', sizeBytes: 1 * MiB, shrink: true });
    expect(made.pool.info('kept')?.reservedBytes).toBe(1 * MiB);
    await made.pool.resizeVlun({ name: 'kept', sizeBytes: 8 * MiB });
    expect(made.pool.info('kept')?.reservedBytes).toBe(1 * MiB);
  });

  test('more than there is, or than the LUN has, is refused and changes nothing', async () => {
    const { pool, create } = await world();
    await create('one', 8 * MiB);
    await expect(create('two', 8 * MiB)).rejects.toMatchObject({ code: 'no-space' });
    expect(pool.info('two')).toBeUndefined();
    await expect(pool.setVlun({ name: 'one', reservedBytes: 65 * MiB })).rejects.toMatchObject({
      code: 'bad-size',
    });
    await expect(pool.setVlun({ name: 'one', reservedBytes: 16 * MiB })).rejects.toMatchObject({
      code: 'no-space',
    });
    expect(pool.info('one')?.reservedBytes).toBe(8 * MiB);
  });

  test('begins anew with a snapshot, which is refused where there is no room for that', async () => {
    const { pool, create } = await world();
    await create('kept', 6 * MiB);
    await create('other');
    const { device } = pool.unit('kept');
    await fill(device, range(0, 1024), 1);
    await fill(pool.unit('other').device, range(0, 900), 1);
    await pool.createSnapshots([{ vlun: 'kept', snapshot: 's1' }]);
    expect(pool.status().reservedBytes).toBe(6 * MiB + WORKING * BLOCK);
    await fill(device, range(0, 1024), 2);
    await expect(pool.createSnapshots([{ vlun: 'kept', snapshot: 's2' }])).rejects.toMatchObject({
      code: 'no-space',
    });
    expect(pool.snapshots('kept').map(({ name }) => name)).toEqual(['s1']);
    await fill(device, range(1024, 512), 3);
    await pool.createSnapshots([{ vlun: 'other', snapshot: 's' }]);
  });
});

describe('Thresholds', () => {
  test('tell every LUN that takes writes, once, and again after it had become clearly less', async () => {
    const { pool, environment, create } = await world();
    await create('a');
    await create('b');
    await pool.createVlun({ name: 'read', sizeBytes: MiB, readOnly: true });
    const heard: string[] = [];
    for (const name of ['a', 'b', 'read']) {
      pool.unit(name).onFact((fact: UnitFact) => heard.push(`${name} ${fact}`));
    }
    const { device } = pool.unit('a');
    await fill(device, range(0, 3200), 1);
    expect(heard).toEqual([]);
    await fill(device, range(3200, 100), 1);
    expect(heard.sort()).toEqual(['a space-threshold', 'b space-threshold']);
    await fill(device, range(3300, 100), 1);
    await device.unmap([range(3260, 140)], NO_FUA);
    await pool.flush();
    await settle();
    await fill(device, range(3260, 140), 1);
    expect(heard.length).toBe(2);
    await device.unmap([range(2000, 1400)], NO_FUA);
    await pool.flush();
    await settle();
    await pool.flush();
    await settle();
    await fill(device, range(2000, 1350), 1);
    expect(heard.length).toBe(4);
    const facts = environment.facts.filter(({ type }) => type === 'threshold');
    expect(facts).toMatchObject([{ percent: 80 }, { percent: 80 }]);
  });

  test('count what is reserved as used, and what the pool gained by growing', async () => {
    const { pool, environment, create } = await world();
    const percents = (): number[] =>
      environment.facts.flatMap((fact) => (fact.type === 'threshold' ? [fact.percent] : []));
    await create('kept', 14 * MiB);
    await fill(pool.unit('kept').device, range(0, 8), 1);
    expect(percents()).toEqual([90]);
    await pool.grow(2 * CAPACITY);
    await fill(pool.unit('kept').device, range(0, 16), 1);
    expect(percents()).toEqual([90]);
    await pool.setVlun({ name: 'kept', reservedBytes: 28 * MiB });
    await fill(pool.unit('kept').device, range(0, 32), 1);
    expect(percents()).toEqual([90, 90]);
  });
});
