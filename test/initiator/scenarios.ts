/** What can be run in guests: each scenario is a script, and what it wants of the host before it starts. */
import { fileURLToPath } from 'node:url';
import type { Server } from '../support/server.ts';
import { CHAP, setChap } from './host.ts';

/** The LUN that every scenario finds when it starts. */
export const DISK = 'disk0';

export interface Scenario {
  readonly name: string;
  /** One line for people, for `--help` and the page of results. */
  readonly shows: string;
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
    shows:
      'discovery and login; ext4 made and mounted; files read back with their checksums after a ' +
      'remount; e2fsck clean; logout',
    diskSize: '512M',
    timeoutMs: 120_000,
  },
  {
    name: 'ext4',
    shows:
      'what the kernel makes of VPD pages and READ CAPACITY; mkfs, files with checksums, fio with ' +
      'verification; what fstrim gives back shows in `pool status`; remount, e2fsck clean',
    script: 'file-system',
    diskSize: '1G',
    timeoutMs: 300_000,
    args: ['ext4', '20'],
  },
  {
    name: 'xfs',
    shows: 'the same on XFS, xfs_repair clean',
    script: 'file-system',
    diskSize: '1G',
    timeoutMs: 300_000,
    args: ['xfs', '20'],
  },
  {
    name: 'snapshot-between',
    shows:
      'fsfreeze, snapshot, thaw: the snapshot shows by itself, mounts read-only beside the original and ' +
      'has the old files; a clone is mounted and written; `snapshot diff` names what was written and no more; ' +
      'rollback under a logged-in session',
    diskSize: '512M',
    timeoutMs: 240_000,
  },
  {
    name: 'target-restart',
    shows:
      'SIGKILL and restart of the server under fio with verification: I/O goes on by itself, nothing is lost; ' +
      'a graceful stop the same, without a lost connection and faster; gone for longer than the ' +
      'replacement timeout, and back',
    diskSize: '512M',
    timeoutMs: 300_000,
    args: ['20'],
  },
  {
    name: 'chap-digest',
    shows:
      'discovery with CHAP; one-way and mutual CHAP, refused without or with wrong secrets on either side; ' +
      'the four combinations of digests',
    diskSize: '64M',
    timeoutMs: 300_000,
    args: [CHAP.user, CHAP.secret, CHAP.targetUser, CHAP.targetSecret],
    prepare: (server) => setChap(server, false),
  },
  {
    name: 'grow-and-add',
    shows:
      'under load: a disk grows online and the file system on it; LUNs come, show by themselves and are ' +
      'deleted while they are written',
    diskSize: '512M',
    timeoutMs: 240_000,
  },
  {
    name: 'multipath',
    shows: 'two portals and dm-multipath: a path is lost under fio with verification, and comes back',
    diskSize: '512M',
    timeoutMs: 240_000,
    serveArgs: ['--portal', '127.0.0.1:0'],
  },
  {
    name: 'reservations',
    shows:
      'a persistent reservation between two guests: who does not hold it cannot write, also after SIGKILL of ' +
      'the server; preempted, released, cleared',
    diskSize: '64M',
    timeoutMs: 240_000,
    guestCount: 2,
  },
  {
    name: 'preserve',
    shows:
      'a second VLUN made under fio shows by itself; a second guest mounts and writes it, both go on ' +
      'writing; rules P3 to P5 hold for whole and partial blocks; after `release` it follows no more',
    diskSize: '256M',
    timeoutMs: 300_000,
    guestCount: 2,
  },
  {
    name: 'group-snapshot',
    shows:
      'two LUNs with one file system (ext4 with an external journal), snapshotted together under load: ' +
      'the same point in time on both, mounts after the replay of its journal, e2fsck clean',
    diskSize: '256M',
    timeoutMs: 480_000,
    args: ['5'],
  },
  {
    name: 'snapshots-under-load',
    shows:
      'a snapshot every second for a minute under fio, nothing frozen: each mounts after the replay of its ' +
      'journal, holds what was durable before it, and passes e2fsck',
    diskSize: '256M',
    timeoutMs: 900_000,
    args: ['60'],
  },
];

export const scriptOf = (scenario: Scenario): string =>
  fileURLToPath(new URL(`./scenarios/${scenario.script ?? scenario.name}.sh`, import.meta.url));
