/**
 * What can be run in the guest: the script, its arguments, and what the host does when the script asks for
 * it.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Server } from '../support/server.ts';
import type { HostAnswer, HostSide } from './control.ts';

/** The LUN that every scenario finds when it starts. */
export const DISK = 'disk0';

export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly diskSize: string;
  readonly timeoutMs: number;
  /** What follows the target's name and the LUN number on the script's command line. */
  readonly args: readonly string[];
  hostSide(server: Server): HostSide;
  /** What the host does before the guest boots. */
  prepare?(server: Server): Promise<void>;
}

const done = (output = ''): HostAnswer => ({ status: 0, output });
const unknown = (words: readonly string[]): HostAnswer => {
  return { status: 127, output: `this scenario's host side does not know: ${words.join(' ')}\n` };
};

/** For scenarios that need nothing of the host. */
const silent = (): HostSide => async (words) => unknown(words);

function snapshots(server: Server): HostSide {
  return async (words) => {
    const [verb, name] = words;
    if (verb === 'snapshot') {
      await server.cli('snapshot', 'create', DISK, name ?? '');
      return done();
    }
    if (verb === 'map') {
      await server.cli('snapshot', 'map', `${DISK}@${name}`);
      const list = (await server.cli('snapshot', 'list', DISK)) as { name: string; mappedLun?: number }[];
      const lun = list.find((one) => one.name === name)?.mappedLun;
      return lun === undefined ? { status: 1, output: 'the snapshot is not mapped\n' } : done(`${lun}\n`);
    }
    return unknown(words);
  };
}

function lifeAndDeath(server: Server): HostSide {
  return async (words) => {
    if (words[0] === 'kill') await server.kill('SIGKILL');
    else if (words[0] === 'start') await server.start();
    else return unknown(words);
    return done();
  };
}

const CHAP = {
  user: 'guest',
  secret: 'guest-secret-0001',
  targetUser: 'target',
  targetSecret: 'target-secret-001',
} as const;

/** Secrets travel in files, which only their owner can read. */
async function setChap(server: Server, mutual: boolean): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'snaplun-chap-'));
  const files = { own: join(folder, 'own'), target: join(folder, 'target') };
  await writeFile(files.own, `${CHAP.secret}\n`, { mode: 0o600 });
  await writeFile(files.target, `${CHAP.targetSecret}\n`, { mode: 0o600 });
  const both = ['--mutual-user', CHAP.targetUser, '--mutual-secret-file', files.target];
  try {
    const words = ['chap', 'set', '--user', CHAP.user, '--secret-file', files.own];
    await server.cli(...words, ...(mutual ? both : []));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function mutualChap(server: Server): HostSide {
  return async (words) => {
    if (words[0] !== 'mutual') return unknown(words);
    await setChap(server, true);
    return done();
  };
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'smoke',
    about: 'discover, log in, ext4, write, remount, verify, log out',
    diskSize: '512M',
    timeoutMs: 120_000,
    args: [],
    hostSide: silent,
  },
  {
    name: 'ext4-smoke',
    about: 'the same with VPD pages, fio with verification, fstrim and e2fsck',
    diskSize: '1G',
    timeoutMs: 300_000,
    args: ['20'],
    hostSide: silent,
  },
  {
    name: 'snapshot-between',
    about: 'a snapshot between two writes, mounted beside the original',
    diskSize: '512M',
    timeoutMs: 180_000,
    args: [],
    hostSide: snapshots,
  },
  {
    name: 'target-restart',
    about: 'SIGKILL and restart of the server under load',
    diskSize: '512M',
    timeoutMs: 300_000,
    args: ['20'],
    hostSide: lifeAndDeath,
  },
  {
    name: 'chap-digest',
    about: 'CHAP one-way and mutual, refused and accepted, and every combination of digests',
    diskSize: '64M',
    timeoutMs: 300_000,
    args: [CHAP.user, CHAP.secret, CHAP.targetUser, CHAP.targetSecret],
    hostSide: mutualChap,
    prepare: (server) => setChap(server, false),
  },
];

export const scriptOf = (scenario: Scenario): string =>
  fileURLToPath(new URL(`./scenarios/${scenario.name}.sh`, import.meta.url));
