/**
 * Shows that a copy inside a pool takes whole blocks by reference and reads the rest, that both sides then go
 * their own ways, that a place is free only when nothing has it any more, and that all of it holds through a
 * crash. The oracle is a plain array of bytes for each VLUN; at the end of every case each is compared, and
 * the independent check counts the entries of every place.
 */
import { expect, test } from 'vitest';
import { copyBlocks } from '../../../lun/copy-blocks.ts';
import { MemoryDevice } from '../../../lun/memory-device.ts';
import { checkPool } from '../../../snapshot/check.ts';
import { openMemoryMedium } from '../../../snapshot/medium/memory.ts';
import type { PoolOptions } from '../../../snapshot/pool-types.ts';
import {
  killAndReopen,
  NO_FUA,
  newPool,
  type PoolWorld,
  range,
  readBytes,
  settle,
} from '../../support/pool-world.ts';
import { seededRandom } from '../../support/random.ts';

const BLOCK = 4096;
const SECTOR = 512;
const SIZE_BYTES = 4 << 20;

/** A pool, and what each of its VLUNs holds. */
class Twin {
  readonly contents = new Map<string, Uint8Array>();
  readonly world: PoolWorld;
  #seed = 0;

  constructor(world: PoolWorld) {
    this.world = world;
  }

  device(name: string): ReturnType<PoolWorld['pool']['unit']>['device'] {
    return this.world.pool.unit(name).device;
  }

  async disk(name: string, blockBytes: 512 | 4096 = 512): Promise<void> {
    await this.world.pool.createVlun({ name, sizeBytes: SIZE_BYTES, blockBytes });
    this.contents.set(name, new Uint8Array(SIZE_BYTES));
  }

