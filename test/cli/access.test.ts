// Targets, initiators, CHAP and sessions through the real program and a real server.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../support/child.ts';
import { connectSocket, Initiator, LoginFailure } from '../support/initiator/index.ts';
import { type Server, SNAPLUN, startServer } from '../support/server.ts';

let server: Server;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'snaplun-access-'));
  server = await startServer({ args: ['--init', 'disk0:1M'] });
});

afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

const secretFile = (name: string, secret: string): string => {
  const path = join(directory, name);
  writeFileSync(path, `${secret}\n`, { mode: 0o600 });
  return path;
};

async function refused(...words: string[]): Promise<string> {
  const outcome = await server.tryCli(...words);
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(/^snaplun: [^\n]+\n$/);
  return outcome.stderr;
}

test('targets are created, listed and deleted; one that shows LUNs stays', async () => {
  const name = 'iqn.2026-11.com.example:second';
  await server.cli('target', 'create', name, '--alias', 'the second');
  expect(await refused('target', 'create', name.toUpperCase())).toMatch(/already/);
  await server.cli('lun', 'create', 'other', '--size', '1M', '--target', name);
  expect(await server.cli('target', 'list')).toEqual([
    expect.objectContaining({ name: server.target, default: true, luns: 1 }),
    expect.objectContaining({ name, default: false, luns: 1, chap: 'off', allowedInitiators: null }),
  ]);
  expect(await refused('target', 'delete', name)).toMatch(/unmap/);
  await server.cli('lun', 'delete', 'other');
  await server.cli('target', 'delete', name);
  expect(await refused('target', 'delete', server.target)).toMatch(/default target/);
});

test('the first initiator allowed shuts all others out, and deny takes it off again', async () => {
  const initiator = 'iqn.1993-08.org.debian:01:abc';
  await server.cli('initiator', 'allow', initiator);
  expect(await server.cli('initiator', 'list')).toEqual([
    { target: server.target, allowedInitiators: [initiator], lunMasks: {} },
  ]);
  expect(await refused('initiator', 'deny', 'iqn.1993-08.org.debian:01:xyz')).toMatch(/not on the list/);
  await server.cli('initiator', 'deny', initiator);
  expect(await server.cli('initiator', 'list')).toEqual([
    { target: server.target, allowedInitiators: [], lunMasks: {} },
  ]);
  // Nobody is left on the list, and nobody gets in: a shut door is not an open one.
  const inquiry = await run('iscsi-inq', [server.url()]);
  expect(inquiry.code).not.toBe(0);
});

test('a target that is elsewhere sends logins there, for a while or for good, and is served again', async () => {
  const name = 'iqn.2026-11.com.example:moved';
  await server.cli('target', 'create', name);
  const status = async (): Promise<readonly [number, string | undefined]> => {
    const initiator = new Initiator(await connectSocket({ host: server.host, port: server.port }));
    try {
      const { status: success } = await initiator.login({ targetName: name });
      await initiator.logout();
      return [success, undefined];
    } catch (error) {
      if (!(error instanceof LoginFailure)) throw error;
      return [error.status, error.answers.get('TargetAddress')];
    }
  };
  expect(await refused('target', 'redirect', name, '192.0.2.20:99999')).toMatch(/no portal/);
  await server.cli('target', 'redirect', name, '192.0.2.20:3260');
  expect(await status()).toEqual([0x0101, '192.0.2.20:3260']);
  await server.cli('target', 'redirect', name, '[2001:db8::20]:3260', '--permanent');
  expect(await status()).toEqual([0x0102, '[2001:db8::20]:3260']);
  await server.cli('target', 'redirect', name);
  expect(await status()).toEqual([0, undefined]);
  await server.cli('target', 'delete', name);
});

test('libiscsi follows a redirection to the server that has the target', async () => {
  const name = 'iqn.2026-11.com.example:elsewhere';
  const there = await startServer({ args: ['--target', name, '--init', 'moved:3M'] });
  try {
    await server.cli('target', 'create', name);
    const url = server.url().replace(server.target, name);
    expect(url).toContain(name);
    expect((await run('iscsi-readcapacity16', [url])).code, 'no LUN is here').not.toBe(0);
    // Of the two status codes for it, libiscsi knows that of a temporary move.
    await server.cli('target', 'redirect', name, `${there.host}:${there.port}`);
    const { code, stdout } = await run('iscsi-readcapacity16', [url]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Total size:3145728/);
  } finally {
    await there.stop();
    await server.cli('target', 'delete', name);
  }
});

test('an initiator is shown the LUNs it is allowed, until it is allowed all', async () => {
  const initiator = 'iqn.1993-08.org.debian:01:masked';
  await server.cli('lun', 'create', 'hidden', '--size', '1M', '--lun', '5');
  expect(await refused('initiator', 'allow', initiator, '--lun', '6')).toMatch(/has no LUN 6/);
  const masks = async (): Promise<unknown> => {
    const [row] = (await server.cli('initiator', 'list')) as readonly { readonly lunMasks: unknown }[];
    return row?.lunMasks;
  };
  await server.cli('initiator', 'allow', initiator, '--lun', '0', '--lun', '5');
  expect(await masks()).toEqual({ [initiator]: [0, 5] });
  await server.cli('initiator', 'allow', initiator, '--lun', '5');
  await server.cli('initiator', 'allow', initiator);
  expect(await masks()).toEqual({ [initiator]: [5] });
  const shown = await run('iscsi-ls', ['-s', '-i', initiator, `iscsi://${server.host}:${server.port}`]);
  expect(shown.stdout).toMatch(/Lun:5/);
  expect(shown.stdout).not.toMatch(/Lun:0/);
  await server.cli('lun', 'delete', 'hidden');
  expect(await masks()).toEqual({ [initiator]: [] });
  await server.cli('initiator', 'allow', initiator, '--all-luns');
  expect(await masks()).toEqual({});
  await server.cli('initiator', 'deny', initiator);
});

test('secrets are checked, and never come back', async () => {
  const long = secretFile('long', 'twelve bytes or more');
  expect(await refused('chap', 'set', '--user', 'u', '--secret-file', secretFile('short', 'short'))).toMatch(
    /12 to 255/,
  );
  expect(
    await refused(
      'chap',
      'set',
      '--user',
      'u',
      '--secret-file',
      long,
      '--mutual-user',
      't',
      '--mutual-secret-file',
      long,
    ),
  ).toMatch(/differ/);
  expect(await refused('chap', 'set', '--user', 'u', '--secret-file', join(directory, 'none'))).toMatch(
    /ENOENT/,
  );
  await server.cli('chap', 'set', '--user', 'u', '--secret-file', long);
  const shown = JSON.stringify([await server.cli('target', 'list'), await server.cli('status')]);
  expect(shown).toContain('one-way');
  expect(shown).not.toContain('twelve bytes');
  expect(server.log).not.toContain('twelve bytes');
  await server.cli('chap', 'clear');
});

test('a secret comes from standard input where the file is "-"', async () => {
  const words = [
    SNAPLUN,
    '--admin',
    join(server.pool, 'admin.sock'),
    'chap',
    'set',
    '--user',
    'u',
    '--secret-file',
    '-',
  ];
  const outcome = await run(process.execPath, words, { input: 'from standard input\n' });
  expect(outcome.code).toBe(0);
  await server.cli('chap', 'clear');
});

test('there is nobody logged in, and no session to disconnect', async () => {
  expect(await server.cli('session', 'list')).toEqual([]);
  expect(await refused('session', 'disconnect', '4')).toMatch(/no session 4/);
});
