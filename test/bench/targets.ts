/** The servers that are compared, each started by us on loopback with files of its own, and ended by us. */
import assert from 'node:assert';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ended, run, startChild } from '../support/child.ts';
import { startServer } from '../support/server.ts';
import { nextMessage, startProgram } from './generators.ts';
import type { Address } from './wire.ts';

/** A server under measurement. */
export interface Target {
  readonly label: string;
  readonly address: Address;
  /** The iSCSI name; the bare server has none. */
  readonly name: string | undefined;
  readonly lun: number;
  /** In place of the one: one for each session. */
  readonly luns?: readonly number[];
}

/** Targets that live and die together. */
export interface Opened {
  readonly targets: readonly Target[];
  stop(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const TGT_ATTEMPTS_MAX = 20;
const TGT_START_MS = 300;
/** The numbers by which tgtadm finds its daemon. */
const TGT_CONTROL_FIRST = 21_000;
const TGT_CONTROL_COUNT = 10_000;
const TGT_NAME = 'iqn.2026-11.io.snaplun:tgt';
const TGT_TUNED_NAME = 'iqn.2026-11.io.snaplun:tgt-tuned';
const TGT_TUNING = [
  'MaxRecvDataSegmentLength=262144',
  'FirstBurstLength=262144',
  'MaxBurstLength=1048576',
  'InitialR2T=No',
  'MaxOutstandingR2T=8',
] as const;

export async function openSnaplun(sizeBytes: number): Promise<Opened> {
  const server = await startServer({ args: ['--init', `bench:${sizeBytes}`], host: LOOPBACK });
  const target = {
    label: 'snaplun',
    address: { host: LOOPBACK, port: server.port },
    name: server.target,
    lun: 0,
  };
  return {
    targets: [target],
    stop: async () => {
      const exit = await server.stop();
      assert(exit?.code === 0, `snaplun did not stop cleanly: ${JSON.stringify(exit)}\n${server.log}`);
    },
  };
}

export async function openBare(): Promise<Opened> {
  const child = startProgram('bare-server.ts');
  const gone = ended(child);
  const port = await nextMessage<number>(child);
  return {
    targets: [{ label: 'bare TCP', address: { host: LOOPBACK, port }, name: undefined, lun: 0 }],
    stop: async () => {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** True when Debian's tgt is there: the daemon and the program that speaks to it. */
export async function tgtIsInstalled(): Promise<boolean> {
  const found = await run('sh', ['-c', 'command -v tgtd && command -v tgtadm']);
  return found.code === 0;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert(address !== null && typeof address === 'object');
  return address.port;
}

async function tgtadm(control: number, words: string): Promise<boolean> {
  const outcome = await run('tgtadm', ['-C', String(control), '--lld', 'iscsi', ...words.split(' ')]);
  return outcome.code === 0;
}

/** One tgt daemon with two targets, as it comes and with long segments, each over a file of its own. */
export async function openTgt(sizeBytes: number): Promise<Opened> {
  const control = TGT_CONTROL_FIRST + (process.pid % TGT_CONTROL_COUNT);
  const folder = await mkdtemp(join(tmpdir(), 'tgt-bench-'));
  const { child, port } = await startTgtd(control);
  const gone = ended(child);
  const names = [TGT_NAME, TGT_TUNED_NAME];
  const words: string[] = [];
  for (const [index, name] of names.entries()) {
    const image = join(folder, `lun${index}`);
    await writeFile(image, '');
    await truncate(image, sizeBytes);
    const tid = index + 1;
    words.push(`--op new --mode target --tid ${tid} -T ${name}`);
    const tuning = name === TGT_TUNED_NAME ? TGT_TUNING : [];
    for (const one of tuning) {
      words.push(`--op update --mode target --tid ${tid} --name ${one.replace('=', ' --value ')}`);
    }
    words.push(`--op new --mode logicalunit --tid ${tid} --lun 1 --bstype rdwr -b ${image}`);
    words.push(`--op update --mode logicalunit --tid ${tid} --lun 1 --params thin_provisioning=1`);
    words.push(`--op bind --mode target --tid ${tid} -I ALL`);
  }
  for (const one of words) assert(await tgtadm(control, one), `tgtadm ${one}`);
  const address = { host: LOOPBACK, port };
  return {
    targets: [
      { label: 'tgt', address, name: TGT_NAME, lun: 1 },
      { label: 'tgt tuned', address, name: TGT_TUNED_NAME, lun: 1 },
    ],
    stop: async () => {
      // SIGTERM does nothing to tgtd while it has targets.
      child.kill('SIGKILL');
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startTgtd(control: number) {
  for (let attempt = 0; attempt < TGT_ATTEMPTS_MAX; attempt += 1) {
    const port = await freePort();
    const words = ['-f', '-C', String(control), '--iscsi', `portal=${LOOPBACK}:${port}`];
    const child = startChild('tgtd', words, { stdio: 'ignore' });
    await sleep(TGT_START_MS);
    if (child.exitCode === null && (await tgtadm(control, '--op show --mode target'))) return { child, port };
    child.kill('SIGKILL');
  }
  return assert.fail('tgtd did not start');
}
