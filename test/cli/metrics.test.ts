// Health, readiness and metrics of a real server: what a scraper that parses strictly sees of commands,
// logins and failures that a test made, and who is told anything at all.
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../support/child.ts';
import { ClockedServer } from '../support/clocked-server.ts';
import { ParsedMetrics } from '../support/exposition.ts';
import { connectSocket, Initiator } from '../support/initiator/index.ts';
import { type Server, SNAPLUN, startServer } from '../support/server.ts';

const READ_10 = 0x28;
const WRITE_10 = 0x2a;
const SYNCHRONIZE_CACHE_10 = 0x35;
const INQUIRY = 0x12;
const CHECK_CONDITION = 2;
const BLOCK_BYTES = 512;
const hasPromtool = (await run('sh', ['-c', 'command -v promtool'])).code === 0;

let server: Server;
let address: string;

beforeAll(async () => {
  server = await startServer({ args: ['--init', 'disk0:8M', '--metrics', '127.0.0.1:0'] });
  const status = (await server.cli('status')) as { readonly metrics: string };
  address = status.metrics;
});

afterAll(() => server.stop());

const get = (path: string, method = 'GET'): Promise<Response> =>
  fetch(`http://${address}${path}`, { method });

async function scrape(): Promise<ParsedMetrics> {
  const response = await get('/metrics');
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return new ParsedMetrics(await response.text());
}

function cdb(opcode: number, lba = 0, blocks = 0): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  bytes[0] = opcode;
  view.setUint32(2, lba);
  view.setUint16(7, blocks);
  return bytes;
}

async function login(initiatorName: string, targetName = server.target): Promise<Initiator> {
  const initiator = new Initiator(await connectSocket({ host: server.host, port: server.port }));
  await initiator.login({ targetName, initiatorName });
  return initiator;
}

/** What commands came to; the first one is told of a reset and is sent again. */
async function work(initiator: Initiator): Promise<number[]> {
  const read = { cdb: cdb(READ_10, 0, 8), dataInBytes: 8 * BLOCK_BYTES };
  const statuses = [(await initiator.command(read)).status];
  for (let nth = 0; nth < 5; nth += 1) statuses.push((await initiator.command(read)).status);
  const dataOut = new Uint8Array(16 * BLOCK_BYTES).fill(0x5a);
  for (let nth = 0; nth < 3; nth += 1)
    statuses.push((await initiator.command({ cdb: cdb(WRITE_10, 16 * nth, 16), dataOut })).status);
  statuses.push((await initiator.command({ cdb: cdb(SYNCHRONIZE_CACHE_10) })).status);
  const past = { cdb: cdb(READ_10, 0x7fff_ffff, 1), dataInBytes: BLOCK_BYTES };
  statuses.push((await initiator.command(past)).status);
  statuses.push((await initiator.command({ cdb: cdb(INQUIRY), dataInBytes: 0 })).status);
  return statuses;
}

