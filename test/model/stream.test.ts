// Export and import: what arrives is what was there, block for block; what is cut off, damaged, out of
// order or of another base changes nothing; and doing it again does nothing.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { exportStream } from '../../snapshot/stream-export.ts';
import { CHUNK_HEADER_BYTES, ChunkWriter, type StreamTools } from '../../snapshot/stream-format.ts';
import type { StreamHead } from '../../snapshot/stream-head.ts';
import { type Imported, importStream } from '../../snapshot/stream-import.ts';
import { fill, killAndReopen, newPool, type PoolWorld, range, readBytes } from '../support/pool-world.ts';
import { seededRandom } from '../support/random.ts';

const BLOCKS = 700;
const SECTORS = BLOCKS * 8 + 3;

function toolsOf({ environment }: PoolWorld): StreamTools {
  return {
    checksum: (bytes) => environment.checksum(bytes),
    newDigest: () => {
      const hash = createHash('sha256');
      return { update: (bytes) => void hash.update(bytes), finish: () => hash.digest('hex') };
    },
  };
}

async function exported(
  world: PoolWorld,
  vlun: string,
  snapshot: string,
  from?: string,
): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  const request = { vlun, snapshot, ...(from !== undefined && { from }) };
  for await (const chunk of exportStream(world.pool, request, toolsOf(world))) chunks.push(chunk);
  return chunks;
}

async function* asStream(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

function imports(
  world: PoolWorld,
  name: string,
  chunks: readonly Uint8Array[],
  pieceBytes = 60_000,
): Promise<Imported> {
  const stream = asStream(Buffer.concat(chunks), pieceBytes);
  return importStream(world.pool, { name, documents: () => undefined }, stream, toolsOf(world));
}

/** A VLUN with three snapshots, random contents, growing on the way. */
async function source(seed: number): Promise<PoolWorld> {
  const random = seededRandom(seed);
  const world = await newPool();
  await world.pool.createVlun({ name: 'V', sizeBytes: SECTORS * 512 });
  for (const snapshot of ['a', 'b', 'c']) {
    const { device } = world.pool.unit('V');
    for (let i = 0; i < 15; i += 1) {
      const at = range(random.below(SECTORS - 300), random.between(1, 300));
      if (random.chance(0.3)) await device.unmap([at], { fua: false });
      else await fill(device, at, random.between(1, 255));
    }
    await fill(device, range(SECTORS - 3, 3), random.between(1, 255));
    await world.pool.createSnapshots([{ vlun: 'V', snapshot }]);
    if (snapshot === 'b') await world.pool.resizeVlun({ name: 'V', sizeBytes: (SECTORS + 100) * 512 });
  }
  return world;
}

async function expectSame(from: PoolWorld, to: PoolWorld, vlun: string, snapshot: string): Promise<void> {
  const a = from.pool.snapshotUnit('V', snapshot).device;
  const b = to.pool.snapshotUnit(vlun, snapshot).device;
  expect(b.geometry).toEqual(a.geometry);
  const { capacityBlocks } = a.geometry;
  expect(Buffer.compare(await readBytes(a, 0, capacityBlocks), await readBytes(b, 0, capacityBlocks))).toBe(
    0,
  );
}

for (let seed = 1; seed <= 4; seed += 1) {
  test(`seed ${seed}: a full stream and two incremental ones`, async () => {
    const from = await source(seed);
    const to = await newPool();
    await imports(to, 'copy', await exported(from, 'V', 'a'), 7);
    await imports(to, 'copy', await exported(from, 'V', 'b', 'a'));
    const { repeated } = await imports(to, 'copy', await exported(from, 'V', 'c', 'b'), 1 << 20);
    expect(repeated).toBe(false);
    for (const snapshot of ['a', 'b', 'c']) await expectSame(from, to, 'copy', snapshot);
    expect(to.pool.list().map(({ name }) => name)).toEqual(['copy']);
    const live = await readBytes(to.pool.unit('copy').device, 0, 100);
    expect(live).toEqual(await readBytes(to.pool.snapshotUnit('copy', 'c').device, 0, 100));
    await killAndReopen(to);
    for (const snapshot of ['a', 'b', 'c']) await expectSame(from, to, 'copy', snapshot);
    const third = await newPool();
    await imports(third, 'far', await exported(to, 'copy', 'b'));
    await imports(third, 'far', await exported(from, 'V', 'c', 'b'));
    await expectSame(from, third, 'far', 'c');
  });
}

test('again is nothing; over what changed, of another base or onto another LUN is refused', async () => {
  const from = await source(9);
  const to = await newPool();
  const [full, next] = [await exported(from, 'V', 'a'), await exported(from, 'V', 'c', 'a')];
  await expect(imports(to, 'copy', next)).rejects.toThrow(/no VLUN 'copy'.*import that first/);
  await imports(to, 'copy', full);
  expect((await imports(to, 'copy', full)).repeated).toBe(true);
  await expect(imports(to, 'copy', await exported(from, 'V', 'b'))).rejects.toThrow(/VLUN 'copy' already/);
  await to.pool.createVlun({ name: 'other', sizeBytes: 1 << 20 });
  await expect(imports(to, 'other', next)).rejects.toThrow(/a snapshot 'a' that 'other' does not have/);
  await fill(to.pool.unit('copy').device, range(8, 1), 1);
  await expect(imports(to, 'copy', next)).rejects.toThrow(/not at copy@a any more/);
  await to.pool.rollback({ vlun: 'copy', snapshot: 'a' });
  await imports(to, 'copy', next);
  expect((await imports(to, 'copy', next)).repeated).toBe(true);
  await expectSame(from, to, 'copy', 'c');
  await expect(exported(from, 'V', 'a', 'a')).rejects.toThrow(/from itself/);
});

test('a write that comes while the stream is taken in is not lost', async () => {
  const from = await source(3);
  const to = await newPool();
  await imports(to, 'copy', await exported(from, 'V', 'a'));
  const bytes = Buffer.concat(await exported(from, 'V', 'b', 'a'));
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, bytes.byteLength - 10);
    await fill(to.pool.unit('copy').device, range(0, 8), 0x5a);
    yield bytes.subarray(bytes.byteLength - 10);
  }
  const request = { name: 'copy', documents: () => undefined };
  await expect(importStream(to.pool, request, stream(), toolsOf(to))).rejects.toThrow(/not at copy@a/);
  expect((await readBytes(to.pool.unit('copy').device, 0, 1))[0]).toBe(0x5a);
});

