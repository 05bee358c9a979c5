/** Shows the verbs of a pool, what it refuses, and that what it promised is there when it is opened again. */
import { describe, expect, test } from 'vitest';
import { openMemoryMedium } from '../../../snapshot/medium/memory.ts';
import { Pool } from '../../../snapshot/pool.ts';
import {
  fill,
  killAndReopen,
  NO_FUA,
  newPool,
  range,
  readBytes,
  settle,
  TestEnvironment,
} from '../../support/pool-world.ts';

const MiB = 1024 * 1024;
const TiB = 1024 * 1024 * MiB;

function code(of: string): { code: string } {
  return expect.objectContaining({ code: of });
}

describe('verbs', () => {
  test('a VLUN is listed with what it was created with', async () => {
    const { pool } = await newPool();
    await pool.createVlun({ name: 'b', sizeBytes: MiB, blockBytes: 4096, readOnly: true, removable: true });
    await pool.createVlun({ name: 'a', sizeBytes: MiB, writeCache: false });
    expect(pool.list().map(({ name }) => name)).toEqual(['a', 'b']);
    expect(pool.info('b')).toMatchObject({
      sizeBytes: MiB,
      blockBytes: 4096,
      readOnly: true,
      removable: true,
    });
    expect(pool.info('a')).toMatchObject({
      blockBytes: 512,
      readOnly: false,
      writeCache: false,
      trackers: [],
    });
    expect(pool.unit('a')).toBe(pool.unit('a'));
    expect(pool.unit('b').device.geometry).toEqual({ blockBytes: 4096, capacityBlocks: 256 });
  });

  test('what cannot be done is refused with a word for it, and changes nothing', async () => {
    const { pool } = await newPool();
    await pool.createVlun({ name: 'a', sizeBytes: MiB });
    await pool.createSnapshots([{ vlun: 'a', snapshot: 's' }]);
    await settle();
    const status = pool.status();
    const size = { sizeBytes: MiB };
    await expect(pool.createVlun({ name: 'a', ...size })).rejects.toThrow(code('exists'));
    for (const name of ['', 'a@b', 'a,b', 'x'.repeat(65), 'ä']) {
      await expect(pool.createVlun({ name, ...size })).rejects.toThrow(code('bad-name'));
    }
    for (const sizeBytes of [0, -512, 100, 0.5, Number.NaN, 2 ** 53]) {
      await expect(pool.createVlun({ name: 'n', sizeBytes })).rejects.toThrow(code('bad-size'));
    }
    await expect(pool.preserve({ name: 'x', newName: 'y' })).rejects.toThrow(code('not-found'));
    await expect(pool.preserve({ name: 'a', newName: 'a' })).rejects.toThrow(code('exists'));
    await expect(pool.release({ name: 'a' })).rejects.toThrow(code('not-tracking'));
    await expect(pool.createSnapshots([{ vlun: 'a', snapshot: 's' }])).rejects.toThrow(code('exists'));
    const twice = [
      { vlun: 'a', snapshot: 't' },
      { vlun: 'a', snapshot: 'u' },
    ];
    await expect(pool.createSnapshots(twice)).rejects.toThrow(code('duplicate'));
    await expect(pool.clone({ vlun: 'a', snapshot: 'x', newName: 'c' })).rejects.toThrow(code('not-found'));
    await expect(pool.deleteVlun({ name: 'a' })).rejects.toThrow(code('has-snapshots'));
    await expect(pool.resizeVlun({ name: 'a', sizeBytes: 512 })).rejects.toThrow(code('shrinks'));
    await expect(pool.documents.put({ 'unit/vlun/1/x': 1 })).rejects.toThrow(code('bad-document'));
    expect(() => pool.unit('x')).toThrow(code('not-found'));
    expect(() => pool.snapshotUnit('a', 'x')).toThrow(code('not-found'));
    expect(pool.status()).toEqual(status);
  });

  test('16 TiB cost nothing, and their last block can be written', async () => {
    const { pool } = await newPool();
    const before = pool.status().usedBytes;
    await pool.createVlun({ name: 'huge', sizeBytes: 16 * TiB });
    expect(pool.status().usedBytes).toBe(before);
    const { device } = pool.unit('huge');
    const last = (16 * TiB) / 512 - 8;
    await fill(device, range(last, 8), 0x5a);
    expect(await readBytes(device, last, 8)).toEqual(new Uint8Array(4096).fill(0x5a));
    await device.unmap([range(0, last + 8)], NO_FUA);
    expect(await readBytes(device, last, 8)).toEqual(new Uint8Array(4096));
  });

  test('identities are NAA type 6, and are never given twice', async () => {
    const world = await newPool();
    const seen = new Set<string>();
    for (let i = 0; i < 5; i += 1) {
      const { identity } = await world.pool.createVlun({ name: 'a', sizeBytes: MiB });
      expect(identity.naa.byteLength).toBe(16);
      expect((identity.naa[0] as number) >> 4).toBe(6);
      seen.add(Buffer.from(identity.naa).toString('hex')).add(identity.serial);
      await world.pool.deleteVlun({ name: 'a' });
      await killAndReopen(world);
    }
    expect(seen.size).toBe(10);
  });

  test('documents take effect with the verb that carries them, and survive', async () => {
    const world = await newPool();
    await world.pool.createVlun({ name: 'a', sizeBytes: MiB, documents: { 'map/0': { lun: 3 }, gone: 1 } });
    await world.pool.documents.put({ gone: undefined, other: [1, 2] });
    await expect(
      world.pool.createVlun({ name: 'a', sizeBytes: MiB, documents: { never: 1 } }),
    ).rejects.toThrow();
    await killAndReopen(world);
    expect(world.pool.documents.names()).toEqual(['map/0', 'other']);
    expect(world.pool.documents.get('map/0')).toEqual({ lun: 3 });
    expect(world.pool.documents.names('map/')).toEqual(['map/0']);
    await world.pool.close();
    world.pool = await Pool.open(openMemoryMedium(world.store), world.environment);
    expect(world.pool.documents.get('other')).toEqual([1, 2]);
  });

  test('a document is a copy: changing what was given changes nothing in the pool', async () => {
    const world = await newPool();
    const given = { luns: [1] };
    await world.pool.documents.put({ map: given });
    given.luns.push(2);
    expect(world.pool.documents.get('map')).toEqual({ luns: [1] });
    await killAndReopen(world);
    expect(world.pool.documents.get('map')).toEqual({ luns: [1] });
  });

  test('small values of a unit survive, and end with it', async () => {
    const world = await newPool();
    await world.pool.createVlun({ name: 'a', sizeBytes: MiB });
    await world.pool.unit('a').state.put('reservations', Uint8Array.of(1, 2, 255));
    await killAndReopen(world);
    expect(world.pool.unit('a').state.get('reservations')).toEqual(Uint8Array.of(1, 2, 255));
    await world.pool.unit('a').state.put('reservations', undefined);
    expect(world.pool.unit('a').state.get('reservations')).toBeUndefined();
    await world.pool.unit('a').state.put('mode', Uint8Array.of(9));
    await world.pool.deleteVlun({ name: 'a' });
    expect(world.pool.documents.names()).toEqual([]);
  });

  test('listeners of a unit hear of a resize and of new properties', async () => {
    const { pool } = await newPool();
    await pool.createVlun({ name: 'a', sizeBytes: MiB });
    const unit = pool.unit('a');
    const facts: string[] = [];
    const stop = unit.onFact((fact) => facts.push(fact));
    await pool.resizeVlun({ name: 'a', sizeBytes: 2 * MiB });
    expect(unit.device.geometry.capacityBlocks).toBe(4096);
    await pool.setVlun({ name: 'a', readOnly: true });
    expect(unit.readOnly).toBe(true);
    stop();
    await pool.setVlun({ name: 'a', readOnly: false });
    expect(facts).toEqual(['capacity-changed', 'mode-changed']);
  });

  test('a unit that was deleted refuses everything', async () => {
    const { pool } = await newPool();
    await pool.createVlun({ name: 'a', sizeBytes: MiB });
    await pool.createSnapshots([{ vlun: 'a', snapshot: 's' }]);
    const { device } = pool.unit('a');
    const snapshot = pool.snapshotUnit('a', 's').device;
    await pool.deleteVlun({ name: 'a', withSnapshots: true });
    await expect(fill(device, range(0, 8), 1)).rejects.toThrow(code('CLOSED'));
    await expect(fill(device, range(1, 2), 1)).rejects.toThrow(code('CLOSED'));
    await expect(readBytes(snapshot, 0, 8)).rejects.toThrow(code('CLOSED'));
  });
});

