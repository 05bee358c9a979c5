/**
 * Space of VLUNs and snapshots after anything that changes it, against a plain model: every block that was
 * ever written has a number of its own, and a reader refers to the numbers it reads, exclusively to those
 * that nobody else does. A copied block has a number of its own too, and nobody has either of the two
 * exclusively.
 */
import { describe, expect, test } from 'vitest';
import { copyBlocks } from '../../lun/copy-blocks.ts';
import type { BlockRange } from '../../lun/units.ts';
import type { Pool } from '../../snapshot/pool.ts';
import { killAndReopen, NO_FUA, newPool, type PoolWorld, range, settle } from '../support/pool-world.ts';
import { type Random, seededRandom } from '../support/random.ts';

const BLOCKS = 700;
const SECTORS_PER_BLOCK = 8;
const OPTIONS = { reclaimPagesPerStep: 1, reclaimPauseMs: 1, tableCacheBytes: 16 * 1024 };

interface PlainVlun {
  readonly numbers: number[];
  /** Blocks that it does not read from the one it tracks. */
  readonly own: boolean[];
  above: string | undefined;
}

class Model {
  readonly world: PoolWorld;
  readonly vluns = new Map<string, PlainVlun>();
  readonly snapshots = new Map<string, readonly number[]>();
  /** Of a copy: the number of the block that was written. */
  readonly #copyOf = new Map<number, number>();
  #number = 0;
  #names = 0;

  private constructor(world: PoolWorld) {
    this.world = world;
  }

  static async create(): Promise<Model> {
    const model = new Model(await newPool(OPTIONS));
    await model.pool.createVlun({ name: 'V', sizeBytes: BLOCKS * 4096 });
    model.add('V', new Array(BLOCKS).fill(0), undefined);
    return model;
  }

  get pool(): Pool {
    return this.world.pool;
  }

  async write(name: string, block: number, blocks: number): Promise<void> {
    const at = range(block * SECTORS_PER_BLOCK, blocks * SECTORS_PER_BLOCK);
    await this.pool.unit(name).device.write(at, new Uint8Array(blocks * 4096).fill(1), NO_FUA);
    for (let i = block; i < block + blocks; i += 1) this.#put(name, i, ++this.#number);
  }

  async unmap(name: string, block: number, blocks: number): Promise<void> {
    const at = range(block * SECTORS_PER_BLOCK, blocks * SECTORS_PER_BLOCK);
    await this.pool.unit(name).device.unmap([at], NO_FUA);
    for (let i = block; i < block + blocks; i += 1) this.#put(name, i, 0);
  }

  /** From a VLUN or a snapshot. */
  async copy(
    source: string,
    from: number,
    to: { readonly name: string; readonly block: number; blocks: number },
  ) {
    const [vlun = '', snapshot] = source.split('@');
    const unit = snapshot === undefined ? this.pool.unit(vlun) : this.pool.snapshotUnit(vlun, snapshot);
    const numbers = (this.snapshots.get(source) ?? this.#read(vlun)).slice(from, from + to.blocks);
    const at = (block: number): BlockRange => range(block * SECTORS_PER_BLOCK, to.blocks * SECTORS_PER_BLOCK);
    const { device } = this.pool.unit(to.name);
    await copyBlocks({ device, range: at(to.block) }, { device: unit.device, range: at(from) }, NO_FUA);
    for (const [i, original] of numbers.entries()) {
      const number = original === 0 ? 0 : ++this.#number;
      if (number !== 0) this.#copyOf.set(number, this.#written(original));
      this.#put(to.name, to.block + i, number);
    }
  }

  #written(number: number): number {
    return this.#copyOf.get(number) ?? number;
  }

