/**
 * The lease of a pool in a directory, shown with real processes: a second one is refused, the death of
 * the first by SIGKILL frees it at once, and everything the dead one had reported as done is there.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { createFilePool, openFileMedium } from '../../../../snapshot/medium/file.ts';
import { blockOf, readRun, segmentsOf } from '../../../support/medium-contract.ts';

// A child compiles what it runs, on machines that may be busy.
vi.setConfig({ testTimeout: 120_000 });

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'snaplun-lease-'));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  fs.rmSync(root, { recursive: true });
});

const RUNNER = path.resolve('test/support/run-typescript.mjs');
const HOLDER = path.resolve('test/unit/snapshot/medium/holder.ts');

/** A child with the pool, and the lines it said so far. */
function startHolder(directory: string, task: 'hold' | 'write') {
  const child = spawn(process.execPath, ['--import', RUNNER, HOLDER, directory, task], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const said: string[] = [];
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    said.push(...lines);
  });
  const line = async (): Promise<string> => {
    while (said.length === 0 && child.exitCode === null) await once(child.stdout, 'data');
    return said[0] ?? '';
  };
  return { child, said, line };
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'close');
  child.kill('SIGKILL');
  await ended;
}

async function newPool(): Promise<string> {
  const directory = fs.mkdtempSync(path.join(root, 'pool-'));
  await createFilePool(directory, { capacityBlocks: 2 ** 20, journalSegmentBytes: 64 * 1024 });
  return directory;
}

test('a second process is refused and told who has it; SIGKILL of the holder frees the pool', async () => {
  const directory = await newPool();
  const holder = startHolder(directory, 'hold');
  expect(await holder.line()).toBe('open 1');
  await expect(openFileMedium(directory)).rejects.toMatchObject({
    code: 'in-use',
    message: expect.stringContaining(`process ${holder.child.pid} on ${os.hostname()}`),
  });
  const second = startHolder(directory, 'hold');
  expect(await second.line()).toMatch(/^refused in-use /);
  await kill(holder.child);
  const medium = await openFileMedium(directory);
  expect(medium.lease.epoch).toBe(2);
  await medium.close();
});

test('a refused opening counts no epoch', async () => {
  const directory = await newPool();
  const medium = await openFileMedium(directory);
  await expect(openFileMedium(directory)).rejects.toMatchObject({ code: 'in-use' });
  await medium.close();
  const again = await openFileMedium(directory);
  expect(again.lease.epoch).toBe(medium.lease.epoch + 1);
  await again.close();
});

test('what a killed process had completed is there: data, journal and tables', async () => {
  const directory = await newPool();
  const writer = startHolder(directory, 'write');
  const enough = 700;
  while (writer.said.length < enough) await once(writer.child.stdout, 'data');
  await kill(writer.child);
  const done = Number(writer.said.at(-1)?.split(' ')[1]);
  expect(done).toBeGreaterThanOrEqual(enough - 1);
  const medium = await openFileMedium(directory);
  for (let n = 1; n <= done; n += 1) {
    expect(Buffer.compare(await readRun(medium, n, 1), blockOf(n & 255))).toBe(0);
  }
  const logged: number[] = [];
  for (const { bytes } of await segmentsOf(medium)) {
    for (let at = 0; at + 512 <= bytes.byteLength; at += 512) {
      const n = Buffer.from(bytes.buffer, bytes.byteOffset + at, 4).readUInt32LE();
      if (n !== 0) logged.push(n);
    }
  }
  expect(logged.slice(0, done)).toEqual(Array.from({ length: done }, (_, i) => i + 1));
  const last = await medium.meta.get(Buffer.from('last'));
  expect(Buffer.from(last ?? []).readUInt32LE()).toBeGreaterThanOrEqual(done - (done % 50));
  await medium.close();
});
