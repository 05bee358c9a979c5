/**
 * Thin provisioning as the disk under a pool sees it: an initiator writes and unmaps, and the oracle is what
 * stat says of the file that the blocks lie in. Blocks come back to a file system by hole punching, to a
 * block device by discards.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { run } from '../support/child.ts';
import { good, ScsiSession } from '../support/scsi-session.ts';
import { type Server, SNAPLUN, startServer } from '../support/server.ts';

const MiB = 1024 * 1024;
const BLOCK = 4096;

const root = mkdtempSync(join(tmpdir(), 'snaplun-space-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** MiB that a file takes of its file system. */
const storedMiB = (file: string): number => (statSync(file).blocks * 512) / MiB;

/** Waits until the file takes no more than this, for the give-back is work of the background. */
async function falls(file: string, mib: number): Promise<void> {
  for (let waited = 0; storedMiB(file) > mib && waited < 200; waited += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(storedMiB(file)).toBeLessThanOrEqual(mib);
}

async function createPool(...words: string[]): Promise<string> {
  const pool = mkdtempSync(join(root, 'pool-'));
  const made = await run(process.execPath, [SNAPLUN, 'pool', 'create', pool, ...words]);
  expect(made).toMatchObject({ code: 0 });
  return pool;
}

/** A server of such a pool with one LUN of 4 KiB blocks, and a session with it. */
async function serve(pool: string, sizeMiB: number): Promise<{ server: Server; session: ScsiSession }> {
  const server = await startServer({ pool });
  await server.cli('lun', 'create', 'a', '--size', `${sizeMiB}M`, '--block-size', String(BLOCK));
  return { server, session: await ScsiSession.open(server, { blockBytes: BLOCK }) };
}

async function writeMiB(session: ScsiSession, fromMiB: number, mib: number): Promise<void> {
  for (let i = fromMiB; i < fromMiB + mib; i += 1) {
    good(await session.write((i * MiB) / BLOCK, new Uint8Array(MiB).fill(i + 1)));
  }
}

/** UNMAP, WRITE SAME with UNMAP, and UNMAPs of single blocks, each over a third of 24 MiB. */
async function givesEverythingBack(session: ScsiSession, file: string): Promise<void> {
  await writeMiB(session, 0, 24);
  good(await session.flush());
  expect(storedMiB(file)).toBeGreaterThanOrEqual(24);
  good(await session.unmap([{ lba: 0, blocks: 2048 }]));
  await falls(file, 17);
  good(await session.writeSameUnmap({ lba: 2048, blocks: 2048 }));
  await falls(file, 9);
  for (const from of [4096, 4097]) {
    for (let lba = from; lba < 6144; lba += 256) {
      const scattered = Array.from({ length: 128 }, (_, i) => ({ lba: lba + 2 * i, blocks: 1 }));
      good(await session.unmap(scattered));
    }
    good(await session.flush());
  }
  await falls(file, 1);
  expect((await session.read({ lba: 4095, blocks: 2 })).dataIn.every((byte) => byte === 0)).toBe(true);
}

describe('Blocks that were unmapped go back to what the pool lies on', () => {
  test('to the file system, however small the pieces', async () => {
    const pool = await createPool('--capacity', '64M');
    const { server, session } = await serve(pool, 48);
    await givesEverythingBack(session, join(pool, 'data')).finally(() => server.stop());
  });

  test('to a block device', async (context) => {
    const backing = join(root, 'backing');
    writeFileSync(backing, '');
    truncateSync(backing, 64 * MiB);
    const device = loopDevice(backing);
    if (device === undefined) context.skip('needs root and a free loop device (losetup)');
    try {
      // Without --capacity: all of the device.
      const pool = await createPool('--data', device ?? '');
      expect(existsSync(join(pool, 'data'))).toBe(false);
      const { server, session } = await serve(pool, 48);
      await givesEverythingBack(session, backing).finally(() => server.stop());
    } finally {
      if (device !== undefined) execFileSync('losetup', ['--detach', device]);
    }
  });
});

const SPACE_ALLOCATION_FAILED_WRITE_PROTECT = '7/27/07';
const MODE_PARAMETERS_CHANGED = '6/2a/01';
const THIN_PROVISIONING_SOFT_THRESHOLD_REACHED = '6/38/07';

/** Writes MiB after MiB until the pool takes no more; how many it took. */
async function fillUp(session: ScsiSession): Promise<number> {
  for (let mib = 0; ; mib += 1) {
    const ended = await session.write((mib * MiB) / BLOCK, new Uint8Array(MiB).fill(mib + 1));
    if (ended.status === 0) continue;
    if (ended.sense === THIN_PROVISIONING_SOFT_THRESHOLD_REACHED) {
      mib -= 1;
      continue;
    }
    expect(ended.sense).toBe(SPACE_ALLOCATION_FAILED_WRITE_PROTECT);
    return mib;
  }
}

async function holds(session: ScsiSession, mib: number, value: number): Promise<void> {
  const { dataIn } = good(await session.read({ lba: (mib * MiB) / BLOCK, blocks: MiB / BLOCK }));
  expect(Buffer.compare(dataIn, new Uint8Array(MiB).fill(value))).toBe(0);
}

/** What is unmapped can be written again, and nothing that was written is lost. */
async function goesOnAfterUnmap(session: ScsiSession, filledMiB: number): Promise<void> {
  await holds(session, 0, 1);
  await holds(session, filledMiB - 1, filledMiB);
  good(await session.unmap([{ lba: MiB / BLOCK, blocks: (2 * MiB) / BLOCK }]));
  good(await session.write(MiB / BLOCK, new Uint8Array(MiB).fill(99)));
  good(await session.flush());
  await holds(session, 0, 1);
  await holds(session, 1, 99);
  await holds(session, 2, 0);
}

async function isSound(server: Server): Promise<void> {
  await server.kill('SIGTERM');
  expect(await server.checkPool()).toMatchObject({ code: 0 });
}

describe('A pool that is full', () => {
  test('refuses writes, reads and unmaps on, and takes writes again when there is space', async () => {
    const pool = await createPool('--capacity', '8M');
    const { server, session } = await serve(pool, 48);
    const filled = await fillUp(session);
    expect(filled).toBeGreaterThanOrEqual(6);
    await goesOnAfterUnmap(session, filled);
    await isSound(server);
    // The log comes by a pipe of its own, perhaps after an answer; here it has ended.
    expect(server.log).toMatch(/the pool is full/);
  });

  test('takes writes again when a snapshot was deleted', async () => {
    const pool = await createPool('--capacity', '8M');
    const { server, session } = await serve(pool, 48);
    const filled = await fillUp(session);
    await server.cli('snapshot', 'create', 'a', 's');
    good(await session.unmap([{ lba: 0, blocks: (filled * MiB) / BLOCK }]));
    const refused = await session.write(0, new Uint8Array(2 * MiB).fill(7));
    expect(refused.sense).toBe(SPACE_ALLOCATION_FAILED_WRITE_PROTECT);
    await server.cli('snapshot', 'delete', 'a@s');
    let ended = refused;
    for (let tries = 0; ended.status !== 0 && tries < 100; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      ended = await session.write(0, new Uint8Array(2 * MiB).fill(7));
    }
    good(ended);
    await holds(session, 1, 7);
    await holds(session, 2, 0);
    await isSound(server);
  });

  test('loses nothing when it is the file system below that is full', async (context) => {
    const mounted = mountSmall(join(root, 'small.img'), 192);
    if (mounted === undefined) context.skip('needs root, mkfs.ext4 and loop mounts');
    let server: Server | undefined;
    try {
      const pool = join(mounted ?? '', 'pool');
      expect(await run(process.execPath, [SNAPLUN, 'pool', 'create', pool])).toMatchObject({ code: 0 });
      const { session, ...served } = await serve(pool, 1024);
      server = served.server;
      const filled = await fillUp(session);
      expect(filled).toBeGreaterThan(16);
      await server.cli('snapshot', 'create', 'a', 's');
      await server.cli('snapshot', 'delete', 'a@s');
      await goesOnAfterUnmap(session, filled);
      await isSound(server);
    } finally {
      await server?.stop();
      execFileSync('umount', [mounted ?? '']);
    }
  });

  test('grows while it serves, and knows it after a restart', async () => {
    const pool = await createPool('--capacity', '8M');
    const { server, session } = await serve(pool, 48);
    const filled = await fillUp(session);
    expect(await server.cli('pool', 'grow', '32M')).toMatchObject({ capacityBytes: 32 * MiB });
    // The thresholds of the Logical Block Provisioning mode page are counts of blocks of the pool.
    expect((await session.testUnitReady()).sense).toBe(MODE_PARAMETERS_CHANGED);
    for (let mib = filled; mib < 24; mib += 1) {
      good(await session.write((mib * MiB) / BLOCK, new Uint8Array(MiB).fill(mib + 1)));
    }
    good(await session.flush());
    const smaller = await server.tryCli('pool', 'grow', '16M');
    expect(smaller.code).toBe(1);
    expect(smaller.stderr).toMatch(/^snaplun: [^\n]*never shrinks[^\n]*\n$/);
    await server.restart('SIGKILL');
    expect(await server.cli('pool', 'status')).toMatchObject({ capacityBytes: 32 * MiB });
    const again = await ScsiSession.open(server, { blockBytes: BLOCK });
    for (const mib of [0, filled, 23]) await holds(again, mib, mib + 1);
    await isSound(server);
  });
});

describe('Before it is full', () => {
  test('every session of every LUN is told of a threshold once, and the log says so', async () => {
    const pool = await createPool('--capacity', '16M');
    const server = await startServer({ pool, args: ['--threshold', '50', '--threshold', '75'] });
    await server.cli('lun', 'create', 'a', '--size', '48M', '--block-size', String(BLOCK));
    await server.cli('lun', 'create', 'b', '--size', '48M');
    const a = await ScsiSession.open(server, { blockBytes: BLOCK });
    const b = await ScsiSession.open(server, { lun: 1 });
    await writeMiB(a, 0, 7);
    good(await b.testUnitReady());
    const written = a.write((7 * MiB) / BLOCK, new Uint8Array(2 * MiB));
    expect(await written).toMatchObject({ status: 0 });
    for (const session of [a, b]) {
      expect((await session.testUnitReady()).sense).toBe(THIN_PROVISIONING_SOFT_THRESHOLD_REACHED);
      good(await session.testUnitReady());
    }
    await writeMiB(a, 9, 1);
    good(await b.testUnitReady());
    expect(await server.cli('pool', 'status')).toMatchObject({ thresholdPercents: [50, 75] });
    await server.stop();
    expect(server.log.match(/runs out of space/g)).toHaveLength(1);
    expect(server.log).toMatch(/runs out of space.*percent.*50/);
  });

  test('what is reserved for a LUN stays writable for it, and for nobody else', async () => {
    const pool = await createPool('--capacity', '16M');
    const server = await startServer({ pool });
    const blocks = ['--block-size', String(BLOCK)];
    await server.cli('lun', 'create', 'a', '--size', '48M', ...blocks);
    const row = await server.cli('lun', 'create', 'kept', '--size', '4M', '--reserve', 'full', ...blocks);
    expect(row).toMatchObject({ reservedBytes: 4 * MiB });
    const session = await ScsiSession.open(server, { blockBytes: BLOCK });
    const filled = await fillUp(session);
    expect(filled).toBeLessThan(12);
    expect(await server.cli('pool', 'status')).toMatchObject({ reservedBytes: 5 * MiB });
    const kept = await ScsiSession.open(server, { lun: 1, blockBytes: BLOCK });
    await writeMiB(kept, 0, 4);
    await writeMiB(kept, 0, 4);
    await holds(kept, 3, 4);
    const refused = await server.tryCli('snapshot', 'create', 'kept', 's');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/^snaplun: Reservations would need 4194304 bytes more[^\n]*\n$/);
    expect(await server.cli('lun', 'set', 'kept', '--reserve', 'none')).toMatchObject({ reservedBytes: 0 });
    await server.cli('snapshot', 'create', 'kept', 's');
    await isSound(server);
  });
});

/** A small file system of its own, where this system can make one; its directory. */
function mountSmall(image: string, mib: number): string | undefined {
  writeFileSync(image, '');
  truncateSync(image, mib * MiB);
  const directory = mkdtempSync(join(root, 'mount-'));
  try {
    execFileSync('mkfs.ext4', ['-q', '-F', image], { stdio: 'ignore' });
    execFileSync('mount', ['-o', 'loop', image, directory], { stdio: 'ignore' });
    return directory;
  } catch {
    return undefined;
  }
}

/** A block device over a file, where this system can make one. */
function loopDevice(file: string): string | undefined {
  try {
    return execFileSync('losetup', ['--find', '--show', file], { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    return undefined;
  }
}
