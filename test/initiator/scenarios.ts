/** What can be run in guests: each scenario is a script, and what it wants of the host before it starts. */
import { fileURLToPath } from 'node:url';
import type { Server } from '../support/server.ts';
import { CHAP, setChap } from './host.ts';

/** The LUN that every scenario finds when it starts. */
export const DISK = 'disk0';

export interface Scenario {
  readonly name: string;
  readonly about: string;
  /** The file in `scenarios/` without its ending. Default the scenario's name. */
  readonly script?: string;
  readonly diskSize: string;
  /** Of each guest, boot included. Several times what it took on two cores. */
  readonly timeoutMs: number;
  /** What follows the target's name and the LUN number on the script's command line. Default nothing. */
  readonly args?: readonly string[];
  /** How many guests run the script; $GUEST tells it which one it is. Default 1. */
  readonly guestCount?: number;
  /** More words for `serve`. */
  readonly serveArgs?: readonly string[];
  /** What the host does before the guest boots. */
  prepare?(server: Server): Promise<void>;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'smoke',
    about: 'discover, log in, ext4, write, remount, verify, log out',
    diskSize: '512M',
    timeoutMs: 120_000,
  },
  {
    name: 'ext4',
    about: 'the same with VPD pages, fio with verification, fstrim and e2fsck',
    script: 'file-system',
    diskSize: '1G',
    timeoutMs: 300_000,
    args: ['ext4', '20'],
  },
  {
    name: 'xfs',
    about: 'the same on XFS, and xfs_repair',
    script: 'file-system',
    diskSize: '1G',
    timeoutMs: 300_000,
    args: ['xfs', '20'],
  },
  {
    name: 'snapshot-between',
    about: 'a snapshot between two writes, mounted beside the original; clone, rollback and diff',
    diskSize: '512M',
    timeoutMs: 240_000,
  },
  {
    name: 'target-restart',
    about: 'SIGKILL and restart of the server under load, then a graceful stop and restart',
    diskSize: '512M',
    timeoutMs: 300_000,
    args: ['20'],
  },
  {
    name: 'chap-digest',
    about: 'CHAP at discovery, one-way and mutual, refused and accepted; every combination of digests',
    diskSize: '64M',
    timeoutMs: 300_000,
    args: [CHAP.user, CHAP.secret, CHAP.targetUser, CHAP.targetSecret],
    prepare: (server) => setChap(server, false),
  },
  {
    name: 'grow-and-add',
    about: 'under load: online resize, LUNs that come and go by themselves',
    diskSize: '512M',
    timeoutMs: 240_000,
  },
  {
    name: 'multipath',
    about: 'two portals and dm-multipath, one path lost under load and back',
    diskSize: '512M',
    timeoutMs: 240_000,
    serveArgs: ['--portal', '127.0.0.1:0'],
  },
  {
    name: 'reservations',
    about: 'two guests and a persistent reservation, kept over SIGKILL, preempted, released',
    diskSize: '64M',
    timeoutMs: 240_000,
    guestCount: 2,
  },
  {
    name: 'preserve',
    about: 'a second VLUN follows the first under fio; a second guest mounts it and both write',
    diskSize: '256M',
    timeoutMs: 300_000,
    guestCount: 2,
  },
];

export const scriptOf = (scenario: Scenario): string =>
  fileURLToPath(new URL(`./scenarios/${scenario.script ?? scenario.name}.sh`, import.meta.url));
