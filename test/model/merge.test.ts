// Deleting snapshots: images that nobody needs go into the one above them, in the background, and every block
// that is read by something stays, while every block that nothing reads is given back. The oracle keeps a
// plain copy of each VLUN and snapshot, with a number for each version of a block that was ever written.
import { describe, expect, test } from 'vitest';
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
} from '../support/pool-world.ts';
import { seededRandom } from '../support/random.ts';

const BLOCKS = 600;
const SECTORS_PER_BLOCK = 8;
const SMALL_STEPS = { reclaimPagesPerStep: 1, reclaimPauseMs: 1 };

/** Versions of the blocks of one VLUN or snapshot; 0: zeroes. */
type Versions = Uint32Array;

class Pair {
  readonly world: PoolWorld;
  readonly vluns = new Map<string, Versions>();
  readonly snapshots = new Map<string, Versions>();
  #version = 0;

  constructor(world: PoolWorld) {
    this.world = world;
  }

  static async create(): Promise<Pair> {
    const pair = new Pair(await newPool(SMALL_STEPS));
    await pair.world.pool.createVlun({ name: 'V', sizeBytes: BLOCKS * 4096 });
    pair.vluns.set('V', new Uint32Array(BLOCKS));
    return pair;
  }

  async write(name: string, block: number, blocks: number): Promise<void> {
    const versions = this.vluns.get(name) as Versions;
    const bytes = new Uint8Array(blocks * 4096);
    const words = new Uint32Array(bytes.buffer);
    for (let i = 0; i < blocks; i += 1) {
      this.#version += 1;
      versions[block + i] = this.#version;
      words.fill(this.#version, i * 1024, (i + 1) * 1024);
    }
    const at = range(block * SECTORS_PER_BLOCK, blocks * SECTORS_PER_BLOCK);
    await this.world.pool.unit(name).device.write(at, bytes, NO_FUA);
  }

  async unmap(name: string, block: number, blocks: number): Promise<void> {
    (this.vluns.get(name) as Versions).fill(0, block, block + blocks);
    const at = range(block * SECTORS_PER_BLOCK, blocks * SECTORS_PER_BLOCK);
    await this.world.pool.unit(name).device.unmap([at], NO_FUA);
  }

  async snapshot(vlun: string, snapshot: string): Promise<void> {
    await this.world.pool.createSnapshots([{ vlun, snapshot }]);
    this.snapshots.set(`${vlun}@${snapshot}`, (this.vluns.get(vlun) as Versions).slice());
  }

  async remove(vlun: string, snapshot: string): Promise<void> {
    await this.world.pool.deleteSnapshot({ vlun, snapshot });
    this.snapshots.delete(`${vlun}@${snapshot}`);
  }

  async clone(vlun: string, snapshot: string, newName: string): Promise<void> {
    await this.world.pool.clone({ vlun, snapshot, newName });
    this.vluns.set(newName, (this.snapshots.get(`${vlun}@${snapshot}`) as Versions).slice());
  }

  async rollback(vlun: string, snapshot: string): Promise<void> {
    await this.world.pool.rollback({ vlun, snapshot });
    this.vluns.set(vlun, (this.snapshots.get(`${vlun}@${snapshot}`) as Versions).slice());
  }

  async deleteVlun(name: string): Promise<void> {
    await this.world.pool.deleteVlun({ name, withSnapshots: true });
    this.vluns.delete(name);
    for (const key of this.snapshots.keys()) if (key.startsWith(`${name}@`)) this.snapshots.delete(key);
  }

  /** Lets the background come to its end. */
  async quiet(): Promise<void> {
    await this.world.environment.advance(5_000);
  }

  async expectEqual(why: string): Promise<void> {
    for (const [name, versions] of this.vluns) {
      expect(await this.#read(this.world.pool.unit(name).device), `${name} ${why}`).toEqual([...versions]);
    }
    for (const [key, versions] of this.snapshots) {
      const [vlun = '', snapshot = ''] = key.split('@');
      const { device } = this.world.pool.snapshotUnit(vlun, snapshot);
      expect(await this.#read(device), `${key} ${why}`).toEqual([...versions]);
    }
  }

  /** Versions that something reads: what has to be stored, and no more than that. */
  get versionsRead(): number {
    const found = new Set<number>();
    for (const versions of [...this.vluns.values(), ...this.snapshots.values()]) {
      for (const version of versions) if (version !== 0) found.add(version);
    }
    return found.size;
  }

  get stored(): number {
    return this.world.pool.status().usedBytes / 4096;
  }

  async expectSound(): Promise<void> {
    const { pool, store, environment } = this.world;
    await pool.close();
    const medium = openMemoryMedium(store);
    const report = await checkPool(medium, { checksum: (bytes) => environment.checksum(bytes), data: true });
    expect(report.errors).toEqual([]);
    await medium.close();
  }

  async #read(device: Parameters<typeof readBytes>[0]): Promise<number[]> {
    const bytes = await readBytes(device, 0, BLOCKS * SECTORS_PER_BLOCK);
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    return Array.from({ length: BLOCKS }, (_, block) => {
      const first = words[block * 1024] as number;
      expect(words[block * 1024 + 1023]).toBe(first);
      return first;
    });
  }
}

describe('one child', () => {
  test('a chain shrinks to what is read, and each image goes once', async () => {
    const pair = await Pair.create();
    for (let i = 1; i <= 6; i += 1) {
      await pair.write('V', i * 20, 300);
      await pair.unmap('V', i * 30, 25);
      await pair.snapshot('V', `s${i}`);
    }
    expect(pair.world.pool.status().images).toBe(7);
    for (const name of ['s2', 's3', 's4', 's6']) await pair.remove('V', name);
    await pair.expectEqual('at once');
    await pair.quiet();
    await pair.expectEqual('merged');
    expect(pair.world.pool.status().images).toBe(3);
    expect(pair.stored).toBe(pair.versionsRead);
    await killAndReopen(pair.world);
    await pair.expectEqual('after a restart');
    await pair.expectSound();
  });

  test('what the live child writes meanwhile wins', async () => {
    const pair = await Pair.create();
    await pair.write('V', 0, BLOCKS);
    await pair.snapshot('V', 's');
    await pair.remove('V', 's');
    for (let block = 0; block < BLOCKS; block += 40) {
      await pair.write('V', block, 3);
      await pair.unmap('V', block + 10, 3);
      await pair.world.environment.advance(1);
      await pair.expectEqual(`after block ${block}`);
    }
    await pair.quiet();
    await pair.expectEqual('merged');
    expect(pair.world.pool.status().images).toBe(1);
    expect(pair.stored).toBe(pair.versionsRead);
    await pair.expectSound();
  });

  test('goes on after a death at any step', async () => {
    const pair = await Pair.create();
    for (const name of ['a', 'b', 'c']) {
      await pair.write('V', 100, 450);
      await pair.write('V', 7, 2);
      await pair.snapshot('V', name);
    }
    await pair.write('V', 300, 20);
    for (const name of ['a', 'b', 'c']) await pair.remove('V', name);
    for (let deaths = 0; deaths < 12; deaths += 1) {
      await pair.world.environment.advance(1);
      await killAndReopen(pair.world, SMALL_STEPS);
      await pair.expectEqual(`after death ${deaths}`);
    }
    await pair.quiet();
    expect(pair.world.pool.status().images).toBe(1);
    expect(pair.stored).toBe(pair.versionsRead);
    await pair.expectSound();
  });
});

describe('several children', () => {
  test('an image stays hidden under clones, loses what all override, and is merged into the last', async () => {
    const pair = await Pair.create();
    await pair.write('V', 0, 400);
    await pair.snapshot('V', 's');
    await pair.clone('V', 's', 'C');
    await pair.clone('V', 's', 'D');
    for (const name of ['V', 'C', 'D']) await pair.write(name, 0, 50);
    await pair.write('V', 60, 10);
    await pair.remove('V', 's');
    await pair.quiet();
    await pair.expectEqual('swept');
    expect(pair.world.pool.status().images).toBe(4);
    expect(pair.stored).toBe(pair.versionsRead);
    for (const name of ['V', 'C', 'D']) await pair.unmap(name, 100, 290);
    await pair.quiet();
    await pair.deleteVlun('V');
    await pair.quiet();
    await pair.expectEqual('without V');
    await pair.deleteVlun('C');
    await pair.quiet();
    await pair.expectEqual('D alone');
    expect(pair.world.pool.status().images).toBe(1);
    expect(pair.stored).toBe(pair.versionsRead);
    await pair.expectSound();
  });
});

describe('tracking', () => {
  test('an image at which a following ends stays, and nothing that is read changes', async () => {
    const { pool, environment } = await newPool(SMALL_STEPS);
    await pool.createVlun({ name: 'V1', sizeBytes: BLOCKS * 4096 });
    const [v1, sectors] = [pool.unit('V1').device, BLOCKS * SECTORS_PER_BLOCK];
    await fill(v1, range(0, 800), 1);
    await pool.preserve({ name: 'V1', newName: 'V2' });
    const v2 = pool.unit('V2').device;
    await fill(v2, range(80, 80), 2);
    for (const [at, snapshot] of ['a', 'b', 'c'].entries()) {
      await pool.createSnapshots([{ vlun: 'V2', snapshot }]);
      await fill(v1, range(at * 160, 240), 10 + at);
      await pool.createSnapshots([{ vlun: 'V1', snapshot }]);
      await fill(v2, range(at * 160 + 80, 40), 20 + at);
    }
    const before = [await readBytes(v1, 0, sectors), await readBytes(v2, 0, sectors)];
    for (const vlun of ['V1', 'V2']) {
      for (const snapshot of ['a', 'b', 'c']) await pool.deleteSnapshot({ vlun, snapshot });
    }
    await environment.advance(5_000);
    expect(Buffer.compare(await readBytes(v1, 0, sectors), before[0] as Uint8Array)).toBe(0);
    expect(Buffer.compare(await readBytes(v2, 0, sectors), before[1] as Uint8Array)).toBe(0);
    await pool.release({ name: 'V2' });
    await environment.advance(5_000);
    expect(Buffer.compare(await readBytes(v2, 0, sectors), before[1] as Uint8Array)).toBe(0);
    await pool.deleteVlun({ name: 'V1' });
    await environment.advance(5_000);
    expect(Buffer.compare(await readBytes(v2, 0, sectors), before[1] as Uint8Array)).toBe(0);
  });
});

describe('anything', () => {
  for (let seed = 1; seed <= 12; seed += 1) {
    test(`seed ${seed}: random snapshots, clones, rollbacks and deletes`, async () => {
      const random = seededRandom(seed);
      const pair = await Pair.create();
      for (let step = 0; step < 60; step += 1) {
        const name = random.pick([...pair.vluns.keys()]);
        const keys = [...pair.snapshots.keys()].filter((key) => key.startsWith(`${name}@`));
        const snapshot = keys.length > 0 ? (random.pick(keys).split('@')[1] as string) : undefined;
        const block = random.below(BLOCKS - 64);
        const doing = random.below(10);
        if (doing < 3) await pair.write(name, block, random.between(1, 64));
        else if (doing === 3) await pair.unmap(name, block, random.between(1, 64));
        else if (doing < 6) await pair.snapshot(name, `s${step}`);
        else if (snapshot === undefined) continue;
        else if (doing < 8) await pair.remove(name, snapshot);
        else if (doing === 8 && pair.vluns.size < 5) await pair.clone(name, snapshot, `v${step}`);
        else await pair.rollback(name, snapshot);
        if (random.chance(0.3)) await pair.world.environment.advance(random.below(4));
        if (random.chance(0.05)) await killAndReopen(pair.world, SMALL_STEPS);
      }
      await pair.quiet();
      await pair.expectEqual(`seed ${seed}`);
      await pair.expectSound();
    });
  }
});
