/**
 * What the background does with images that nobody needs, cut short: the server dies of SIGKILL while it
 * gives a deleted LUN back, while it merges a deleted snapshot and while it sweeps one that clones hide, and
 * again soon after it came up. Each time it goes on to the end, every LUN reads what a plain array says, no
 * block more than that is stored, and `pool check` finds the pool sound.
 */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ask } from '../../src/admin/client.ts';
import { good, ScsiSession } from '../support/scsi-session.ts';
import { type Server, startServer } from '../support/server.ts';

vi.setConfig({ testTimeout: 120_000 });

/** One block in each of so many pages of a table: much for the background, little to write. */
const PAGES = 6000;
const BLOCK_BYTES = 4096;
const SECTORS = 8;
const PAGE_SECTORS = 256 * SECTORS;
const AT_ONCE = 32;
const WAIT_MS = 60_000;
/** A quick machine may have ended what was to be cut short. */
const TRIES = 5;

let server: Server;
/** What fills the block of each page. */
const model = new Map<string, Uint8Array>();

beforeEach(async () => {
  server = await startServer({ args: ['--init', 'busy:1M'] });
  model.clear();
});

afterEach(async () => {
  await server.stop();
});

const request = (verb: string, args: Record<string, unknown> = {}): Promise<unknown> =>
  ask(join(server.pool, 'admin.sock'), verb, args);

async function inPages(count: number, run: (page: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let page = next++; page < count; page = next++) await run(page);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function withSession(name: string, run: (session: ScsiSession) => Promise<void>): Promise<void> {
  const { lun } = (await request('lun.show', { name })) as { lun: number };
  const session = await ScsiSession.open(server, { lun });
  await run(session);
  await session.close();
}

async function written(name: string, value: number): Promise<void> {
  const bytes = new Uint8Array(BLOCK_BYTES).fill(value);
  await withSession(name, (session) =>
    inPages(PAGES, async (page) => good(await session.write(page * PAGE_SECTORS, bytes))),
  );
  model.set(name, new Uint8Array(PAGES).fill(value));
}

async function expectModel(): Promise<void> {
  for (const [name, values] of model) {
    await withSession(name, (session) =>
      inPages(PAGES, async (page) => {
        const { dataIn } = good(await session.read({ lba: page * PAGE_SECTORS, blocks: SECTORS }));
        expect(
          dataIn.every((byte) => byte === values[page]),
          `${name}, page ${page}`,
        ).toBe(true);
      }),
    );
  }
}

async function usedBlocks(): Promise<number> {
  const { usedBytes } = (await request('pool.status')) as { usedBytes: number };
  return usedBytes / BLOCK_BYTES;
}

/** Writes to a LUN of its own until the server dies: beside commands the background takes its time. */
async function load(): Promise<void> {
  const session = await ScsiSession.open(server, { lun: 0 });
  const bytes = new Uint8Array(BLOCK_BYTES).fill(1);
  const writes = async (): Promise<void> => {
    for (;;) await session.write(0, bytes);
  };
  // They end with the server.
  void Promise.allSettled(Array.from({ length: 4 }, writes));
}

/** Waits until fewer blocks are stored than `from`, and says how many. */
async function usedBelow(from: number): Promise<number> {
  for (const beganMs = performance.now(); performance.now() - beganMs < WAIT_MS; ) {
    const used = await usedBlocks();
    if (used < from) return used;
  }
  return expect.fail(`${from} blocks stay stored`);
}

interface Cut {
  /** Makes what the background is then to do away with; the last verb is `begin`. */
  readonly prepare: () => Promise<void>;
  readonly begin: () => Promise<unknown>;
  /** Blocks stored at the end, besides that of the load. */
  readonly leaves: number;
}

async function expectCutShort({ prepare, begin, leaves }: Cut): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    await prepare();
    await load();
    const before = await usedBlocks();
    await begin();
    const after = await usedBelow(before);
    await server.restart('SIGKILL');
    if (after > leaves + 1) break;
    expect(tried, 'the background was always quicker').toBeLessThan(TRIES);
  }
  await server.restart('SIGKILL');
  await expectModel();
  await usedBelow(leaves + 2);
  await expectModel();
  expect(await server.cli('pool', 'check', '--data')).toMatchObject({ ok: true, errors: [] });
  await server.kill('SIGKILL');
  expect(await server.checkPool()).toMatchObject({ code: 0 });
  await server.start();
  expect(await usedBlocks()).toBe(leaves + 1);
}

const SIZE = { sizeBytes: PAGES * PAGE_SECTORS * 512 };

test('giving a deleted LUN back', async () => {
  await expectCutShort({
    prepare: async () => {
      await request('lun.create', { name: 'gone', ...SIZE });
      await written('gone', 1);
      model.clear();
    },
    begin: () => request('lun.delete', { name: 'gone', force: true }),
    leaves: 0,
  });
  expect(await server.cli('pool', 'status')).toMatchObject({ images: 1 });
});

test('merging a deleted snapshot', async () => {
  await request('lun.create', { name: 'db', ...SIZE });
  await written('db', 1);
  let value = 1;
  await expectCutShort({
    prepare: async () => {
      await request('snapshot.create', { vluns: ['db'], snapshot: `s${value}` });
      value += 1;
      await written('db', value);
    },
    begin: () => request('snapshot.delete', { vlun: 'db', snapshot: `s${value - 1}`, force: true }),
    leaves: PAGES,
  });
  expect(await server.cli('pool', 'status')).toMatchObject({ images: 2 });
});

test('sweeping a snapshot that a clone hides', async () => {
  await request('lun.create', { name: 'db', ...SIZE });
  await written('db', 1);
  let value = 1;
  await expectCutShort({
    prepare: async () => {
      if (model.has('test')) await request('lun.delete', { name: 'test', force: true });
      await request('snapshot.create', { vluns: ['db'], snapshot: `s${value}` });
      await request('snapshot.clone', { vlun: 'db', snapshot: `s${value}`, newName: 'test' });
      value += 1;
      await written('db', value);
      await written('test', value + 100);
    },
    begin: () => request('snapshot.delete', { vlun: 'db', snapshot: `s${value - 1}`, force: true }),
    leaves: 2 * PAGES,
  });
  await request('lun.delete', { name: 'test', force: true });
  model.delete('test');
  await usedBelow(PAGES + 2);
  await expectModel();
});
