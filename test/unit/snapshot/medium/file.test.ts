/** The embedded medium keeps the contract on a real file system; and what files alone can show. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { createFilePool, openFileMedium } from '../../../../snapshot/medium/file.ts';
import {
  blockOf,
  CONTRACT_CAPACITY_BLOCKS,
  CONTRACT_SEGMENT_BYTES,
  filled,
  mediumContract,
  readRun,
  segmentsOf,
} from '../../../support/medium-contract.ts';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'snaplun-medium-'));
afterAll(() => fs.rmSync(root, { recursive: true }));

const TMPFS_MAGIC = 0x01021994;
const FORM = { capacityBlocks: CONTRACT_CAPACITY_BLOCKS, journalSegmentBytes: CONTRACT_SEGMENT_BYTES };

async function newPool(): Promise<string> {
  const directory = fs.mkdtempSync(path.join(root, 'pool-'));
  await createFilePool(directory, FORM);
  return directory;
}

mediumContract('file', async () => {
  const directory = await newPool();
  return () => openFileMedium(directory, { nowMs: () => performance.now() });
});

describe.skipIf(process.platform !== 'linux')('on Linux', () => {
  test('cached data and small writes complete at once; the rest is left to threads', async () => {
    const medium = await openFileMedium(await newPool());
    expect(medium.data.write([{ place: 0, bytes: blockOf(1, 64) }])).toBeUndefined();
    const large = medium.data.write([{ place: 64, bytes: blockOf(2, 256) }]);
    expect(large).toBeInstanceOf(Promise);
    // A thread may hold the file's lock in the kernel, so nobody waits for it on the loop.
    const behind = medium.data.write([{ place: 500, bytes: blockOf(3) }]);
    expect(behind).toBeInstanceOf(Promise);
    await Promise.all([large, behind]);
    const onLoop = vi.spyOn(fs, 'writeSync');
    const discard = medium.data.discard(500, 1);
    const beside = medium.data.write([{ place: 502, bytes: blockOf(5) }]);
    expect(onLoop).not.toHaveBeenCalled();
    await Promise.all([discard, beside]);
    onLoop.mockRestore();
    expect(medium.data.write([{ place: 501, bytes: blockOf(4) }])).toBeUndefined();
    // A file system in memory alone does not say what is cached.
    if (fs.statfsSync(root).type !== TMPFS_MAGIC) {
      expect(medium.data.read(0, blockOf(0))).toBeUndefined();
      expect(medium.data.read(300, blockOf(0, 128))).toBeInstanceOf(Promise);
    }
    await medium.close();
  });

  test('what was dropped from the cache is read from the disk', async () => {
    const medium = await openFileMedium(await newPool());
    await medium.data.write([{ place: 0, bytes: blockOf(1, 4000) }]);
    for (let place = 0; place < 4000; place += 37) {
      await medium.data.write([{ place, bytes: blockOf((place % 251) + 2) }]);
    }
    await medium.dropCaches();
    for (let place = 3996; place >= 0; place -= 37) {
      expect(Buffer.compare(await readRun(medium, place, 1), blockOf((place % 251) + 2))).toBe(0);
    }
    await medium.close();
  });

  test('a run of which only the begin is cached is read whole', async () => {
    const medium = await openFileMedium(await newPool());
    await medium.data.write([{ place: 0, bytes: blockOf(1, 2048) }]);
    await medium.data.write([{ place: 2000, bytes: blockOf(2, 48) }]);
    await medium.dropCaches();
    await readRun(medium, 0, 1);
    const run = await readRun(medium, 0, 2048);
    expect(Buffer.compare(run.subarray(0, 2000 * 4096), blockOf(1, 2000))).toBe(0);
    expect(Buffer.compare(run.subarray(2000 * 4096), blockOf(2, 48))).toBe(0);
    await medium.close();
  });

  test('space that is prepared is taken after the next flush, and reads as before', async () => {
    const directory = await newPool();
    const stored = (): number => fs.statSync(path.join(directory, 'data')).blocks * 512;
    const medium = await openFileMedium(directory);
    await medium.data.write([{ place: 300, bytes: blockOf(1) }]);
    medium.data.prepare?.(256, 1024);
    expect(stored()).toBeLessThan(64 * 4096);
    await medium.data.flush();
    // Closing waits for it.
    await medium.close();
    expect(stored()).toBeGreaterThanOrEqual(1024 * 4096);
    const again = await openFileMedium(directory);
    expect(Buffer.compare(await readRun(again, 300, 1), blockOf(1))).toBe(0);
    expect(Buffer.compare(await readRun(again, 301, 900), blockOf(0, 900))).toBe(0);
    await again.close();
  });

  test('discard gives the space back', async () => {
    const directory = await newPool();
    const stored = (): number => fs.statSync(path.join(directory, 'data')).blocks * 512;
    const medium = await openFileMedium(directory);
    await medium.data.write([{ place: 0, bytes: blockOf(1, 1024) }]);
    await medium.data.flush();
    const before = stored();
    await medium.data.discard(256, 512);
    await medium.data.flush();
    expect(before - stored()).toBeGreaterThanOrEqual(500 * 4096);
    await medium.close();
  });
});

test('appends of every size follow each other without a gap, and the last pages end in zeroes', async () => {
  const directory = await newPool();
  const medium = await openFileMedium(directory);
  const appends = [1, 4095, 4096, 4097, 8192, 1, 4094, 1, 1, 3 * 4096 + 5, 20_000, 7];
  const expected: Uint8Array[] = [];
  for (const [index, bytes] of appends.entries()) {
    const append = filled(bytes, index + 1);
    expected.push(append);
    await medium.journal.append(append);
  }
  const { segment } = medium.journal;
  await medium.journal.flush();
  await medium.close();
  const again = await openFileMedium(directory);
  const found = (await segmentsOf(again)).find(({ number }) => number === segment);
  const whole = Buffer.concat(expected);
  expect(whole.equals(found?.bytes.subarray(0, whole.byteLength) ?? new Uint8Array(0))).toBe(true);
  const rest = found?.bytes.subarray(whole.byteLength);
  expect(rest?.byteLength).toBeGreaterThan(0);
  expect(rest?.every((byte) => byte === 0)).toBe(true);
  await again.close();
});

test('journal files are used again: their number stays, and old bytes may follow new ones', async () => {
  const directory = await newPool();
  const files = (): number => fs.readdirSync(path.join(directory, 'journal')).length;
  const medium = await openFileMedium(directory);
  for (let i = 0; i < 40; i += 1) {
    await medium.journal.append(filled(medium.journal.appendBytesMax, 0xee));
    await medium.journal.dropBefore(medium.journal.segment);
    expect(files()).toBeLessThanOrEqual(5);
  }
  await medium.journal.beginSegment();
  await medium.journal.append(filled(100, 0x11));
  const { segment } = medium.journal;
  await medium.journal.flush();
  await medium.close();
  const again = await openFileMedium(directory);
  const found = (await segmentsOf(again)).find(({ number }) => number === segment);
  expect(found?.bytes.subarray(0, 100).every((byte) => byte === 0x11)).toBe(true);
  // An append fills up the page it ends in with zeroes; what follows is old.
  expect(found?.bytes.subarray(100, 4096).every((byte) => byte === 0)).toBe(true);
  expect(found?.bytes.subarray(4096).every((byte) => byte === 0xee)).toBe(true);
  await again.close();
});

test('files of dropped segments beyond the reserve are removed', async () => {
  const directory = await newPool();
  const files = (): number => fs.readdirSync(path.join(directory, 'journal')).length;
  const medium = await openFileMedium(directory, { journalReserveSegments: 2 });
  for (let i = 0; i < 12; i += 1) await medium.journal.append(filled(medium.journal.appendBytesMax, 1));
  expect(files()).toBeGreaterThanOrEqual(12);
  await medium.journal.dropBefore(medium.journal.segment);
  expect(files()).toBeLessThanOrEqual(3);
  const last = medium.journal.segment;
  await medium.close();
  const again = await openFileMedium(directory, { journalReserveSegments: 2 });
  expect(again.journal.segment).toBeGreaterThan(last);
  await again.close();
});

test('closing waits for what is in flight, and frees the pool only then', async () => {
  const directory = await newPool();
  const medium = await openFileMedium(directory);
  const writes = [];
  for (let i = 0; i < 8; i += 1)
    writes.push(medium.data.write([{ place: i * 256, bytes: blockOf(i + 1, 256) }]));
  const appends = [medium.journal.append(filled(60_000, 1)), medium.journal.append(filled(60_000, 2))];
  const commit = medium.meta.commit([{ key: Uint8Array.of(1), value: filled(10, 1) }]);
  await medium.close();
  await Promise.all([...writes, ...appends, commit]);
  const again = await openFileMedium(directory);
  for (let i = 0; i < 8; i += 1) {
    expect(Buffer.compare(await readRun(again, i * 256 + 255, 1), blockOf(i + 1))).toBe(0);
  }
  await again.close();
});
