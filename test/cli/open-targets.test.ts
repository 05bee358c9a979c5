// A server that strangers may reach says so once at its start, and after a configuration that opens it:
// what it warns of, and what is enough for silence. The portal listens on every address for a moment each
// time.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Server, startServer } from '../support/server.ts';

const TARGET = 'iqn.2026-11.com.example:door';
const WARNING = /whoever reaches this portal may read and write every LUN.* target=(\S+) portals=(\S+)/g;

let directory: string;
let secret: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'snaplun-open-'));
  secret = join(directory, 'secret');
  writeFileSync(secret, 'twelve bytes or more\n');
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Target and portals of every warning that was logged. The log comes by a pipe of its own, perhaps late. */
const warnings = (server: Server): string[][] =>
  [...server.log.matchAll(WARNING)].map(([, target = '', portals = '']) => [target, portals]);

async function served(
  { pool, host }: { readonly pool: string; readonly host: string },
  use: (server: Server) => Promise<void>,
): Promise<void> {
  const server = await startServer({ pool: join(directory, pool), host, args: ['--target', TARGET] });
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

test('a portal of this machine alone is no cause for a warning', () =>
  served({ pool: 'loopback', host: '127.0.0.1' }, async (server) => {
    expect(warnings(server)).toEqual([]);
  }));

test('a target without CHAP and access list is named, one with either is not', async () => {
  const everywhere = { pool: 'everywhere', host: '0.0.0.0' };
  const bound = expect.stringMatching(/^0\.0\.0\.0:\d+$/);
  await served(everywhere, async (server) => {
    await expect.poll(() => warnings(server)).toEqual([[TARGET, bound]]);
    await server.cli('target', 'create', `${TARGET}2`);
    await server.cli('chap', 'set', '--user', 'u', '--secret-file', secret);
  });
  await served(everywhere, async (server) => {
    await expect.poll(() => warnings(server)).toEqual([[`${TARGET}2`, bound]]);
    await server.cli('initiator', 'allow', 'iqn.2026-11.com.example:one', '--target', `${TARGET}2`);
  });
  await served(everywhere, async (server) => {
    expect(warnings(server)).toEqual([]);
    const path = join(directory, 'open.yaml');
    writeFileSync(path, `snaplun: 1\ntargets: {"${TARGET}": {default: true}, "${TARGET}2": {}}\n`);
    await server.cli('apply', '-f', path);
    const warned = (): (string | undefined)[] => warnings(server).map(([target]) => target);
    await expect.poll(warned).toEqual([TARGET, `${TARGET}2`]);
  });
});
