// Starting and stopping: the one line on standard output, what is refused, and what is kept.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Outcome, run } from '../support/child.ts';
import { IsnsServer } from '../support/isns-server.ts';
import { SNAPLUN, startServer } from '../support/server.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'snaplun-serve-'));
});

afterEach(() => {
  chmodSync(directory, 0o700);
  rmSync(directory, { recursive: true, force: true });
});

const snaplun = (...words: string[]): Promise<Outcome> => run(process.execPath, [SNAPLUN, ...words]);

/** Exit status 1, one line that matches, nothing on standard output. */
async function refuses(message: RegExp, ...words: string[]): Promise<void> {
  const outcome = await snaplun(...words);
  expect(outcome.stderr.trimEnd().split('\n').at(-1)).toMatch(message);
  expect(outcome.stdout).toBe('');
  expect(outcome.code).toBe(1);
}

describe('start', () => {
  test('says one line, keeps the target name, and ends with 0 on SIGTERM', async () => {
    const pool = join(directory, 'pool');
    const first = await startServer({
      pool,
      args: ['--init', 'a:1M', '--target', 'iqn.2026-11.com.example:first'],
    });
    expect(first.target).toBe('iqn.2026-11.com.example:first');
    expect(first.lunCount).toBe(1);
    expect(statSync(pool).mode & 0o777).toBe(0o700);
    expect(statSync(join(pool, 'admin.sock')).mode & 0o777).toBe(0o600);
    expect(await first.kill('SIGTERM')).toMatchObject({ code: 0 });
    const second = await startServer({
      pool,
      args: ['--init', 'b:1M', '--target', 'iqn.2026-11.com.example:other'],
    });
    expect(second.target).toBe('iqn.2026-11.com.example:first');
    expect(second.lunCount).toBe(1);
    expect(await second.kill('SIGINT')).toMatchObject({ code: 0 });
  });

  test('an empty pool has no LUN', async () => {
    const server = await startServer({ pool: join(directory, 'pool') });
    expect(server.lunCount).toBe(0);
    await server.stop();
  });

  test('a cache that is too small is refused before anything is made, and one of 16M serves', async () => {
    const pool = join(directory, 'pool');
    const small = await snaplun('serve', '--pool', pool, '--cache', '1M');
    expect(small).toMatchObject({ code: 2, stdout: '' });
    expect(small.stderr).toMatch(/--cache "1M": want 16M or more/);
    expect(existsSync(pool)).toBe(false);
    const server = await startServer({ pool, args: ['--cache', '16M', '--init', 'a:1M'] });
    expect(server.lunCount).toBe(1);
    await server.stop();
  });

  test('a second server on the same pool is refused and the first goes on', async () => {
    const pool = join(directory, 'pool');
    const server = await startServer({ pool });
    await refuses(/in use/, 'serve', '--pool', pool, '--portal', '127.0.0.1:0');
    expect(await server.cli('status')).toMatchObject({ state: 'serving' });
    await server.stop();
  });

  test('a server of another pool does not take over the admin socket', async () => {
    const server = await startServer({ pool: join(directory, 'one') });
    const socket = join(server.pool, 'admin.sock');
    await refuses(
      /admin socket/,
      'serve',
      '--pool',
      join(directory, 'two'),
      '--portal',
      '127.0.0.1:0',
      '--admin',
      socket,
    );
    expect(await server.cli('status')).toMatchObject({ state: 'serving' });
    await server.stop();
  });

  test('a stale admin socket is no obstacle', async () => {
    const server = await startServer({ pool: join(directory, 'pool') });
    await server.restart('SIGKILL');
    expect(await server.cli('status')).toMatchObject({ state: 'serving' });
    await server.stop();
  });
});

describe('bad input', () => {
  test('a directory that is not a pool is not touched', async () => {
    writeFileSync(join(directory, 'precious.txt'), 'mine');
    await refuses(/not .*pool/, 'serve', '--pool', directory, '--portal', '127.0.0.1:0');
    expect(readFileSync(join(directory, 'precious.txt'), 'utf8')).toBe('mine');
  });

  test('a portal in use', async () => {
    const server = await startServer({ pool: join(directory, 'one') });
    await refuses(
      /EADDRINUSE/,
      'serve',
      '--pool',
      join(directory, 'two'),
      '--portal',
      `127.0.0.1:${server.port}`,
    );
    await server.stop();
  });

  test.each([
    [['--init', 'disk0'], /NAME:SIZE/],
    [['--init', 'disk0:big'], /no size/],
    [['--portal', 'nonsense:port'], /portal/],
    [['--target', 'not an iqn'], /iSCSI name/],
  ])('%j', async (words, message) => {
    const outcome = await snaplun('serve', '--pool', join(directory, 'pool'), ...words);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.code).toBeGreaterThan(0);
  });

  test('no server behind the admin socket', async () => {
    await refuses(/no server runs there/, '--admin', join(directory, 'none.sock'), 'status');
  });

  test('rubbish on the admin socket is answered and disturbs nobody', async () => {
    const server = await startServer({ pool: join(directory, 'pool') });
    const { connect } = await import('node:net');
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(join(server.pool, 'admin.sock'));
      let text = '';
      socket.on('data', (chunk) => {
        text += String(chunk);
      });
      socket.on('end', () => resolve(text));
      socket.write('{"verb": nonsense}\n');
    });
    expect(JSON.parse(answer)).toMatchObject({ ok: false, error: { code: 'usage' } });
    expect(await server.cli('status')).toMatchObject({ state: 'serving' });
    await server.stop();
  });
});

test('--help names every verb, and each verb has an example', async () => {
  const help = await snaplun('--help');
  expect(help.code).toBe(0);
  for (const verb of [
    ...['serve', 'lun', 'snapshot', 'preserve', 'release', 'export', 'import', 'target', 'initiator', 'chap'],
    ...['session', 'pool', 'schedule', 'apply', 'config', 'status', 'top'],
  ]) {
    expect(help.stdout).toContain(`snaplun ${verb}`);
    const own = await snaplun(verb, '--help');
    expect(own.stdout, verb).toMatch(/Examples:/);
  }
});

test('the log is JSON when asked, and standard output is not', async () => {
  const child = spawn(
    process.execPath,
    [SNAPLUN, 'serve', '--pool', join(directory, 'pool'), '--portal', '127.0.0.1:0', '--log-format', 'json'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let out = '';
  let log = '';
  child.stderr.on('data', (chunk) => {
    log += String(chunk);
  });
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk) => {
      out += String(chunk);
      resolve();
    });
  });
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('close', resolve));
  expect(out).toMatch(/^snaplun: serving [^\n]+\n$/);
  for (const line of log.trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
});

test('an iSNS server is told of the target while it is served, and no longer', async () => {
  const isns = await IsnsServer.open();
  const server = await startServer({ args: ['--init', 'disk0:1M', '--isns', `127.0.0.1:${isns.port}`] });
  try {
    for (let turn = 0; isns.messages.length === 0 && turn < 500; turn += 1) await pause(10);
    expect(isns.messages[0]?.attributes).toContainEqual([32, server.target]);
    expect((await server.kill('SIGTERM')).code).toBe(0);
    expect(isns.messages.map((message) => message.function)).toEqual([1, 4]);
  } finally {
    await server.stop();
    isns.close();
  }
});
