/**
 * The targets the suite can be run against: this project's server, and for comparison the tgt of the
 * distribution.
 */
import assert from 'node:assert';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ended, run, startChild } from '../support/child.ts';
import { startServer } from '../support/server.ts';
import { CAPACITY_BYTES, type Profile } from './profiles.ts';

/** A running target with one fresh logical unit. */
export interface Peer {
  readonly url: string;
  stop(): Promise<void>;
}

export type OpenPeer = (profile: Profile, lane: number) => Promise<Peer>;

async function openSnaplun(profile: Profile): Promise<Peer> {
  const server = await startServer();
  const words = ['--size', String(CAPACITY_BYTES), '--block-size', String(profile.blockBytes)];
  if (profile.removable) words.push('--removable');
  if (profile.readOnly) words.push('--read-only');
  await server.cli('lun', 'create', 'disk0', ...words);
  return {
    url: server.url(0),
    stop: async () => {
      const exit = await server.stop();
      assert(exit?.code === 0, `the server did not stop cleanly: ${JSON.stringify(exit)}\n${server.log}`);
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert(address !== null && typeof address === 'object');
  return address.port;
}

/** Whether the distribution's tgt is here to compare with. */
export function hasTgt(): boolean {
  return ['/usr/sbin/tgtd', '/usr/bin/tgtd'].some((path) => existsSync(path));
}

const TGT_TARGET = 'iqn.2026-01.peer:tgt';
/** tgtadm finds its daemon by this number; each lane has its own. */
const TGT_CONTROL_FIRST = 700 + (process.pid % 20_000);

async function startTgtd(control: number): Promise<{ child: ChildProcess; port: number }> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const port = await freePort();
    const child = startChild('tgtd', ['-f', '-C', String(control), '--iscsi', `portal=127.0.0.1:${port}`]);
    await sleep(300);
    if (child.exitCode === null && (await tgtadm(control, '--op show --mode target'))) return { child, port };
    child.kill('SIGKILL');
  }
  return assert.fail('tgtd did not start');
}

async function tgtadm(control: number, words: string): Promise<boolean> {
  const outcome = await run('tgtadm', ['-C', String(control), '--lld', 'iscsi', ...words.split(' ')]);
  return outcome.code === 0;
}

async function openTgt(profile: Profile, lane: number): Promise<Peer> {
  const control = TGT_CONTROL_FIRST + lane;
  const folder = await mkdtemp(join(tmpdir(), 'tgtd-test-'));
  const image = join(folder, 'lun');
  await writeFile(image, '');
  await truncate(image, CAPACITY_BYTES);
  const { child, port } = await startTgtd(control);
  const gone = ended(child);
  const params = ['thin_provisioning=1'];
  if (profile.removable) params.push('removable=1');
  if (profile.readOnly) params.push('readonly=1');
  for (const words of [
    `--op new --mode target --tid 1 -T ${TGT_TARGET}`,
    `--op new --mode logicalunit --tid 1 --lun 1 --blocksize ${profile.blockBytes} -b ${image}`,
    ...params.map((param) => `--op update --mode logicalunit --tid 1 --lun 1 --params ${param}`),
    '--op bind --mode target --tid 1 -I ALL',
  ]) {
    assert(await tgtadm(control, words), `tgtadm ${words}`);
  }
  return {
    url: `iscsi://127.0.0.1:${port}/${TGT_TARGET}/1`,
    stop: async () => {
      // SIGTERM does nothing to tgtd while it has targets.
      child.kill('SIGKILL');
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const PEERS: Readonly<Record<string, OpenPeer>> = { snaplun: openSnaplun, tgt: openTgt };

/** A target that someone else started and will stop; a failed test cannot be followed by a fresh one. */
export function peerElsewhere(url: string): OpenPeer {
  return async () => ({ url, stop: async () => undefined });
}
