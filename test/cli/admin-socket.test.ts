// Who reaches the admin socket: another user is turned away by the kernel, with the directory open as with
// it shut, and no server starts where others could put a socket of their own.
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ended, run, startChild } from '../support/child.ts';
import { SNAPLUN, startServer } from '../support/server.ts';

/** Nobody, on every system that has one. */
const OTHER_UID = 65_534;
const isRoot = process.getuid?.() === 0;

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'snaplun-admin-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** What connecting as this user comes to: "connected", or the system's word for why not. */
async function connectAs(uid: number, socket: string): Promise<string> {
  const program = `
    const socket = require('node:net').connect(${JSON.stringify(socket)});
    const say = (word) => process.stdout.write(word, () => process.exit());
    socket.on('connect', () => say('connected')).on('error', (error) => say(error.code));`;
  const child = startChild(process.execPath, ['--eval', program], { uid, gid: uid, cwd: '/' });
  let said = '';
  child.stdout?.on('data', (chunk: Uint8Array) => {
    said += Buffer.from(chunk).toString();
  });
  await ended(child);
  return said;
}

describe('Another user on the same machine', () => {
  test.runIf(isRoot)('does not reach the socket, whether or not its directory can be read', async () => {
    chmodSync(directory, 0o755);
    const place = join(directory, 'run');
    const socket = join(place, 'admin.sock');
    const server = await startServer({ pool: join(directory, 'pool'), args: ['--admin', socket] });
    try {
      expect(statSync(place).mode & 0o777).toBe(0o700);
      expect(await connectAs(0, socket)).toBe('connected');
      expect(await connectAs(OTHER_UID, socket)).toBe('EACCES');
      chmodSync(place, 0o755);
      expect(await connectAs(OTHER_UID, socket)).toBe('EACCES');
      // What keeps it out is the mode of the socket alone, now: without that it would get in.
      chmodSync(socket, 0o666);
      expect(await connectAs(OTHER_UID, socket)).toBe('connected');
    } finally {
      await server.stop();
    }
  });
});

describe('A directory that others may change', () => {
  async function refusal(socket: string): Promise<string> {
    const pool = join(directory, 'pool');
    const words = ['serve', '--pool', pool, '--portal', '127.0.0.1:0', '--admin', socket];
    const outcome = await run(process.execPath, [SNAPLUN, ...words]);
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    return outcome.stderr.trimEnd().split('\n').at(-1) ?? '';
  }

  test.each([0o777, 0o1777, 0o770])('is refused with mode %o', async (mode) => {
    const socket = join(directory, 'open', 'admin.sock');
    mkdirSync(dirname(socket));
    chmodSync(dirname(socket), mode);
    expect(await refusal(socket)).toMatch(/^snaplun: cannot open the admin socket .*others may write in/);
  });

  test.runIf(isRoot)('is refused when it belongs to somebody else', async () => {
    const socket = join(directory, 'theirs', 'admin.sock');
    mkdirSync(dirname(socket), { mode: 0o755 });
    chownSync(dirname(socket), OTHER_UID, OTHER_UID);
    expect(await refusal(socket)).toMatch(/belongs to another user \(uid 65534\)/);
  });

  test('the directory of a pool, once opened for others, is shut again by the server', async () => {
    const pool = join(directory, 'pool');
    const server = await startServer({ pool });
    await server.kill('SIGTERM');
    chmodSync(pool, 0o777);
    await server.start();
    expect(statSync(pool).mode & 0o777).toBe(0o700);
    await server.stop();
  });
});