describe('snapshots and clones', () => {
  test('a snapshot stays as it was, is read-only, and a clone of it goes its own way', async () => {
    const world = await newPool();
    await world.pool.createVlun({ name: 'a', sizeBytes: MiB });
    await fill(world.pool.unit('a').device, range(0, 16), 1);
    const { snapshots, pausedMs } = await world.pool.createSnapshots([{ vlun: 'a', snapshot: 's' }]);
    expect(snapshots).toMatchObject([{ vlun: 'a', name: 's', sizeBytes: MiB }]);
    expect(pausedMs).toBeLessThanOrEqual(5);
    await fill(world.pool.unit('a').device, range(4, 8), 2);
    await world.pool.clone({ vlun: 'a', snapshot: 's', newName: 'c' });
    expect(world.pool.info('c')?.parent).toBe('a@s');
    await fill(world.pool.unit('c').device, range(8, 8), 3);
    for (let opening = 0; opening < 2; opening += 1) {
      const unit = world.pool.snapshotUnit('a', 's');
      expect(unit.readOnly).toBe(true);
      expect(await readBytes(unit.device, 0, 16)).toEqual(new Uint8Array(8192).fill(1));
      expect(() => unit.device.write(range(0, 8), new Uint8Array(4096), NO_FUA)).toThrow(code('READ_ONLY'));
      const clone = await readBytes(world.pool.unit('c').device, 0, 16);
      expect([clone[0], clone[4095], clone[4096], clone[8191]]).toEqual([1, 1, 3, 3]);
      await killAndReopen(world);
    }
  });

  test('a group is one point: no write lies between its snapshots', async () => {
    const { pool } = await newPool();
    for (const name of ['a', 'b']) await pool.createVlun({ name, sizeBytes: MiB });
    let stop = false;
    const writer = (async () => {
      for (let i = 1; !stop && i < 250; i += 1) {
        await fill(pool.unit('a').device, range(0, 8), i);
        await fill(pool.unit('b').device, range(0, 8), i);
      }
    })();
    for (let i = 0; i < 10; i += 1) {
      await settle(3);
      await pool.createSnapshots(['a', 'b'].map((vlun) => ({ vlun, snapshot: `s${i}` })));
      const [a = 0] = await readBytes(pool.snapshotUnit('a', `s${i}`).device, 0, 8);
      const [b = 0] = await readBytes(pool.snapshotUnit('b', `s${i}`).device, 0, 8);
      expect([a, a - 1]).toContain(b);
    }
    stop = true;
    await writer;
  });

  test('reads at a depth of 1,000 snapshots find every layer', async () => {
    const { pool } = await newPool();
    await pool.createVlun({ name: 'a', sizeBytes: 8 * MiB });
    const { device } = pool.unit('a');
    for (let i = 0; i < 1000; i += 1) {
      await fill(device, range(i * 8, 8), i % 251);
      await pool.createSnapshots([{ vlun: 'a', snapshot: `s${i}` }]);
    }
    for (let i = 0; i < 1000; i += 1) expect((await readBytes(device, i * 8, 8))[0]).toBe(i % 251);
    const middle = pool.snapshotUnit('a', 's500').device;
    expect((await readBytes(middle, 500 * 8, 8))[0]).toBe(500 % 251);
    expect((await readBytes(middle, 501 * 8, 8))[0]).toBe(0);
  });
});

