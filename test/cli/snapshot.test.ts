// Snapshots, clones and preserved LUNs through the real program and a real server.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Server, startServer } from '../support/server.ts';

let server: Server;

beforeAll(async () => {
  server = await startServer({ args: ['--init', 'db:64M'] });
  await server.cli('lun', 'create', 'log', '--size', '16M');
});

afterAll(async () => {
  await server.stop();
});

async function refused(...words: string[]): Promise<string> {
  const outcome = await server.tryCli(...words);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(/^snaplun: [^\n]+\n$/);
  return outcome.stderr;
}

describe('snapshots', () => {
  test('one point in time for several LUNs', async () => {
    const taken = (await server.cli('snapshot', 'create', 'db,log', 'monday')) as {
      snapshots: readonly Record<string, unknown>[];
      pausedMs: number;
    };
    expect(taken.snapshots.map((row) => `${String(row['lun'])}@${String(row['name'])}`)).toEqual([
      'db@monday',
      'log@monday',
    ]);
    expect(taken.pausedMs).toBeGreaterThanOrEqual(0);
    const rows = (await server.cli('snapshot', 'list', 'db')) as readonly Record<string, unknown>[];
    expect(rows).toEqual([
      expect.objectContaining({ lun: 'db', name: 'monday', referencedBytes: 0, exclusiveBytes: 0 }),
    ]);
    expect(Number.isNaN(Date.parse(String(rows[0]?.['createdAt'])))).toBe(false);
  });

  test('a name twice is refused, for a group as a whole', async () => {
    expect(await refused('snapshot', 'create', 'log,db', 'monday')).toMatch(/monday/);
    await server.cli('snapshot', 'create', 'log', 'tuesday');
    await refused('snapshot', 'create', 'db,log', 'tuesday');
    const rows = (await server.cli('snapshot', 'list', 'db')) as readonly Record<string, unknown>[];
    expect(rows.map((row) => row['name'])).toEqual(['monday']);
  });

  test('are mapped read-only and unmapped', async () => {
    const where = (await server.cli('snapshot', 'map', 'db@monday')) as { lun: number };
    const rows = (await server.cli('snapshot', 'list', 'db')) as readonly Record<string, unknown>[];
    expect(rows[0]).toMatchObject({ mappedLun: where.lun });
    await server.cli('snapshot', 'unmap', 'db@monday');
    await refused('snapshot', 'unmap', 'db@monday');
    expect(await refused('snapshot', 'map', 'db@sunday')).toMatch(/no snapshot sunday/);
    expect(await refused('snapshot', 'map', 'db')).toMatch(/NAME@SNAP/);
  });

  test('become writable LUNs by clone', async () => {
    const row = await server.cli('snapshot', 'clone', 'db@monday', 'db-test', '--lun', '20');
    expect(row).toMatchObject({ name: 'db-test', lun: 20, parent: 'db@monday', sizeBytes: 67_108_864 });
    expect(await refused('snapshot', 'clone', 'db@monday', 'db-test')).toMatch(/db-test/);
  });

  test('a LUN is rolled back, with --force where a LUN tracks it', async () => {
    await server.cli('lun', 'resize', 'log', '32M');
    const row = await server.cli('snapshot', 'rollback', 'log@monday');
    expect(row).toMatchObject({ name: 'log', sizeBytes: 16 * 1024 * 1024 });
    await server.cli('preserve', 'log', 'log-side');
    expect(await refused('snapshot', 'rollback', 'log@tuesday')).toMatch(/log-side.*--force/);
    await server.cli('snapshot', 'rollback', 'log@tuesday', '--force');
    expect(await refused('snapshot', 'rollback', 'db@tuesday')).toMatch(/no snapshot tuesday/);
    await server.cli('lun', 'delete', 'log-side');
  });

  test('a LUN that has some is not deleted without a word', async () => {
    expect(await refused('lun', 'delete', 'log')).toMatch(/monday, tuesday.*--with-snapshots/);
    await server.cli('lun', 'delete', 'log', '--with-snapshots');
    expect(await server.cli('snapshot', 'list')).toHaveLength(1);
  });
});

describe('preserve', () => {
  test('makes a LUN that tracks the first, and release ends it', async () => {
    expect(await server.cli('preserve', 'db', 'side')).toMatchObject({ name: 'side', tracks: 'db' });
    expect(await server.cli('preserve', 'side', 'aside')).toMatchObject({ name: 'aside', tracks: 'side' });
    expect(await server.cli('release', 'aside')).not.toHaveProperty('tracks');
    expect(await refused('release', 'db')).toMatch(/db/);
    expect(await refused('preserve', 'nobody', 'x')).toMatch(/nobody/);
  });

  test('a tracked LUN is deleted only with --force, which releases its trackers', async () => {
    expect(await refused('lun', 'delete', 'db', '--with-snapshots')).toMatch(/side.*--force/);
    await server.cli('lun', 'delete', 'db', '--with-snapshots', '--force');
    expect(await server.cli('lun', 'show', 'side')).not.toHaveProperty('tracks');
  });
});

test('everything is as it was after SIGKILL', async () => {
  const before = await server.cli('lun', 'list');
  await server.restart('SIGKILL');
  expect(await server.cli('lun', 'list')).toEqual(before);
});
