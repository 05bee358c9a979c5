/**
 * Shows that preserve follows SYSTEM §3 rule by rule: P3, P4, P5, P7 and P11 in every combination of entries
 * that are absent, whole or in part, with and without frozen images in between, compared with plain arrays.
 */
import { describe, expect, test } from 'vitest';
import type { BlockDevice } from '../../lun/block-device.ts';
import { killAndReopen, NO_FUA, newPool, type PoolWorld, range, readBytes } from '../support/pool-world.ts';
import { PlainVlun, SECTOR_BYTES } from './plain-vluns.ts';

const SIZE_BYTES = 64 * 1024;
const SECTORS = SIZE_BYTES / SECTOR_BYTES;
/** The pool block the rules are tried on, one by one: sectors 16 … 23. */
const FIRST = 16;
const WHOLE = range(FIRST, 8);
const PART = range(FIRST + 2, 3);

class Pair {
  readonly world: PoolWorld;
  readonly plain = new Map<string, PlainVlun>();
  #value = 0;

  constructor(world: PoolWorld) {
    this.world = world;
  }

  static async create(sizeBytes = SIZE_BYTES): Promise<Pair> {
    const pair = new Pair(await newPool());
    await pair.world.pool.createVlun({ name: 'V1', sizeBytes });
    pair.plain.set('V1', new PlainVlun('V1', sizeBytes / SECTOR_BYTES));
    return pair;
  }

  device(name: string): BlockDevice {
    return this.world.pool.unit(name).device;
  }

  vlun(name: string): PlainVlun {
    return this.plain.get(name) as PlainVlun;
  }

  async preserve(name: string, newName: string): Promise<void> {
    await this.world.pool.preserve({ name, newName });
    const above = this.vlun(name);
    this.plain.set(newName, new PlainVlun(newName, above.sectors, above));
  }