  async snapshot(...vluns: string[]): Promise<void> {
    const snapshot = this.#name('s');
    await this.pool.createSnapshots(vluns.map((vlun) => ({ vlun, snapshot })));
    for (const vlun of vluns) this.snapshots.set(`${vlun}@${snapshot}`, this.#read(vlun));
  }

  async remove(key: string): Promise<void> {
    const [vlun = '', snapshot = ''] = key.split('@');
    await this.pool.deleteSnapshot({ vlun, snapshot });
    this.snapshots.delete(key);
  }

  async clone(key: string): Promise<void> {
    const [vlun = '', snapshot = ''] = key.split('@');
    const newName = this.#name('c');
    await this.pool.clone({ vlun, snapshot, newName });
    this.add(newName, this.snapshots.get(key) ?? [], undefined);
  }

  async rollback(key: string): Promise<void> {
    const [vlun = '', snapshot = ''] = key.split('@');
    await this.pool.rollback({ vlun, snapshot });
    for (const [at, number] of (this.snapshots.get(key) ?? []).entries()) this.#put(vlun, at, number);
  }

  async preserve(name: string): Promise<void> {
    const newName = this.#name('t');
    await this.pool.preserve({ name, newName });
    this.add(newName, new Array(BLOCKS).fill(0), name);
  }

  async release(name: string): Promise<void> {
    await this.pool.release({ name });
    this.#detach(name);
  }

  async deleteVlun(name: string): Promise<void> {
    await this.pool.deleteVlun({ name, withSnapshots: true });
    for (const [other, { above }] of this.vluns) if (above === name) this.#detach(other);
    this.vluns.delete(name);
    for (const key of this.snapshots.keys()) if (key.startsWith(`${name}@`)) this.snapshots.delete(key);
  }

  /** Every figure of every VLUN and snapshot. */
  async expectEqual(why: string): Promise<void> {
    const read = new Map<string, readonly number[]>(this.snapshots);
    for (const name of this.vluns.keys()) read.set(name, this.#read(name));
    const readers = new Map<number, number>();
    for (const numbers of read.values()) {
      for (const number of numbers) readers.set(number, (readers.get(number) ?? 0) + 1);
    }
    const copies = new Map<number, number>();
    for (const number of readers.keys()) {
      const written = this.#written(number);
      copies.set(written, (copies.get(written) ?? 0) + 1);
    }
    for (const [key, numbers] of read) {
      const stored = numbers.filter((number) => number !== 0);
      const alone = stored.filter(
        (number) => readers.get(number) === 1 && copies.get(this.#written(number)) === 1,
      );
      expect(await this.pool.usageOf(key), `${key} ${why}`).toEqual({
        usedBytes: stored.length * 4096,
        exclusiveBytes: alone.length * 4096,
        sharedBytes: (stored.length - alone.length) * 4096,
      });
    }
  }

  add(name: string, numbers: readonly number[], above: string | undefined): void {
    this.vluns.set(name, {
      numbers: [...numbers],
      own: new Array<boolean>(BLOCKS).fill(above === undefined),
      above,
    });
  }

  #put(name: string, at: number, number: number): void {
    const vlun = this.vluns.get(name) as PlainVlun;
    vlun.numbers[at] = number;
    vlun.own[at] = true;
    this.#follow(name, at);
  }

  #follow(name: string, at: number): void {
    for (const [other, vlun] of this.vluns) {
      if (vlun.above !== name) continue;
      vlun.own[at] = false;
      this.#follow(other, at);
    }
  }

  #read(name: string): number[] {
    const { numbers, own, above } = this.vluns.get(name) as PlainVlun;
    const followed = above === undefined ? numbers : this.#read(above);
    return numbers.map((number, at) => (own[at] === true ? number : (followed[at] as number)));
  }

  #detach(name: string): void {
    const numbers = this.#read(name);
    this.add(name, numbers, undefined);
  }

  #name(letter: string): string {
    this.#names += 1;
    return `${letter}${this.#names}`;
  }
}

async function changeBlocks(model: Model, random: Random, name: string): Promise<void> {
  const block = random.below(BLOCKS - 100);
  if (random.chance(0.7)) await model.write(name, block, random.between(1, 100));
  else await model.unmap(name, block, random.between(1, 100));
}

async function meanwhile(model: Model, random: Random): Promise<void> {
  if (random.chance(0.4)) await model.world.environment.advance(random.below(6));
  if (random.chance(0.05)) await killAndReopen(model.world, OPTIONS);
}

describe('a chain of snapshots', () => {
  for (let seed = 1; seed <= 8; seed += 1) {
    test(`seed ${seed}: is exact after overwrites, unmaps, snapshots and deletes anywhere`, async () => {
      const random = seededRandom(seed);
      const model = await Model.create();
      for (let step = 0; step < 80; step += 1) {
        const keys = [...model.snapshots.keys()];
        const doing = random.below(10);
        if (doing < 4) await changeBlocks(model, random, 'V');
        else if (doing < 7 || keys.length === 0) await model.snapshot('V');
        else if (doing === 7) await model.remove(keys[0] as string);
        else await model.remove(random.pick(keys));
        await meanwhile(model, random);
        if (random.chance(0.5)) await model.expectEqual(`seed ${seed}, step ${step}`);
      }
      await model.world.environment.advance(5_000);
      await model.expectEqual(`seed ${seed}, at the end`);
    });
  }
});

describe('any family', () => {
  for (let seed = 101; seed <= 112; seed += 1) {
    test(`seed ${seed}: is exact after clones, rollbacks, preserves, releases and merges`, async () => {
      const random = seededRandom(seed);
      const model = await Model.create();
      for (let step = 0; step < 60; step += 1) {
        const name = random.pick([...model.vluns.keys()]);
        const keys = [...model.snapshots.keys()];
        const doing = random.below(16);
        if (doing < 6) await changeBlocks(model, random, name);
        else if (doing < 8) await model.snapshot(name);
        else if (doing === 8) await model.snapshot(...model.vluns.keys());
        else if (doing === 9 && model.vluns.size < 6) await model.preserve(name);
        else if (doing === 10 && model.vluns.get(name)?.above !== undefined) await model.release(name);
        else if (doing === 11 && model.vluns.size > 2) await model.deleteVlun(name);
        else if (keys.length === 0) continue;
        else if (doing === 12 && model.vluns.size < 6) await model.clone(random.pick(keys));
        else if (doing === 13) await model.rollback(random.pick(keys));
        else await model.remove(random.pick(keys));
        await meanwhile(model, random);
        if (random.chance(0.5)) await model.expectEqual(`seed ${seed}, step ${step}`);
      }
      await model.world.environment.advance(5_000);
      await model.expectEqual(`seed ${seed}, at the end`);
    });
  }
});

