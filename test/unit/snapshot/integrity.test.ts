/**
 * Rot on a real file: bits are flipped in the data file behind the pool's back, where a pattern that the test
 * wrote is found. What reads the bad block gets an error that says which; everything else goes on.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { checkPool } from '../../../snapshot/check.ts';
import { createFilePool, openFileMedium } from '../../../snapshot/medium/file.ts';
import type { Medium } from '../../../snapshot/medium/medium.ts';
import { Pool } from '../../../snapshot/pool.ts';
import { fill, NO_FUA, range, readBytes, settle, TestEnvironment } from '../../support/pool-world.ts';

const MiB = 1024 * 1024;
const BLOCK = 4096;
const SECTORS = 8;

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'snaplun-integrity-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

async function world() {
  const directory = fs.mkdtempSync(path.join(root, 'pool-'));
  await createFilePool(directory, { capacityBlocks: 4096, journalSegmentBytes: MiB });
  const environment = new TestEnvironment();
  const file = path.join(directory, 'data');
  let medium: Medium = await openFileMedium(directory);
  let pool = await Pool.create(medium, environment);
  await pool.createVlun({ name: 'a', sizeBytes: 2 * MiB });
  return {
    directory,
    environment,
    get pool(): Pool {
      return pool;
    },
    /** Flips a bit of the one block that is filled with this value; it must be on the disk by then. */
    async rot(value: number): Promise<void> {
      await pool.flush();
      const at = fs.readFileSync(file).indexOf(Buffer.alloc(BLOCK, value));
      expect(at % BLOCK).toBe(0);
      expect(at).toBeGreaterThan(0);
      const fd = fs.openSync(file, 'r+');
      fs.writeSync(fd, Uint8Array.of(value ^ 0x10), 0, 1, at + 77);
      fs.fsyncSync(fd);
      fs.closeSync(fd);
    },
    async reopen(): Promise<void> {
      await pool.close();
      medium = await openFileMedium(directory);
      pool = await Pool.open(medium, environment);
    },
    async check(): Promise<readonly string[]> {
      await pool.close();
      const offline = await openFileMedium(directory);
      const report = await checkPool(offline, {
        checksum: (bytes) => environment.checksum(bytes),
        data: true,
      });
      await offline.close();
      return report.errors;
    },
  };
}

/** Writes blocks `from` to `to` of a VLUN, block b filled with `value` + b. */
async function blocks(pool: Pool, name: string, value: number, from: number, to: number): Promise<void> {
  const { device } = pool.unit(name);
  for (let b = from; b < to; b += 1) await fill(device, range(b * SECTORS, SECTORS), value + b);
}

function corruptAt(lba: number): unknown {
  return expect.objectContaining({ code: 'CORRUPT', lba });
}