describe('Metrics', () => {
  test('count what passed through a LUN and a session: commands, bytes, time and failures', async () => {
    const lun = { lun: 'disk0' };
    const before = await scrape();
    const initiator = await login('iqn.2026-01.test:counted');
    const statuses = await work(initiator);
    expect(statuses.filter((status) => status === CHECK_CONDITION).length).toBe(2);
    const after = await scrape();
    const grown = (name: string, labels: Record<string, string>): number =>
      after.value(name, { ...lun, ...labels }) - before.value(name, { ...lun, ...labels });
    const commands = (command: string): number => grown('snaplun_lun_commands_total', { command });
    expect(['read', 'write', 'flush', 'other', 'unmap', 'verify'].map(commands)).toEqual([7, 3, 1, 1, 0, 0]);
    const bytes = (command: string): number => grown('snaplun_lun_transferred_bytes_total', { command });
    expect([bytes('read'), bytes('write')]).toEqual([5 * 8 * BLOCK_BYTES, 3 * 16 * BLOCK_BYTES]);
    expect(after.value('snaplun_lun_errors_total', { ...lun, class: 'unit_attention' })).toBe(1);
    expect(after.value('snaplun_lun_errors_total', { ...lun, class: 'illegal_request' })).toBe(1);
    const duration = 'snaplun_lun_command_duration_seconds';
    expect(grown(`${duration}_count`, { command: 'write' })).toBe(3);
    const seconds = grown(`${duration}_sum`, { command: 'write' });
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(60);
    const session = { initiator: 'iqn.2026-01.test:counted', target: server.target };
    expect(after.value('snaplun_session_commands_total', { ...session, command: 'read' })).toBe(7);
    expect(after.value('snaplun_session_transferred_bytes_total', { ...session, command: 'write' })).toBe(
      24576,
    );
    await initiator.logout();
    expect((await scrape()).samples('snaplun_session_commands_total')).toEqual([]);
  });

  test('tell the space of the pool as `pool status` does', async () => {
    await server.cli('snapshot', 'create', 'disk0', 'kept');
    const status = (await server.cli('pool', 'status')) as Record<string, number>;
    const metrics = await scrape();
    expect(metrics.value('snaplun_pool_capacity_bytes')).toBe(status['capacityBytes']);
    expect(metrics.value('snaplun_pool_used_bytes')).toBe(status['usedBytes']);
    expect(metrics.value('snaplun_pool_free_bytes')).toBe(status['freeBytes']);
    expect(metrics.value('snaplun_pool_images')).toBe(2);
    expect(metrics.value('snaplun_pool_up')).toBe(1);
    expect(metrics.value('snaplun_journal_records_total')).toBeGreaterThan(0);
    expect(metrics.value('snaplun_pool_flushes_total')).toBeGreaterThan(0);
  });

  test('count logins that were refused, by reason, and connections that talk nonsense', async () => {
    const failed = { reason: 'not_found' };
    const before = await scrape();
    await expect(login('iqn.2026-01.test:lost', 'iqn.2026-01.test:nowhere')).rejects.toThrow();
    const socket = connect({ host: server.host, port: server.port });
    socket.write(new Uint8Array(48).fill(0x3f));
    await new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
    const after = await scrape();
    const grown = (name: string, labels: Record<string, string>): number =>
      after.value(name, labels) - before.value(name, labels);
    expect(grown('snaplun_logins_failed_total', failed)).toBe(1);
    expect(grown('snaplun_connection_events_total', { event: 'login-refused' })).toBeGreaterThan(0);
  });

  test('name everything that the names of LUNs may hold, and LUNs as they come and go', async () => {
    await server.cli('lun', 'create', 'other.one-2', '--size', '1M');
    expect((await scrape()).value('snaplun_lun_size_bytes', { lun: 'other.one-2' })).toBe(1 << 20);
    await server.cli('lun', 'delete', 'other.one-2');
    const names = (await scrape()).samples('snaplun_lun_size_bytes').map(({ labels }) => labels.get('lun'));
    expect(names).toEqual(['disk0']);
  });

  test.runIf(hasPromtool)('pass `promtool check metrics`', async () => {
    const input = await (await get('/metrics')).text();
    const outcome = await run('promtool', ['check', 'metrics'], { input });
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('Endpoints', () => {
  test('are alive and ready while the pool serves, and know no others', async () => {
    expect(await (await get('/healthz')).text()).toBe('ok\n');
    expect((await get('/readyz')).status).toBe(200);
    expect((await get('/')).status).toBe(404);
    expect((await get('/metrics', 'POST')).status).toBe(405);
    expect((await get('/metrics', 'HEAD')).status).toBe(200);
  });

  test('a failed pool is neither alive nor ready, and one that stops is no longer ready', async () => {
    const clocked = await ClockedServer.start('2026-11-26T00:00:00Z', { metrics: true });
    const where = clocked.server.metricsAddress ?? '';
    const status = async (path: string): Promise<number> => (await fetch(`http://${where}${path}`)).status;
    expect([await status('/healthz'), await status('/readyz')]).toEqual([200, 200]);
    clocked.breakMedium();
    await expect(clocked.ask('lun.create', { name: 'lost', sizeBytes: 1 << 20 })).rejects.toThrow();
    expect([await status('/healthz'), await status('/readyz')]).toEqual([503, 503]);
    expect(
      new ParsedMetrics(await (await fetch(`http://${where}/metrics`)).text()).value('snaplun_pool_up'),
    ).toBe(0);
    await clocked.end().catch(() => undefined);
    await expect(status('/healthz')).rejects.toThrow();
  });

  test('are off unless asked for, and a port alone is one of this machine', async () => {
    const quiet = await startServer({ args: ['--init', 'a:1M'] });
    expect(await quiet.cli('status')).toMatchObject({ metrics: null });
    await quiet.stop();
    const alone = await startServer({ args: ['--metrics', '0'] });
    expect(await alone.cli('status')).toMatchObject({ metrics: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
    await alone.stop();
    expect(alone.log).not.toContain('metrics-open');
    const open = await startServer({ args: ['--metrics', '0.0.0.0:0'] });
    await open.stop();
    expect(open.log).toContain('metrics-open');
  });

  test('a port that is taken is refused before the pool is made', async () => {
    const words = ['serve', '--pool', `${server.pool}/none`, '--metrics', address];
    const outcome = await run(process.execPath, [SNAPLUN, ...words]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/^snaplun: cannot serve metrics on 127\.0\.0\.1:\d+: EADDRINUSE\n$/);
  });
});