describe('blocks shared by reference', () => {
  for (let seed = 201; seed <= 206; seed += 1) {
    test(`seed ${seed}: are nobody's alone until all but one of them are gone`, async () => {
      const random = seededRandom(seed);
      const model = await Model.create();
      await model.pool.createVlun({ name: 'W', sizeBytes: BLOCKS * 4096 });
      model.add('W', new Array(BLOCKS).fill(0), undefined);
      for (let step = 0; step < 50; step += 1) {
        const name = random.pick([...model.vluns.keys()]);
        const keys = [...model.snapshots.keys()];
        const doing = random.below(10);
        if (doing < 3) await changeBlocks(model, random, name);
        else if (doing < 6) {
          const to = { name, block: random.below(BLOCKS - 100), blocks: random.between(1, 100) };
          await model.copy(random.pick([...model.vluns.keys(), ...keys]), random.below(BLOCKS - 100), to);
        } else if (doing === 6) await model.snapshot(name);
        else if (doing === 7 && model.vluns.size < 4) await model.preserve(name);
        else if (keys.length === 0) continue;
        else if (doing === 8) await model.rollback(random.pick(keys));
        else await model.remove(random.pick(keys));
        await meanwhile(model, random);
        if (random.chance(0.7)) continue;
        // What nothing reads any more counts until the background has given it back.
        await model.world.environment.advance(5_000);
        await model.expectEqual(`seed ${seed}, step ${step}`);
      }
    });
  }
});

test('what lies past the end of a VLUN is not its own, whatever it follows or stands on', async () => {
  const { pool } = await newPool();
  await pool.createVlun({ name: 'V', sizeBytes: 100 * 4096 });
  await pool.preserve({ name: 'V', newName: 'T' });
  await pool.resizeVlun({ name: 'V', sizeBytes: 200 * 4096 });
  const bytes = new Uint8Array(60 * 4096).fill(1);
  await pool.unit('V').device.write(range(90 * SECTORS_PER_BLOCK, 60 * SECTORS_PER_BLOCK), bytes, NO_FUA);
  const [ten, fifty, sixty] = [10 * 4096, 50 * 4096, 60 * 4096];
  const expected = {
    V: { usedBytes: sixty, exclusiveBytes: fifty, sharedBytes: ten },
    T: { usedBytes: ten, exclusiveBytes: 0, sharedBytes: ten },
  };
  for (const name of ['V', 'T'] as const) expect(await pool.usageOf(name)).toEqual(expected[name]);
  await pool.release({ name: 'T' });
  await pool.resizeVlun({ name: 'T', sizeBytes: 200 * 4096 });
  for (const name of ['V', 'T'] as const) expect(await pool.usageOf(name)).toEqual(expected[name]);
});

test('an answer that cannot wait for the counting says of when it is, and the next one is exact', async () => {
  const { pool, environment } = await newPool();
  const pages = 9_000;
  await pool.createVlun({ name: 'V', sizeBytes: pages * 1024 * 1024 });
  const { device } = pool.unit('V');
  const writeAll = async (): Promise<void> => {
    const bytes = new Uint8Array(4096);
    const first = (page: number): BlockRange => range(page * 2048, 8);
    await Promise.all(Array.from({ length: pages }, (_, page) => device.write(first(page), bytes, NO_FUA)));
  };
  /** Time passes in which it is counted on; more of it than anybody waits for. */
  const ask = async (...names: string[]): Promise<unknown> => {
    const asked = Promise.all(names.map((name) => pool.usageOf(name)));
    await settle();
    await environment.advance(1_000);
    return asked;
  };
  await writeAll();
  const all = pages * 4096;
  const counted = { usedBytes: all, exclusiveBytes: all, sharedBytes: 0 };
  expect(await ask('V')).toEqual([counted]);
  const countedAtMs = environment.nowMs() - 1_000;
  await pool.createSnapshots([{ vlun: 'V', snapshot: 's' }]);
  await writeAll();
  const estimate = { usedBytes: all, exclusiveBytes: 0, sharedBytes: all, atMs: null };
  expect(await ask('V', 'V@s')).toEqual([{ ...counted, atMs: countedAtMs }, estimate]);
  expect(await ask('V', 'V@s')).toEqual([counted, counted]);
});