describe('A block that rotted', () => {
  test('is an error that names the first of the blocks asked for that it hurts; its neighbours are read', async () => {
    const { pool, rot } = await world();
    await blocks(pool, 'a', 10, 0, 8);
    await rot(13);
    const { device } = pool.unit('a');
    await expect(readBytes(device, 0, 64)).rejects.toEqual(corruptAt(24));
    await expect(readBytes(device, 27, 2)).rejects.toEqual(corruptAt(27));
    await expect(readBytes(device, 20, 20)).rejects.toEqual(corruptAt(24));
    const sector = new Uint8Array(512).fill(1);
    await expect(device.write(range(29, 1), sector, NO_FUA)).rejects.toEqual(corruptAt(29));
    expect((await readBytes(device, 0, 24)).at(-1)).toBe(12);
    expect((await readBytes(device, 32, 32))[0]).toBe(14);
  });

  test('is healed by writing it, by part of a longer command too', async () => {
    const { pool, rot, check } = await world();
    await blocks(pool, 'a', 10, 0, 8);
    await rot(13);
    const { device } = pool.unit('a');
    await fill(device, range(16, 24), 99);
    expect((await readBytes(device, 16, 24)).every((byte) => byte === 99)).toBe(true);
    await pool.checkpoint();
    expect(await check()).toEqual([]);
  });

  test('in a snapshot hurts that snapshot, and not the VLUN that has overwritten it', async () => {
    const { pool, rot } = await world();
    await blocks(pool, 'a', 10, 0, 8);
    await pool.createSnapshots([{ vlun: 'a', snapshot: 's' }]);
    await blocks(pool, 'a', 50, 2, 5);
    await pool.clone({ vlun: 'a', snapshot: 's', newName: 'c' });
    await fill(pool.unit('c').device, range(24, 8), 77);
    await rot(13);
    const snapshot = pool.snapshotUnit('a', 's').device;
    await expect(readBytes(snapshot, 24, 8)).rejects.toEqual(corruptAt(24));
    expect((await readBytes(snapshot, 32, 8))[0]).toBe(14);
    expect((await readBytes(pool.unit('a').device, 0, 64))[24 * 512]).toBe(53);
    expect((await readBytes(pool.unit('c').device, 0, 64))[24 * 512]).toBe(77);
  });

  test('in a tracker does not stop writes of a part of it above', async () => {
    const { pool, rot } = await world();
    await blocks(pool, 'a', 10, 0, 8);
    await pool.preserve({ name: 'a', newName: 't' });
    await fill(pool.unit('t').device, range(24, 8), 88);
    await rot(88);
    const sector = new Uint8Array(512).fill(1);
    await pool.unit('a').device.write(range(25, 1), sector, NO_FUA);
    expect((await readBytes(pool.unit('a').device, 24, 3))[512]).toBe(1);
    await expect(readBytes(pool.unit('t').device, 24, 1)).rejects.toEqual(corruptAt(24));
    await fill(pool.unit('a').device, range(24, 8), 2);
    expect((await readBytes(pool.unit('t').device, 24, 8))[0]).toBe(2);
  });

  test('goes with its entry through a merge, diff, checkpoint and restart, which read no data', async () => {
    const one = await world();
    await blocks(one.pool, 'a', 10, 0, 8);
    await one.pool.createSnapshots([{ vlun: 'a', snapshot: 's1' }]);
    await blocks(one.pool, 'a', 50, 0, 2);
    await one.pool.createSnapshots([{ vlun: 'a', snapshot: 's2' }]);
    await one.rot(13);
    const { ranges } = await one.pool.diff({ from: 'a@s1', to: 'a@s2' });
    expect(ranges).toEqual([{ offsetBytes: 0, lengthBytes: 2 * BLOCK }]);
    await one.pool.deleteSnapshot({ vlun: 'a', snapshot: 's1' });
    await one.environment.advance(1000);
    expect(one.pool.status().images).toBe(2);
    await one.pool.checkpoint();
    await one.reopen();
    const { device } = one.pool.unit('a');
    await expect(readBytes(device, 24, 8)).rejects.toEqual(corruptAt(24));
    expect((await readBytes(device, 0, 24)).at(-1)).toBe(12);
    expect((await one.check()).map((error) => error.replace(/\d+/g, 'N'))).toEqual([
      'IN: block N of image N, at place N, is damaged',
    ]);
  });

  test('is found by a scrub, which names everyone who reads it', async () => {
    const { pool, rot, environment } = await world();
    await blocks(pool, 'a', 10, 0, 8);
    await pool.createSnapshots([{ vlun: 'a', snapshot: 's' }]);
    await pool.clone({ vlun: 'a', snapshot: 's', newName: 'c' });
    await fill(pool.unit('a').device, range(32, 8), 99);
    await rot(13);
    await rot(14);
    const report = await pool.scrub();
    expect(report).toMatchObject({ ok: false, state: 'done', errorCount: 2, checkedBytes: 9 * BLOCK });
    const ranges = report.errors.flatMap((error) => error.ranges);
    expect(ranges.map(({ unit, lba, blocks: count }) => `${unit} ${lba}+${count}`).sort()).toEqual([
      'a 24+8',
      'a@s 24+8',
      'a@s 32+8',
      'c 24+8',
      'c 32+8',
    ]);
    expect(environment.facts.filter(({ type }) => type === 'damaged').length).toBe(report.errors.length);
    await fill(pool.unit('a').device, range(24, 8), 1);
    expect(pool.status().scrub).toMatchObject({ state: 'done', errorCount: 2 });
  });
});

describe('A scrub', () => {
  test('of a sound pool reads every block and every value, and finds nothing', async () => {
    const { pool } = await world();
    for (let b = 0; b < 512; b += 3) await fill(pool.unit('a').device, range(b * SECTORS, SECTORS), b % 251);
    await pool.checkpoint();
    const report = await pool.scrub();
    expect(report).toMatchObject({ ok: true, state: 'done', errorCount: 0, checkedBytes: 171 * BLOCK });
    expect(report.values).toBeGreaterThanOrEqual(8);
  });

  test('ends when it is told to, when whoever waits for it goes, and refuses a second one meanwhile', async () => {
    const { pool } = await world();
    await blocks(pool, 'a', 10, 0, 64);
    const first = pool.scrub(async () => {
      await expect(pool.scrub()).rejects.toMatchObject({ code: 'busy' });
      expect(pool.status().scrub.state).toBe('running');
      expect(pool.stopScrub()).toBe(true);
    });
    await pool.checkpoint();
    expect(await first).toMatchObject({ ok: false, state: 'stopped' });
    expect(pool.stopScrub()).toBe(false);
    const gone = pool.scrub(() => Promise.reject(new RangeError('gone')));
    await expect(gone).rejects.toThrow('gone');
    expect(pool.status().scrub.state).toBe('failed');
  });

  test('beside writes finds nothing that is not there', async () => {
    const { pool, environment } = await world();
    await blocks(pool, 'a', 1, 0, 200);
    let going = true;
    const writes = (async () => {
      for (let round = 0; going; round += 1) await blocks(pool, 'a', round % 40, 0, 200);
    })();
    for (let i = 0; i < 5; i += 1) {
      let scrubbing = true;
      const scrub = pool.scrub().finally(() => {
        scrubbing = false;
      });
      // Commands come in, so it pauses.
      while (scrubbing) await Promise.all([environment.advance(20), settle(1)]);
      expect(await scrub).toMatchObject({ state: 'done', errorCount: 0 });
    }
    going = false;
    await writes;
  });
});
