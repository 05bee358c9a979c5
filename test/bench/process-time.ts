/** Which processes serve a port, and how much processor time they have used. Linux only: it reads /proc. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Clock ticks per second in /proc, the same on every architecture that Node.js runs on. */
const TICKS_PER_SECOND = 100;
const STATE_LISTEN = '0A';

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process has ended, or belongs to somebody else.
    return otherwise;
  }
}

function listeningInodes(port: number): Set<string> {
  const found = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readOr(table, '').split('\n').slice(1)) {
      const columns = line.trim().split(/\s+/);
      const localPort = Number.parseInt((columns[1] ?? '').split(':').at(-1) ?? '', 16);
      if (columns[3] === STATE_LISTEN && localPort === port) found.add(`socket:[${columns[9]}]`);
    }
  }
  return found;
}

/** The columns of /proc/PID/stat behind the command's name: the state is the first. */
function statOf(pid: string): string[] {
  const text = readOr(`/proc/${pid}/stat`, '');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function holdsOneOf(pid: string, inodes: ReadonlySet<string>): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((fd) => inodes.has(linkOf(`${folder}/${fd}`)));
  } catch {
    return false;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** The processes that listen on a TCP port of this machine, and all their descendants. */
export function processesServing(port: number): string[] {
  if (!existsSync('/proc/net/tcp')) return [];
  const inodes = listeningInodes(port);
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const found = new Set(pids.filter((pid) => holdsOneOf(pid, inodes)));
  const parents = new Map(pids.map((pid) => [pid, statOf(pid)[1] ?? '']));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}

/** User and system time of these processes so far, in seconds; undefined when nothing is known of them. */
export function processorSeconds(pids: readonly string[]): number | undefined {
  if (pids.length === 0) return undefined;
  const ticks = pids.map((pid) => {
    const columns = statOf(pid);
    return Number(columns[11] ?? 0) + Number(columns[12] ?? 0);
  });
  return ticks.reduce((sum, one) => sum + one, 0) / TICKS_PER_SECOND;
}
