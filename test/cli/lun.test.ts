// LUNs through the real program and a real server: what the command line's contract says is printed and
// refused.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Server, startServer } from '../support/server.ts';

let server: Server;

beforeAll(async () => {
  server = await startServer({ args: ['--init', 'disk0:64M'] });
});

afterAll(async () => {
  await server.stop();
});

interface LunRow {
  readonly name: string;
  readonly lun: number | null;
  readonly naa: string;
  readonly [field: string]: unknown;
}

const list = async (): Promise<readonly LunRow[]> => (await server.cli('lun', 'list')) as readonly LunRow[];

/** A refusal is exit status 1, one line on standard error, and nothing on standard output. */
async function refused(...words: string[]): Promise<string> {
  const outcome = await server.tryCli(...words);
  expect(outcome.code).toBe(1);
  expect(outcome.stdout).toBe('');
  expect(outcome.stderr).toMatch(/^snaplun: [^\n]+\n$/);
  return outcome.stderr;
}

describe('create and list', () => {
  test('the first LUN of a new pool has every field of the contract', async () => {
    const [row] = await list();
    expect(row).toMatchObject({
      name: 'disk0',
      lun: 0,
      target: server.target,
      sizeBytes: 67_108_864,
      blockBytes: 512,
      readOnly: false,
      usedBytes: 0,
      exclusiveBytes: 0,
    });
    // NAA type 6 (SPC-4 §7.8.6.6.5): 16 bytes, first digit 6.
    expect(row?.naa).toMatch(/^6[0-9a-f]{31}$/);
  });

  test('options reach the unit, and numbers go on', async () => {
    await server.cli('lun', 'create', 'four', '--size', '1G', '--block-size', '4096', '--write-cache', 'off');
    await server.cli('lun', 'create', 'seven', '--size', '8M', '--lun', '7', '--read-only', '--removable');
    const rows = await list();
    expect(rows.find((row) => row.name === 'four')).toMatchObject({
      lun: 1,
      blockBytes: 4096,
      writeCache: false,
    });
    expect(rows.find((row) => row.name === 'seven')).toMatchObject({
      lun: 7,
      readOnly: true,
      removable: true,
    });
    expect(new Set(rows.map((row) => row.naa)).size).toBe(rows.length);
  });

  test('a 16 TiB LUN costs nothing', async () => {
    const before = (await server.cli('pool', 'status')) as { usedBytes: number };
    await server.cli('lun', 'create', 'huge', '--size', '16T');
    const after = (await server.cli('pool', 'status')) as { usedBytes: number };
    expect(after.usedBytes).toBe(before.usedBytes);
    await server.cli('lun', 'delete', 'huge');
  });

  test('--json and --admin may stand before or after the verb', async () => {
    const outcome = await server.tryCli('lun', 'list', '--json');
    expect(JSON.parse(outcome.stdout)).toEqual(await list());
  });
});

describe('bad input is refused in one line', () => {
  test('a name twice', async () =>
    expect(await refused('lun', 'create', 'disk0', '--size', '1G')).toMatch(/disk0/));
  test('a size that is none', async () =>
    expect(await refused('lun', 'create', 'x', '--size', '10Q')).toMatch(/"10Q" is no size/));
  test('a size of half a block', async () =>
    expect(await refused('lun', 'create', 'x', '--size', '100')).toMatch(/512/));
  test('a name that is none', async () =>
    expect(await refused('lun', 'create', 'a@b', '--size', '1M')).toMatch(/a@b/));
  test('an unknown LUN', async () => expect(await refused('lun', 'show', 'nobody')).toMatch(/no LUN nobody/));
  test('a LUN number in use', async () =>
    expect(await refused('lun', 'create', 'x', '--size', '1M', '--lun', '0')).toMatch(/LUN 0 .* disk0/));
  test('a target that is none', async () =>
    expect(await refused('lun', 'create', 'x', '--size', '1M', '--target', 'foo')).toMatch(/iSCSI name/));
  test('smaller without --shrink', async () =>
    expect(await refused('lun', 'resize', 'disk0', '1M')).toMatch(/shrink/));

  test('and leaves nothing behind', async () => {
    expect((await list()).map((row) => row.name)).not.toContain('x');
  });

  test('wrong use is exit status 2', async () => {
    for (const words of [['lun'], ['lun', 'create', 'x'], ['nonsense'], ['lun', 'list', '--bogus'], []]) {
      const outcome = await server.tryCli(...words);
      expect(outcome.code, words.join(' ')).toBe(2);
      expect(outcome.stderr).toMatch(/^snaplun: [^\n]+\n$/);
    }
  });
});

describe('map, resize, delete', () => {
  test('a deleted LUN retires its number', async () => {
    await server.cli('lun', 'create', 'gone', '--size', '1M');
    const number = (await list()).find((row) => row.name === 'gone')?.lun;
    await server.cli('lun', 'delete', 'gone');
    await server.cli('lun', 'create', 'next', '--size', '1M');
    expect((await list()).find((row) => row.name === 'next')?.lun).not.toBe(number);
  });

  test('unmap hides, map shows again at the number asked for', async () => {
    await server.cli('lun', 'unmap', 'next');
    expect((await list()).find((row) => row.name === 'next')?.lun).toBeNull();
    await refused('lun', 'unmap', 'next');
    expect(await server.cli('lun', 'map', 'next', '--lun', '99')).toEqual({ lun: 99, target: server.target });
    await refused('lun', 'map', 'next');
  });

  test('resize up, and down with --shrink', async () => {
    expect(await server.cli('lun', 'resize', 'next', '3M')).toMatchObject({ sizeBytes: 3_145_728 });
    expect(await server.cli('lun', 'resize', 'next', '2M', '--shrink')).toMatchObject({
      sizeBytes: 2_097_152,
    });
  });
});

test('everything is as it was after SIGKILL', async () => {
  const before = await list();
  await server.restart('SIGKILL');
  expect(await list()).toEqual(before);
});

describe('set', () => {
  test('limits are shown, each changes alone, and goes with "none"', async () => {
    await server.cli('lun', 'create', 'slow', '--size', '8M', '--iops-max', '500');
    const limits = (): Promise<unknown> => server.cli('lun', 'show', 'slow');
    expect(await limits()).toMatchObject({ iopsMax: 500, throughputMaxBytes: null });
    const set = await server.tryCli('lun', 'set', 'slow', '--throughput-max', '20M');
    expect(set.stdout).toMatch(/at most 500 IOPS and 20 MiB\/s$/m);
    expect(await limits()).toMatchObject({ iopsMax: 500, throughputMaxBytes: 20 * 1024 * 1024 });
    await server.cli('lun', 'set', 'slow', '--iops-max', 'none');
    expect(await limits()).toMatchObject({ iopsMax: null, throughputMaxBytes: 20 * 1024 * 1024 });
    await server.cli('lun', 'delete', 'slow');
  });

  test('what is no limit is refused, and nothing to set is wrong use', async () => {
    expect(await refused('lun', 'set', 'disk0', '--iops-max', '0')).toMatch(/"0" is no limit/);
    expect(await refused('lun', 'set', 'disk0', '--throughput-max', '1K')).toMatch(/65536 bytes a second/);
    expect(await server.tryCli('lun', 'set', 'disk0')).toMatchObject({ code: 2, stdout: '' });
  });
});
