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
      const pool = await createPool('--data', device ?? '', '--capacity', '64M');
      expect(existsSync(join(pool, 'data'))).toBe(false);
      const { server, session } = await serve(pool, 48);
      await givesEverythingBack(session, backing).finally(() => server.stop());
    } finally {
      if (device !== undefined) execFileSync('losetup', ['--detach', device]);
    }
  });
});

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
