// The image's health check, as a container engine runs it, against real servers: healthy is what an initiator
// could read from or is refused by on purpose; nobody there, and a server that stands still, are not.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Outcome, run } from '../support/child.ts';
import { type Server, startServer } from '../support/server.ts';

let directory: string;
let server: Server;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'snaplun-health-'));
  server = await startServer({ pool: join(directory, 'pool') });
});

afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

const check = (port = server.port): Promise<Outcome> =>
  run(process.execPath, ['docker/healthcheck.mjs', `127.0.0.1:${port}`]);

test('a server is healthy without a LUN, with one, and when it wants a secret that the check has not', async () => {
  expect(await check()).toMatchObject({ code: 0, stdout: `healthy: ${server.target}: no LUNs\n` });
  await server.cli('lun', 'create', 'disk', '--size', '1M');
  expect(await check()).toMatchObject({ code: 0, stdout: `healthy: ${server.target}: read a block\n` });
  const secret = join(directory, 'secret');
  writeFileSync(secret, 'twelve bytes or more\n');
  await server.cli('chap', 'set', '--user', 'u', '--secret-file', secret);
  const outcome = await check();
  expect(outcome.code).toBe(0);
  expect(outcome.stdout).toMatch(/^healthy: refuses us: /);
  await server.cli('chap', 'clear');
});

test('a server that stands still, and one that is gone, are not healthy', async () => {
  const { port } = server;
  process.kill(server.pid, 'SIGSTOP');
  try {
    const stalled = await check(port);
    expect(stalled).toMatchObject({ code: 1, stderr: 'unhealthy: no answer within 8000 ms\n' });
  } finally {
    process.kill(server.pid, 'SIGCONT');
  }
  await server.kill('SIGTERM');
  const gone = await check(port);
  expect(gone.code).toBe(1);
  expect(gone.stdout).toMatch(/^unhealthy: .*ECONNREFUSED/);
});