describe('space', () => {
  test('a deleted VLUN and its snapshots give their space back, across a restart', async () => {
    const world = await newPool({ reclaimPagesPerStep: 1 });
    const before = world.pool.status();
    await world.pool.createVlun({ name: 'a', sizeBytes: 16 * MiB });
    for (let i = 0; i < 4; i += 1) {
      await fill(world.pool.unit('a').device, range(i * 2048, 2048), 7);
      await world.pool.createSnapshots([{ vlun: 'a', snapshot: `s${i}` }]);
    }
    expect(world.pool.status().usedBytes).toBe(before.usedBytes + 4 * MiB);
    await world.pool.deleteVlun({ name: 'a', withSnapshots: true });
    await world.environment.advance(15);
    await killAndReopen(world);
    for (let i = 0; i < 40; i += 1) await world.environment.advance(500);
    expect(world.pool.status()).toMatchObject({
      usedBytes: before.usedBytes,
      freeBytes: before.freeBytes,
      reclaimableBytes: 0,
      images: 0,
    });
  });

  test('a write to a full pool fails with NO_SPACE; unmapping makes room for the next', async () => {
    const world = await newPool({ capacityBlocks: 100 });
    const { pool } = world;
    await pool.createVlun({ name: 'a', sizeBytes: MiB, blockBytes: 4096 });
    const { device } = pool.unit('a');
    await fill(device, range(0, 98), 1);
    await expect(fill(device, range(98, 1), 2)).rejects.toThrow(code('NO_SPACE'));
    expect(world.environment.facts.some(({ type }) => type === 'full')).toBe(true);
    await device.unmap([range(0, 10)], NO_FUA);
    await fill(device, range(98, 10), 3);
    await expect(fill(device, range(110, 1), 2)).rejects.toThrow(code('NO_SPACE'));
    expect(await readBytes(device, 0, 10)).toEqual(new Uint8Array(40960));
    expect((await readBytes(device, 98, 1))[0]).toBe(3);
    expect((await readBytes(device, 97, 1))[0]).toBe(1);
  });

  test('usage tells shared data from exclusive', async () => {
    const { pool } = await newPool();
    await pool.createVlun({ name: 'a', sizeBytes: MiB });
    await fill(pool.unit('a').device, range(0, 80), 1);
    await pool.createSnapshots([{ vlun: 'a', snapshot: 's' }]);
    await fill(pool.unit('a').device, range(0, 8), 2);
    const [one, nine, ten] = [4096, 9 * 4096, 10 * 4096];
    const expected = { usedBytes: ten, exclusiveBytes: one, sharedBytes: nine };
    expect(await pool.usageOf('a')).toEqual(expected);
    expect(await pool.usageOf('a@s')).toEqual(expected);
  });
});

describe('formatting', () => {
  test('a medium is formatted once, and one that is not is not opened', async () => {
    const environment = new TestEnvironment();
    const medium = openMemoryMedium({ capacityBlocks: 1000 });
    expect(await Pool.isEmpty(medium, environment)).toBe(true);
    await expect(Pool.open(medium, environment)).rejects.toThrow(code('not-a-pool'));
    await Pool.create(medium, environment);
    await expect(Pool.create(medium, environment)).rejects.toThrow(code('exists'));
  });
});