test('what is cut off, damaged, out of order or continued changes nothing', async () => {
  const from = await source(5);
  const to = await newPool();
  const random = seededRandom(5);
  const full = await exported(from, 'V', 'a');
  const whole = Buffer.concat(full);
  const bad: Uint8Array[][] = [
    [...full, Uint8Array.of(0)],
    [full[0] as Uint8Array, ...full.slice(2)],
    full.slice(1),
    [],
  ];
  bad.push([...full.slice(0, 1), full[2] as Uint8Array, full[1] as Uint8Array, ...full.slice(3)]);
  bad.push([...full.slice(0, 2), ...full.slice(1)]);
  for (let at = 1; at <= full.length; at += 1) bad.push(full.slice(0, at - 1));
  for (let i = 0; i < 25; i += 1) {
    bad.push([whole.subarray(0, random.below(whole.byteLength))]);
    const flipped = Buffer.from(whole);
    const at = i < 12 ? random.below(CHUNK_HEADER_BYTES * 3) : random.below(whole.byteLength);
    flipped[at] = (flipped[at] as number) ^ (1 << random.below(8));
    bad.push([flipped]);
  }
  for (const stream of bad) {
    await expect(imports(to, 'copy', stream)).rejects.toThrow(
      /^the stream cannot be imported: .*nothing was changed$/,
    );
    expect(to.pool.list()).toEqual([]);
  }
  await to.environment.advance(60_000);
  expect(to.pool.status()).toMatchObject({ usedBytes: 0, images: 0 });
  await imports(to, 'copy', full);
});

test('a death in the middle leaves nothing behind', async () => {
  const from = await source(6);
  const to = await newPool();
  const bytes = Buffer.concat(await exported(from, 'V', 'a'));
  let arrived = (): void => undefined;
  const half = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, bytes.byteLength / 2);
    arrived();
    await new Promise(() => undefined);
  }
  void importStream(to.pool, { name: 'copy', documents: () => undefined }, stream(), toolsOf(to));
  await half;
  expect(to.pool.status().usedBytes).toBeGreaterThan(0);
  await killAndReopen(to);
  await to.environment.advance(60_000);
  expect(to.pool.status()).toMatchObject({ usedBytes: 0, images: 0 });
  expect(to.pool.list()).toEqual([]);
});

test('a stream whose sums are right and whose words make no sense changes nothing', async () => {
  const to = await newPool();
  await to.pool.createVlun({ name: 'copy', sizeBytes: 1 << 20 });
  const identity = '0123456789abcdef0123456789abcdef';
  const head = { vlun: 'V', snapshot: 'a', identity, sizeBytes: 4096, blockBytes: 512, createdAtMs: 0 };
  const heads: readonly unknown[] = [
    null,
    7,
    [],
    { ...head, sizeBytes: 4097 },
    { ...head, sizeBytes: -4096 },
    { ...head, sizeBytes: 2 ** 60 },
    { ...head, blockBytes: 1024 },
    { ...head, identity: 'x' },
    { ...head, identity: identity.repeat(1000) },
    { ...head, snapshot: 'a@b' },
    { ...head, snapshot: '' },
    { ...head, vlun: 5 },
    { ...head, createdAtMs: 9e15 },
    { ...head, createdAtMs: -1 },
    { ...head, from: 'monday' },
    { ...head, from: null },
    { ...head, from: { snapshot: 5, identity } },
    { ...head, from: { snapshot: 'z', identity: [] } },
  ];
  for (const wrong of heads) {
    const writer = new ChunkWriter(toolsOf(to));
    const chunks = [writer.head(wrong as StreamHead), writer.end()];
    for (const name of ['new', 'copy']) {
      const outcome = imports(to, name, chunks);
      await expect(outcome, JSON.stringify(wrong)).rejects.toThrow(/^the stream cannot be imported: .*head/);
    }
  }
  const { blockBytes: _absent, ...short } = head;
  await expect(imports(to, 'new', [new ChunkWriter(toolsOf(to)).head(short as StreamHead)])).rejects.toThrow(
    /its head makes no sense/,
  );
  expect(to.pool.list().map(({ name }) => name)).toEqual(['copy']);
  expect(to.pool.snapshots()).toEqual([]);
});

test('the end of a stream that makes no sense is damage', async () => {
  const to = await newPool();
  const from = await source(2);
  const full = await exported(from, 'V', 'a');
  class Odd extends ChunkWriter {
    override end(): Uint8Array {
      return this.zero(0, 0);
    }
  }
  const writer = new Odd(toolsOf(to));
  const head = { vlun: 'V', snapshot: 'a', identity: '0'.repeat(32), createdAtMs: 0 };
  const chunks = [writer.head({ ...head, sizeBytes: 4096, blockBytes: 512 }), writer.zero(2 ** 53, 512)];
  await expect(imports(to, 'copy', [...chunks, writer.end()])).rejects.toThrow(/outside the disk/);
  await imports(to, 'copy', full);
});
