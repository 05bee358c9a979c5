/**
 * QEMU's iSCSI driver as the initiator: whole images copied and compared, and single operations read back.
 */
import { randomFillSync } from 'node:crypto';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Server, startServer } from '../support/server.ts';
import { output, qemuIo } from './tools.ts';

const MEBIBYTE = 1024 * 1024;
const DISK_BYTES = 64 * MEBIBYTE;

let server: Server;
let folder: string;

/** An image of the disk's size with data at both ends and a hole between. */
async function makeImage(): Promise<string> {
  const path = join(folder, 'image.raw');
  await writeFile(path, randomFillSync(new Uint8Array(12 * MEBIBYTE)));
  const file = await open(path, 'r+');
  await file.write(randomFillSync(new Uint8Array(MEBIBYTE)), 0, MEBIBYTE, DISK_BYTES - MEBIBYTE);
  await file.close();
  return path;
}

/** The machine may be busy, and each command of the admin client is a process of its own. */
const SLOW_MS = 120_000;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'snaplun-qemu-'));
  server = await startServer({ args: ['--init', `disk0:${DISK_BYTES}`] });
  await server.cli('lun', 'create', 'disk1', '--size', '32M');
  await server.cli('lun', 'create', 'disk2', '--size', '32M', '--block-size', '4096');
}, SLOW_MS);

afterAll(async () => {
  expect(await server.stop()).toMatchObject({ code: 0 });
  await rm(folder, { recursive: true, force: true });
});

describe('QEMU and the server', () => {
  test('qemu-img converts an image onto a LUN and compares the two, to the byte', async () => {
    const image = await makeImage();
    const url = server.url(0);
    const compare = ['compare', '-f', 'raw', '-F', 'raw', image, url];
    await output('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', image, url]);
    expect(await output('qemu-img', compare)).toContain('Images are identical.');
    const file = await open(image, 'r+');
    const { buffer } = await file.read(new Uint8Array(1), 0, 1, 5 * MEBIBYTE + 7);
    await file.write(Uint8Array.of((buffer[0] ?? 0) ^ 1), 0, 1, 5 * MEBIBYTE + 7);
    await file.close();
    expect(await output('qemu-img', compare, 1)).toContain(`Content mismatch at offset ${5 * MEBIBYTE}`);
  });

  test.each([
    ['512-byte', 1],
    ['4096-byte', 2],
  ])('qemu-io writes, reads, discards and zeroes on a LUN of %s blocks', async (_, lun) => {
    const said = await qemuIo(
      server.url(lun),
      'write -P 0xab 1M 1M',
      'read -P 0xab 1M 1M',
      'write -z 1280k 16k',
      'discard 1536k 16k',
      // Shorter than 32 KiB: above that QEMU asks GET LBA STATUS first, with a length that fails an assertion
      // of its own on 4096-byte blocks.
      ...['read -P 0xab 1264k 16k', 'read -P 0 1280k 16k', 'read -P 0xab 1296k 16k'],
      ...['read -P 0xab 1520k 16k', 'read -P 0 1536k 16k', 'read -P 0xab 1552k 16k'],
      'flush',
    );
    expect(said).toContain('wrote 1048576/1048576 bytes at offset 1048576');
    expect(said).toContain('discard 16384/16384 bytes at offset 1572864');
    expect(said).not.toContain('verification failed');
  });

  test('a write of part of a pool block leaves the rest of it as it was', async () => {
    const url = server.url(1);
    await qemuIo(url, 'write -P 0x11 8M 8k', 'write -P 0x22 8389632 1024', 'write -P 0x33 8395776 512');
    const said = await qemuIo(
      url,
      'read -P 0x11 8M 1024',
      'read -P 0x22 8389632 1024',
      'read -P 0x11 8390656 5120',
      'read -P 0x33 8395776 512',
      'read -P 0x11 8396288 512',
    );
    expect(said).not.toContain('verification failed');
  });

  test('what was flushed is there after the server was killed and started again', async () => {
    await qemuIo(server.url(1), 'write -P 0x5e 16M 2M', 'flush');
    await server.restart('SIGKILL');
    const said = await qemuIo(server.url(1), 'read -P 0x5e 16M 2M', 'read -P 0 20M 1M');
    expect(said).not.toContain('verification failed');
  });

  test('a pattern that is not there is noticed', async () => {
    const words = ['-f', 'raw', '-c', 'read -P 0x77 20M 512', server.url(1)];
    expect(await output('qemu-io', words, 1)).toContain('Pattern verification failed');
  });
});