  async write(name: string, at = WHOLE): Promise<void> {
    this.#value = (this.#value % 250) + 1;
    const bytes = new Uint8Array(at.blocks * SECTOR_BYTES).fill(this.#value);
    this.vlun(name).write(at.lba, bytes);
    await this.device(name).write(at, bytes, NO_FUA);
  }

  async unmap(name: string, at = WHOLE): Promise<void> {
    this.vlun(name).write(at.lba, new Uint8Array(at.blocks * SECTOR_BYTES));
    await this.device(name).unmap([at], NO_FUA);
  }

  async writeSame(name: string, at = WHOLE): Promise<void> {
    this.#value = (this.#value % 250) + 1;
    const pattern = new Uint8Array(SECTOR_BYTES).fill(this.#value);
    this.vlun(name).write(at.lba, new Uint8Array(at.blocks * SECTOR_BYTES).fill(this.#value));
    await this.device(name).writeSame(at, pattern, NO_FUA);
  }

  async compareAndWrite(name: string, at = WHOLE): Promise<void> {
    this.#value = (this.#value % 250) + 1;
    const bytes = new Uint8Array(at.blocks * SECTOR_BYTES).fill(this.#value);
    const expected = this.vlun(name).read(at.lba, at.blocks);
    this.vlun(name).write(at.lba, bytes);
    expect(await this.device(name).compareAndWrite(at, expected, bytes, NO_FUA)).toBeUndefined();
  }

  async expectEqual(why: string): Promise<void> {
    for (const [name, plain] of this.plain) {
      const read = await readBytes(this.device(name), 0, plain.sectors);
      const wanted = plain.read();
      if (Buffer.compare(read, wanted) === 0) continue;
      const at = read.findIndex((byte, i) => byte !== wanted[i]);
      const sector = Math.floor(at / SECTOR_BYTES);
      const entries = JSON.stringify(COMBINATIONS[Math.floor(sector / STRIDE_SECTORS)]);
      expect.fail(`${why}: ${name} differs in sector ${sector} (${entries})`);
    }
  }
}

type Change = (pair: Pair, name: string, sector: number) => Promise<void>;

/** What stands in a VLUN's own table for the block that begins at this sector. */
const ENTRIES: Record<string, Change> = {
  absent: async () => undefined,
  whole: (pair, name, at) => pair.write(name, range(at, 8)),
  part: (pair, name, at) => pair.write(name, range(at + 2, 3)),
  'part elsewhere': (pair, name, at) => pair.write(name, range(at + 6, 2)),
  hole: (pair, name, at) => pair.unmap(name, range(at, 8)),
  'hole in part': (pair, name, at) => pair.unmap(name, range(at + 1, 2)),
};

const CHANGES: Record<string, Change> = {
  'write whole': (pair, name, at) => pair.write(name, range(at, 8)),
  'write part': (pair, name, at) => pair.write(name, range(at + 2, 3)),
  'write across blocks': (pair, name, at) => pair.write(name, range(at - 3, 14)),
  'unmap whole': (pair, name, at) => pair.unmap(name, range(at, 8)),
  'unmap part': (pair, name, at) => pair.unmap(name, range(at + 2, 3)),
  'write same whole': (pair, name, at) => pair.writeSame(name, range(at, 8)),
  'write same part': (pair, name, at) => pair.writeSame(name, range(at + 5, 6)),
  'compare and write part': (pair, name, at) => pair.compareAndWrite(name, range(at + 2, 3)),
};

/**
 * Every combination of entries in three VLUNs, each on a pool block of its own with one to spare on either
 * side.
 */
const COMBINATIONS = Object.keys(ENTRIES).flatMap((inV1) =>
  Object.keys(ENTRIES).flatMap((inV2) =>
    ['absent', 'whole', 'part elsewhere', 'hole'].map((inV3) => ({ V1: inV1, V2: inV2, V3: inV3 })),
  ),
);
const STRIDE_SECTORS = 24;

async function onEvery(
  change: (combination: (typeof COMBINATIONS)[number], sector: number) => Change | undefined,
  of: Pair,
  name: string,
): Promise<void> {
  await Promise.all(
    COMBINATIONS.map((combination, i) => {
      const sector = i * STRIDE_SECTORS + 8;
      return change(combination, sector)?.(of, name, sector);
    }),
  );
}

/** What happened between the entries and the change. */
const BETWEEN: Record<string, (pair: Pair) => Promise<void>> = {
  nothing: async () => undefined,
  'snapshot of V1': async ({ world }) => {
    await world.pool.createSnapshots([{ vlun: 'V1', snapshot: 's' }]);
  },
  'snapshot of V2 (P13)': async ({ world }) => {
    await world.pool.createSnapshots([{ vlun: 'V2', snapshot: 's' }]);
  },
  'snapshots of V2 and V3 (P13)': async ({ world }) => {
    await world.pool.createSnapshots([{ vlun: 'V2', snapshot: 's' }]);
    await world.pool.createSnapshots([{ vlun: 'V3', snapshot: 's' }]);
  },
  'a restart': ({ world }) => killAndReopen(world),
};

describe('P3, P4, P5, P7, P10, P11: every combination of entries', () => {
  for (const [change, doIt] of Object.entries(CHANGES)) {
    for (const target of ['V1', 'V2', 'V3']) {
      test.each(Object.keys(BETWEEN))(`${change} on ${target}, before it: %s`, async (between) => {
        const pair = await Pair.create(COMBINATIONS.length * STRIDE_SECTORS * SECTOR_BYTES);
        await onEvery(({ V1 }) => ENTRIES[V1], pair, 'V1');
        await pair.preserve('V1', 'V2');
        await pair.preserve('V2', 'V3');
        await onEvery(({ V2 }) => ENTRIES[V2], pair, 'V2');
        await onEvery(({ V3 }) => ENTRIES[V3], pair, 'V3');
        await BETWEEN[between]?.(pair);
        await pair.expectEqual('before');
        await onEvery(() => doIt, pair, target);
        await pair.expectEqual('after');
      });
    }
  }
});

describe('the rules one by one', () => {
  test('P1: commands under way when preserve takes effect end well, and V2 follows them (P9)', async () => {
    const pair = await Pair.create();
    const running: Array<Promise<void>> = [];
    for (let i = 0; i < 16; i += 1) running.push(pair.write('V1', range(i * 8, 8)));
    const preserved = pair.preserve('V1', 'V2');
    for (let i = 0; i < 16; i += 1) running.push(pair.write('V1', range(i * 8 + 1, 2)));
    await preserved;
    await Promise.all(running);
    await pair.expectEqual('after all');
  });

  test('P2: nothing is copied; the new table is empty', async () => {
    const pair = await Pair.create();
    for (let i = 0; i < 16; i += 1) await pair.write('V1', range(i * 8, 8));
    const before = pair.world.pool.status().usedBytes;
    await pair.preserve('V1', 'V2');
    expect(pair.world.pool.status().usedBytes).toBe(before);
    expect((await pair.world.pool.usageOf('V2')).exclusiveBytes).toBe(0);
  });

  test('P4: a write to V2 makes an entry there, and V1 never sees it', async () => {
    const pair = await Pair.create();
    await pair.write('V1');
    const before = await readBytes(pair.device('V1'), 0, SECTORS);
    await pair.preserve('V1', 'V2');
    await pair.write('V2');
    expect((await pair.world.pool.usageOf('V2')).exclusiveBytes).toBe(4096);
    expect(await readBytes(pair.device('V1'), 0, SECTORS)).toEqual(before);
    await pair.expectEqual('V2 reads its own');
  });

  test('P5: a whole write to V1 deletes the entry in every table below (P10)', async () => {
    const pair = await Pair.create();
    await pair.preserve('V1', 'V2');
    await pair.preserve('V2', 'V3');
    await pair.preserve('V1', 'V4');
    for (const name of ['V2', 'V3', 'V4']) await pair.write(name);
    for (const name of ['V3', 'V4']) expect((await pair.world.pool.usageOf(name)).exclusiveBytes).toBe(4096);
    await pair.write('V1');
    for (const name of ['V2', 'V3', 'V4'])
      expect((await pair.world.pool.usageOf(name)).exclusiveBytes).toBe(0);
    expect(pair.world.pool.status().usedBytes).toBe(4096);
    await pair.expectEqual('all follow V1');
  });

  test('P11: a part written to V1 keeps the entry of V2 and puts the sectors into it', async () => {
    const pair = await Pair.create();
    await pair.preserve('V1', 'V2');
    await pair.write('V2');
    await pair.write('V1', PART);
    expect((await pair.world.pool.usageOf('V2')).exclusiveBytes).toBe(4096);
    await pair.expectEqual('merged');
  });

  test('P12: a released VLUN keeps what it reads and follows no more', async () => {
    const pair = await Pair.create();
    await pair.write('V1', range(0, 32));
    await pair.preserve('V1', 'V2');
    await pair.preserve('V2', 'V3');
    await pair.write('V2', PART);
    await pair.write('V3', range(0, 3));
    await pair.world.pool.release({ name: 'V2' });
    pair.vlun('V2').release();
    expect(pair.world.pool.info('V2')?.tracks).toBeUndefined();
    await pair.expectEqual('at once');
    await pair.write('V1', range(0, 32));
    await pair.write('V1', range(40, 3));
    await pair.expectEqual('V2 and V3 do not follow V1');
    await pair.write('V2', range(1, 6));
    await pair.expectEqual('V3 follows V2');
  });

  test('P12: a part written to V1 under way when V2 is released does not reach V2', async () => {
    const pair = await Pair.create();
    await pair.preserve('V1', 'V2');
    await pair.write('V2');
    const before = await readBytes(pair.device('V2'), 0, SECTORS);
    const released = pair.world.pool.release({ name: 'V2' });
    const written = pair
      .device('V1')
      .write(PART, new Uint8Array(PART.blocks * SECTOR_BYTES).fill(0x77), NO_FUA);
    await released;
    const at = await readBytes(pair.device('V2'), 0, SECTORS);
    await written;
    expect(await readBytes(pair.device('V2'), 0, SECTORS)).toEqual(at);
    expect([before, at].some((one) => one.join() === at.join())).toBe(true);
  });

  test('P5, P7, P13: an UNMAP on V1 hides what only the frozen base of V2 holds', async () => {
    const pair = await Pair.create();
    await pair.preserve('V1', 'V2');
    await pair.preserve('V2', 'V3');
    await pair.write('V2');
    await pair.write('V3', range(FIRST + 24, 8));
    await pair.world.pool.createSnapshots([{ vlun: 'V3', snapshot: 's' }]);
    await pair.unmap('V1');
    await pair.unmap('V1', range(FIRST + 26, 2));
    await pair.expectEqual('unmapped');
    await killAndReopen(pair.world);
    await pair.expectEqual('after a restart');
  });

  test('P13: a snapshot of V2 holds what V2 read; V2 then reads its own, then newer of V1, then the base', async () => {
    const pair = await Pair.create();
    await pair.write('V1', range(0, 64));
    await pair.preserve('V1', 'V2');
    await pair.write('V2', range(8, 16));
    const at = pair.vlun('V2').read();
    await pair.world.pool.createSnapshots([{ vlun: 'V2', snapshot: 's' }]);
    await pair.write('V1', range(8, 8));
    await pair.write('V1', range(33, 2));
    await pair.write('V2', range(34, 1));
    await pair.expectEqual('after the snapshot');
    expect(await readBytes(pair.world.pool.snapshotUnit('V2', 's').device, 0, SECTORS)).toEqual(at);
    await pair.world.pool.clone({ vlun: 'V2', snapshot: 's', newName: 'C' });
    expect(await readBytes(pair.device('C'), 0, SECTORS)).toEqual(at);
    await killAndReopen(pair.world);
    await pair.expectEqual('after a restart');
    expect(await readBytes(pair.device('C'), 0, SECTORS)).toEqual(at);
  });

  test('P14: deleting a tracked VLUN releases its trackers first', async () => {
    const pair = await Pair.create();
    await pair.write('V1', range(0, 64));
    await pair.preserve('V1', 'V2');
    await pair.preserve('V1', 'V3');
    await pair.write('V2', range(3, 9));
    await pair.world.pool.deleteVlun({ name: 'V1' });
    for (const name of ['V2', 'V3']) pair.vlun(name).release();
    pair.plain.delete('V1');
    await pair.expectEqual('they keep what they read');
    expect(pair.world.pool.info('V2')?.tracks).toBeUndefined();
  });

  test('P15: past the end of what it tracks a VLUN reads zeroes', async () => {
    const pair = await Pair.create();
    await pair.write('V1', range(0, SECTORS));
    await pair.preserve('V1', 'V2');
    await pair.world.pool.resizeVlun({ name: 'V2', sizeBytes: SIZE_BYTES * 2 });
    pair.vlun('V2').resize(SECTORS * 2);
    await pair.expectEqual('grown');
    await pair.world.pool.resizeVlun({ name: 'V1', sizeBytes: SIZE_BYTES / 2 - 512, shrink: true });
    pair.vlun('V1').resize(SECTORS / 2 - 1);
    await pair.expectEqual('V1 shrunk');
  });

  test('P12, P15: a VLUN smaller than what it followed shows nothing of that when it grows', async () => {
    const pair = await Pair.create();
    await pair.preserve('V1', 'V2');
    await pair.world.pool.resizeVlun({ name: 'V2', sizeBytes: SIZE_BYTES / 2, shrink: true });
    pair.vlun('V2').resize(SECTORS / 2);
    await pair.write('V1', range(0, SECTORS));
    await pair.world.pool.createSnapshots([{ vlun: 'V2', snapshot: 's' }]);
    await pair.world.pool.clone({ vlun: 'V2', snapshot: 's', newName: 'C' });
    const cloned = new PlainVlun('C', SECTORS / 2);
    cloned.write(0, pair.vlun('V2').read());
    pair.plain.set('C', cloned);
    await pair.world.pool.release({ name: 'V2' });
    pair.vlun('V2').release();
    for (const name of ['V2', 'C']) {
      await pair.world.pool.resizeVlun({ name, sizeBytes: SIZE_BYTES });
      pair.vlun(name).resize(SECTORS);
    }
    await pair.expectEqual('grown');
  });
});
