/**
 * Memory of a server whose tables are several times larger than its cache. The limit is that of a control
 * group, which counts the page cache too: a systemd scope with MemoryMax, or a group of the first version
 * made for the run. Where neither is to be had it is the process's own limit on private writable memory
 * (RLIMIT_DATA, which counts heap, stacks and anonymous maps, touched or not, and no files).
 */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cacheBounds } from '../../../snapshot/pool-types.ts';
import { measure } from '../measure.ts';
import { buildPool, WHOLE_PAGE } from './build.ts';
import { atMost, type Bench, type Figure, type Measured, rounded } from './figure.ts';
import { type Host, withHost } from './host-process.ts';
import { READS_Q32, WRITES_Q32 } from './stall.ts';

const TiB = 2 ** 40;
const MiB = 2 ** 20;
const PAGE_BYTES = MiB;
const CACHE_BYTES = 256 * MiB;
const LIMIT_BYTES = 768 * MiB;
const LOOK_MS = 100;
const PATTERN_MS = 30_000;
const QUICK_SHRINK = 64;

const GROUPS = '/sys/fs/cgroup/memory';

interface Limit {
  readonly words: readonly string[];
  readonly what: string;
  /** When the server has ended. */
  remove(): void;
}

/** A control group of the first version; undefined where there are none, or not for this user. */
function ownGroup(): Limit | undefined {
  const group = join(GROUPS, `snaplun-bench-${process.pid}`);
  try {
    mkdirSync(group);
    writeFileSync(join(group, 'memory.limit_in_bytes'), String(LIMIT_BYTES));
  } catch {
    return undefined;
  }
  return {
    words: ['sh', '-c', `echo $$ > ${group}/cgroup.procs && exec "$@"`, 'sh'],
    what: 'a control group, which counts the page cache too',
    remove: () => rmdirSync(group),
  };
}

function limit(): Limit {
  if (existsSync('/run/systemd/system')) {
    const words = [
      'systemd-run',
      '--scope',
      '--quiet',
      '-p',
      `MemoryMax=${LIMIT_BYTES}`,
      '-p',
      'MemorySwapMax=0',
    ];
    const what = 'a systemd scope with MemoryMax, which counts the page cache too';
    return { words, what, remove: () => undefined };
  }
  const what = 'RLIMIT_DATA, which counts private writable memory, since there are no control groups here';
  return ownGroup() ?? { words: ['prlimit', `--data=${LIMIT_BYTES}`], what, remove: () => undefined };
}

/** The most it held while `work` was done. */
async function watched(host: Host, work: () => Promise<void>): Promise<number> {
  let most = 0;
  let going = true;
  const watch = async (): Promise<void> => {
    while (going) {
      most = Math.max(most, await host.anonymousBytes());
      await sleep(LOOK_MS);
    }
  };
  const watching = watch();
  await work().finally(() => {
    going = false;
  });
  await watching;
  return most;
}

async function measured(bench: Bench, host: Host, what: string): Promise<Measured[]> {
  await host.ask('lun.map', { name: 'disk' });
  const target = { label: 'disk', lun: 0, address: host.address, name: host.target };
  const timing = { durationMs: bench.quick ? 2000 : PATTERN_MS, warmUpMs: 200, spanBytes: TiB, zeroes: true };
  const rates: string[] = [];
  bench.say('reads and writes over 1 TiB with a small cache');
  const most = await watched(host, async () => {
    for (const [seed, pattern] of [READS_Q32, WRITES_Q32, READS_Q32].entries()) {
      const { commandsPerSecond } = await measure({ generators: bench.generators, target }, pattern, {
        ...timing,
        seed,
      });
      rates.push(`${rounded(commandsPerSecond)} ${pattern === READS_Q32 ? 'reads' : 'writes'}/s`);
    }
    await host.ask('snapshot.create', { vluns: ['disk'], snapshot: 's' });
  });
  return [
    {
      what: 'anonymous memory, 1 TiB mapped in pieces of 4 KiB, cache 256 MiB, under a limit of 768 MiB',
      ...atMost(most / MiB, 512, 'MiB'),
      conditions:
        `the most seen while 4 KiB random reads, writes and reads ran for ${timing.durationMs / 1000} s each over the ` +
        `whole LUN, depth 32 (${rates.join(', ')}); limit: ${what}; pool built directly, data dropped`,
    },
  ];
}

async function memory(bench: Bench): Promise<Measured[]> {
  bench.say('building a LUN of 1 TiB, all of it mapped');
  const { words, what, remove } = limit();
  const endPage = TiB / PAGE_BYTES / (bench.quick ? QUICK_SHRINK : 1);
  const plan = {
    dropsData: true,
    bounds: cacheBounds(CACHE_BYTES),
    under: words,
    build: (directory: string) =>
      buildPool(directory, {
        images: [{ id: 1, frozen: false, firstPage: 0, endPage, blocks: WHOLE_PAGE }],
        vluns: [{ name: 'disk', sizeBytes: TiB, live: 1, snapshots: [] }],
      }),
  };
  return withHost(plan, (host) => measured(bench, host, what)).finally(remove);
}

export const MEMORY: Figure = {
  name: 'memory',
  title: 'memory with large tables',
  seconds: 150,
  run: memory,
};
