/**
 * Snapshots, clones and preserved VLUNs as QEMU sees them: what each reads while the original is written on.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Server, startServer } from '../support/server.ts';
import { output, qemuIo } from './tools.ts';

const MEBIBYTE = 1024 * 1024;

interface LunRow {
  readonly name: string;
  readonly lun: number;
}

let server: Server;

async function lunOf(name: string): Promise<number> {
  const rows = (await server.cli('lun', 'list')) as LunRow[];
  const row = rows.find((one) => one.name === name);
  expect(row, `${name} is in ${JSON.stringify(rows)}`).toBeDefined();
  return row?.lun ?? -1;
}

async function usedBytes(): Promise<number> {
  const { usedBytes: bytes } = (await server.cli('pool', 'status')) as { usedBytes: number };
  return bytes;
}

beforeEach(async () => {
  server = await startServer({ args: ['--init', 'disk0:1G'] });
});

afterEach(async () => {
  expect(await server.stop()).toMatchObject({ code: 0 });
});

/** Each command of the admin client is a process of its own, and the machine may be busy. */
const SLOW_MS = 120_000;

describe('Snapshots seen from outside', { timeout: SLOW_MS }, () => {
  test('a mapped snapshot keeps what the original loses, and refuses writes', async () => {
    await qemuIo(server.url(0), 'write -P 0x01 0 1M', 'flush');
    await server.cli('snapshot', 'create', 'disk0', 's1');
    await server.cli('snapshot', 'map', 'disk0@s1', '--lun', '9');
    await qemuIo(server.url(0), 'write -P 0x02 0 512k', 'discard 512k 256k', 'write -P 0x03 4M 64k');
    const read = ['-r', '-f', 'raw', '-c', 'read -P 0x01 0 1M', '-c', 'read -P 0 4M 64k', server.url(9)];
    expect(await output('qemu-io', read)).not.toContain('verification failed');
    const original = await qemuIo(
      server.url(0),
      'read -P 0x02 0 512k',
      'read -P 0 512k 256k',
      'read -P 0x01 768k 256k',
    );
    expect(original).not.toContain('verification failed');
    const refused = await output('qemu-io', ['-f', 'raw', '-c', 'write -P 0x09 0 4k', server.url(9)], 1);
    expect(refused).toMatch(/read.?only|write.?protected|Read-only/i);
  });

  test('a clone and its origin are written apart, also after SIGKILL and restart', async () => {
    await qemuIo(server.url(0), 'write -P 0x01 0 1M');
    await server.cli('snapshot', 'create', 'disk0', 's1');
    await server.cli('snapshot', 'clone', 'disk0@s1', 'copy');
    const clone = await lunOf('copy');
    await qemuIo(server.url(0), 'write -P 0x02 0 64k', 'flush');
    await qemuIo(server.url(clone), 'read -P 0x01 0 1M', 'write -P 0x03 64k 64k', 'flush');
    await server.restart('SIGKILL');
    await qemuIo(server.url(0), 'read -P 0x02 0 64k', 'read -P 0x01 64k 960k');
    await qemuIo(server.url(clone), 'read -P 0x01 0 64k', 'read -P 0x03 64k 64k', 'read -P 0x01 128k 896k');
  });

  test('a preserved VLUN follows the first and keeps its own writes until the first overwrites', async () => {
    await qemuIo(server.url(0), 'write -P 0x01 0 1M');
    await server.cli('preserve', 'disk0', 'follower');
    const follower = server.url(await lunOf('follower'));
    await qemuIo(follower, 'read -P 0x01 0 1M', 'write -P 0x02 0 64k');
    await qemuIo(server.url(0), 'read -P 0x01 0 1M', 'write -P 0x03 32k 64k');
    await qemuIo(follower, 'read -P 0x02 0 32k', 'read -P 0x03 32k 64k', 'read -P 0x01 96k 928k');
  });

  test('preserve, snapshot and clone of 256 MiB cost less than 1 MiB of the pool', async () => {
    await qemuIo(server.url(0), 'write -P 0x01 0 128M', 'write -P 0x02 128M 128M', 'flush');
    const before = await usedBytes();
    expect(before).toBeGreaterThanOrEqual(256 * MEBIBYTE);
    await server.cli('snapshot', 'create', 'disk0', 's1');
    await server.cli('snapshot', 'clone', 'disk0@s1', 'copy');
    await server.cli('preserve', 'disk0', 'follower');
    expect((await usedBytes()) - before).toBeLessThan(MEBIBYTE);
  });
});