  /** Bytes that nothing else wrote. */
  async write(name: string, offset: number, bytes: number): Promise<void> {
    this.#seed += 1;
    const random = seededRandom(this.#seed);
    const contents = random.bytes(bytes);
    this.bytesOf(name).set(contents, offset);
    await this.device(name).write(this.range(name, offset, bytes), contents, NO_FUA);
  }

  async copy(
    from: readonly [name: string, offset: number],
    to: readonly [name: string, offset: number],
    bytes: number,
  ): Promise<void> {
    const [source, sourceOffset] = from;
    const [name, offset] = to;
    this.bytesOf(name).set(this.bytesOf(source).slice(sourceOffset, sourceOffset + bytes), offset);
    await copyBlocks(
      { device: this.device(name), range: this.range(name, offset, bytes) },
      { device: this.device(source), range: this.range(source, sourceOffset, bytes) },
      NO_FUA,
    );
  }

  bytesOf(name: string): Uint8Array {
    return this.contents.get(name) as Uint8Array;
  }

  range(name: string, offset: number, bytes: number): ReturnType<typeof range> {
    const { blockBytes } = this.device(name).geometry;
    return range(offset / blockBytes, bytes / blockBytes);
  }

  get usedBlocks(): number {
    return this.world.pool.status().usedBytes / BLOCK;
  }

  async compare(): Promise<void> {
    for (const [name, expected] of this.contents) {
      const device = this.device(name);
      const found = await readBytes(device, 0, device.geometry.capacityBlocks);
      expect(Buffer.compare(found, expected), name).toBe(0);
    }
  }

  async end(): Promise<void> {
    await this.compare();
    await killAndReopen(this.world);
    await this.compare();
    await this.world.pool.close();
    const { environment, store } = this.world;
    const checksum = (bytes: Uint8Array): number => environment.checksum(bytes);
    const report = await checkPool(openMemoryMedium(store), { checksum, data: true });
    expect(report.errors).toEqual([]);
  }
}

async function begin(options: Partial<PoolOptions> = {}): Promise<Twin> {
  const twin = new Twin(await newPool({ discardBlocksMin: 1, ...options }));
  await twin.disk('a');
  return twin;
}

test('whole blocks are shared: nothing is stored, and either side may be written to', async () => {
  const twin = await begin();
  await twin.disk('b');
  await twin.write('a', 0, 300 * BLOCK);
  await twin.copy(['a', 10 * BLOCK], ['b', 20 * BLOCK], 290 * BLOCK);
  expect(twin.usedBlocks).toBe(300);
  await twin.write('a', 15 * BLOCK, BLOCK);
  await twin.write('b', 40 * BLOCK, 3 * SECTOR);
  expect(twin.usedBlocks).toBe(302);
  await twin.end();
});

test('a block copied many times within one VLUN is free when the last copy has gone', async () => {
  const twin = await begin();
  await twin.write('a', 0, BLOCK);
  for (let i = 1; i < 40; i += 1) await twin.copy(['a', 0], ['a', i * BLOCK], BLOCK);
  expect(twin.usedBlocks).toBe(1);
  await twin.world.pool.checkpoint();
  await twin.device('a').unmap([twin.range('a', 0, 39 * BLOCK)], NO_FUA);
  twin.bytesOf('a').fill(0, 0, 39 * BLOCK);
  expect(twin.usedBlocks).toBe(1);
  await twin.write('a', 39 * BLOCK, BLOCK);
  expect(twin.usedBlocks).toBe(1);
  expect(twin.world.pool.status().reclaimableBytes).toBeLessThanOrEqual(40 * BLOCK);
  await twin.end();
});

test('parts of blocks are read and written, and ranges that lie otherwise in their blocks are too', async () => {
  const twin = await begin();
  await twin.write('a', 0, 64 * BLOCK);
  await twin.copy(['a', 3 * SECTOR], ['a', 100 * BLOCK + 3 * SECTOR], 20 * BLOCK);
  // Nineteen whole blocks are shared; the first and the last are parts.
  expect(twin.usedBlocks).toBe(66);
  await twin.copy(['a', 5 * SECTOR], ['a', 200 * BLOCK + SECTOR], 7 * BLOCK);
  expect(twin.usedBlocks).toBe(74);
  await twin.end();
});

test('zeroes are copied as holes, and a long way through nothing costs nothing', async () => {
  const twin = await begin();
  await twin.disk('b');
  await twin.write('b', 0, SIZE_BYTES);
  await twin.write('a', 600 * BLOCK, 2 * BLOCK);
  await twin.copy(['a', 0], ['b', 0], SIZE_BYTES);
  expect(twin.usedBlocks).toBe(2);
  await twin.end();
});

test('blocks of 512 bytes and of 4,096 may be copied to each other', async () => {
  const twin = await begin();
  await twin.disk('b', 4096);
  await twin.write('a', 0, 10 * BLOCK);
  await twin.copy(['a', BLOCK], ['b', 5 * BLOCK], 4 * BLOCK);
  await twin.copy(['b', 6 * BLOCK], ['a', 50 * BLOCK + SECTOR], BLOCK);
  expect(twin.usedBlocks).toBe(12);
  await twin.end();
});

test.each([
  ['forwards', 40 * BLOCK, 37 * BLOCK],
  ['backwards', 37 * BLOCK, 40 * BLOCK],
  ['onto itself', 37 * BLOCK, 37 * BLOCK],
  ['backwards by parts of blocks', 37 * BLOCK, 38 * BLOCK + SECTOR],
  ['forwards by parts of blocks', 37 * BLOCK + SECTOR, 36 * BLOCK],
])('a copy that overlaps itself is as if all had been read first: %s', async (_how, from, to) => {
  const twin = await begin();
  await twin.write('a', 0, 400 * BLOCK);
  await twin.copy(['a', from], ['a', to], 300 * BLOCK + 2 * SECTOR);
  await twin.end();
});

test('P4, P5, P7: copies onto a tracked VLUN and onto its tracker, and one through the other', async () => {
  const twin = await begin();
  const { pool } = twin.world;
  await twin.write('a', 0, 64 * BLOCK);
  await pool.preserve({ name: 'a', newName: 'side' });
  twin.contents.set('side', twin.bytesOf('a').slice());
  await twin.write('side', 0, 32 * BLOCK);
  const own = twin.bytesOf('side').slice(0, 32 * BLOCK);
  // Onto the tracker: `a` never sees it (P4).
  await twin.copy(['a', 40 * BLOCK], ['side', 10 * BLOCK], 4 * BLOCK);
  await twin.compare();
  // Onto the tracked one: whole blocks win on the tracker (P5), parts go into its own copy (P11).
  await twin.copy(['a', 50 * BLOCK], ['a', 2 * BLOCK + SECTOR], 3 * SECTOR);
  twin
    .bytesOf('side')
    .set(twin.bytesOf('a').subarray(50 * BLOCK, 50 * BLOCK + 3 * SECTOR), 2 * BLOCK + SECTOR);
  await twin.copy(['a', 60 * BLOCK], ['a', 20 * BLOCK], 4 * BLOCK);
  twin.bytesOf('side').set(twin.bytesOf('a').subarray(60 * BLOCK, 64 * BLOCK), 20 * BLOCK);
  await twin.compare();
  // What the tracker reads, shifted onto the tracked one: each block is taken before it is overwritten.
  await twin.copy(['side', 0], ['a', 3 * BLOCK], 16 * BLOCK);
  twin.bytesOf('side').set(twin.bytesOf('a').subarray(3 * BLOCK, 19 * BLOCK), 3 * BLOCK);
  expect(Buffer.compare(twin.bytesOf('a').subarray(3 * BLOCK, 4 * BLOCK), own.subarray(0, BLOCK))).toBe(0);
  await twin.end();
});

test('from a snapshot: it keeps what it has, and gives back only what nothing shares', async () => {
  const twin = await begin({ reclaimPauseMs: 0 });
  const { pool } = twin.world;
  await twin.disk('b');
  await twin.write('a', 0, 200 * BLOCK);
  await pool.createSnapshots([{ vlun: 'a', snapshot: 's' }]);
  const kept = twin.bytesOf('a').slice();
  await twin.write('a', 0, 200 * BLOCK);
  const from = { device: pool.snapshotUnit('a', 's').device, range: range(0, 100 * 8) };
  await copyBlocks({ device: twin.device('b'), range: range(50 * 8, 100 * 8) }, from, NO_FUA);
  twin.bytesOf('b').set(kept.subarray(0, 100 * BLOCK), 50 * BLOCK);
  expect(twin.usedBlocks).toBe(400);
  await pool.deleteSnapshot({ vlun: 'a', snapshot: 's' });
  await settle(200);
  expect(twin.usedBlocks).toBe(300);
  await pool.deleteVlun({ name: 'b' });
  twin.contents.delete('b');
  await settle(200);
  expect(twin.usedBlocks).toBe(200);
  await twin.end();
});

test('counts are paged: they are found again after checkpoints and openings', async () => {
  const twin = await begin({ tableCacheBytes: 0 });
  await twin.disk('b');
  await twin.write('a', 0, SIZE_BYTES);
  await twin.copy(['a', 0], ['b', 0], SIZE_BYTES);
  await twin.world.pool.checkpoint();
  await killAndReopen(twin.world, { tableCacheBytes: 0 });
  await twin.copy(['b', 0], ['b', SIZE_BYTES / 2], SIZE_BYTES / 2);
  await twin.world.pool.checkpoint();
  await killAndReopen(twin.world, { tableCacheBytes: 0 });
  await twin.write('a', 0, SIZE_BYTES);
  await killAndReopen(twin.world, { tableCacheBytes: 0 });
  // `b` has the first half of what `a` had, twice.
  expect(twin.usedBlocks).toBe((SIZE_BYTES / BLOCK) * 1.5);
  await twin.end();
});

test.each([
  ['empty', 0, 2],
  ['written, and tracked', 1, 0],
  ['written, and its pages begin elsewhere', 1, 3],
])(
  'whole pages go their own ways once either side changes; the destination is %s',
  async (_how, written, from) => {
    const twin = await begin();
    const { pool } = twin.world;
    await twin.disk('b');
    await twin.write('a', 0, SIZE_BYTES);
    if (written > 0) {
      await pool.preserve({ name: 'b', newName: 'side' });
      await twin.write('b', 0, SIZE_BYTES / 2);
      twin.contents.set('side', twin.bytesOf('b').slice());
      await twin.write('side', 10 * BLOCK, SIZE_BYTES / 2);
    }
    const first = from * 128 * BLOCK;
    const bytes = SIZE_BYTES - first;
    const copy = async (): Promise<void> => {
      await twin.copy(['a', first], ['b', 256 * BLOCK], Math.min(bytes, SIZE_BYTES - 256 * BLOCK));
      const copied = twin.bytesOf('b').subarray(256 * BLOCK, 256 * BLOCK + bytes);
      twin.contents.get('side')?.set(copied, 256 * BLOCK);
    };
    await copy();
    await twin.compare();
    await twin.write('a', 300 * BLOCK, 5 * BLOCK);
    await twin.compare();
    await twin.world.pool.checkpoint();
    await twin.device('a').unmap([twin.range('a', 600 * BLOCK, 300 * BLOCK)], NO_FUA);
    twin.bytesOf('a').fill(0, 600 * BLOCK, 900 * BLOCK);
    await twin.compare();
    await copy();
    if (written > 0) await twin.write('side', 520 * BLOCK, 3 * SECTOR);
    await twin.end();
  },
);

test('two families copied to each other at once do not wait for each other for ever', async () => {
  const twin = await begin();
  await twin.disk('b');
  await twin.write('a', 0, 100 * BLOCK);
  await twin.write('b', 100 * BLOCK, 100 * BLOCK);
  await Promise.all([
    twin.copy(['a', 0], ['b', 0], 100 * BLOCK),
    twin.copy(['b', 100 * BLOCK], ['a', 100 * BLOCK], 100 * BLOCK),
    twin.copy(['a', 0], ['b', 300 * BLOCK], 100 * BLOCK),
  ]);
  await twin.end();
});

test('a device of another kind is read', async () => {
  const twin = await begin();
  const plain = new MemoryDevice({ blockBytes: 512, capacityBlocks: SIZE_BYTES / SECTOR });
  await twin.write('a', 0, 3 << 20);
  await copyBlocks(
    { device: plain, range: range(1, 5000) },
    { device: twin.device('a'), range: range(0, 5000) },
    NO_FUA,
  );
  const found = await readBytes(plain, 1, 5000);
  expect(Buffer.compare(found, twin.bytesOf('a').subarray(0, 5000 * SECTOR))).toBe(0);
  await copyBlocks(
    { device: twin.device('a'), range: range(8000, 64) },
    { device: plain, range: range(1, 64) },
    NO_FUA,
  );
  twin.bytesOf('a').copyWithin(8000 * SECTOR, 0, 64 * SECTOR);
  await twin.end();
});

test('where space is reserved nothing is shared, and what was shared before counts for no reservation', async () => {
  const twin = await begin();
  const { pool } = twin.world;
  await twin.disk('b');
  await twin.write('a', 0, 10 * BLOCK);
  await twin.copy(['a', 0], ['b', 0], 10 * BLOCK);
  await pool.setVlun({ name: 'b', reservedBytes: 20 * BLOCK });
  const working = 4096 * BLOCK;
  // An overwrite of what `a` has as well frees nothing: all of it is kept, though ten blocks are stored.
  expect(pool.status().reservedBytes).toBe(20 * BLOCK + working);
  const before = twin.usedBlocks;
  await twin.copy(['a', 0], ['b', 512 * BLOCK], 5 * BLOCK);
  expect(twin.usedBlocks).toBe(before + 5);
  await twin.write('b', 0, 10 * BLOCK);
  expect(pool.status().reservedBytes).toBe(5 * BLOCK + working);
  await pool.setVlun({ name: 'b', reservedBytes: 0 });
  await twin.copy(['a', 0], ['b', 600 * BLOCK], 5 * BLOCK);
  expect(twin.usedBlocks).toBe(before + 15);
  await twin.end();
});

test('a copy ends when its source is deleted meanwhile, and never with what came there later', async () => {
  const twin = await begin({ reclaimPauseMs: 0 });
  const { pool } = twin.world;
  await twin.disk('b');
  await twin.write('b', 0, SIZE_BYTES);
  await twin.write('a', SECTOR, 2 << 20);
  await pool.createSnapshots([{ vlun: 'a', snapshot: 's' }]);
  const from = { device: pool.snapshotUnit('a', 's').device, range: range(0, SIZE_BYTES / SECTOR - 8) };
  const copyTo = (lba: number): Promise<void> =>
    copyBlocks({ device: twin.device('b'), range: range(lba, from.range.blocks) }, from, NO_FUA);
  const copying = copyTo(0);
  await pool.deleteSnapshot({ vlun: 'a', snapshot: 's' });
  await expect(copying).rejects.toMatchObject({ code: 'CLOSED' });
  await settle(200);
  // Nothing is stored for it any more: to its tables it would read as zeroes.
  await expect(copyTo(0)).rejects.toMatchObject({ code: 'CLOSED' });
  await expect(copyTo(1)).rejects.toMatchObject({ code: 'CLOSED' });
  const found = await readBytes(twin.device('b'), 0, SIZE_BYTES / SECTOR);
  const [before, source] = [twin.bytesOf('b'), twin.bytesOf('a')];
  for (let at = 0; at < SIZE_BYTES; at += BLOCK) {
    const block = found.subarray(at, at + BLOCK);
    const known = [before, source].some(
      (bytes) => Buffer.compare(block, bytes.subarray(at, at + BLOCK)) === 0,
    );
    expect(known, `block ${at / BLOCK}`).toBe(true);
  }
  twin.contents.set('b', found);
  await twin.end();
});
