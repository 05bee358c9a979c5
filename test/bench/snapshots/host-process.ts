/** A host (host.ts) as the measuring process sees it: started, asked, watched and ended. */
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFilePool } from '../../../snapshot/medium/file.ts';
import { POOL_BLOCK_BYTES } from '../../../snapshot/medium/medium.ts';
import { preallocateExtent } from '../../../snapshot/medium/posix.ts';
import { ask } from '../../../src/admin/client.ts';
import { ended } from '../../support/child.ts';
import { nextMessage, startProgramUnder } from '../generators.ts';
import type { LoopStalls } from '../loop-watch.ts';
import type { Address } from '../wire.ts';
import type { Facts, HostOrder, HostPlan, Serving } from './host.ts';

const OPEN_TIMEOUT_MS = 600_000;

export class Host {
  readonly address: Address;
  readonly target: string;
  readonly openedMs: number;
  readonly directory: string;
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;

  private constructor(plan: HostPlan, child: ChildProcess, serving: Serving) {
    this.#child = child;
    this.#gone = ended(child);
    this.directory = plan.directory;
    this.address = { host: '127.0.0.1', port: serving.port };
    this.target = serving.target;
    this.openedMs = serving.openedMs;
  }

  /** Starts it, by the words of another program where one is to limit it. */
  static async start(plan: HostPlan, under: readonly string[] = []): Promise<Host> {
    const child = startProgramUnder(under, 'snapshots/host.ts', JSON.stringify(plan));
    const serving = await nextMessage<Serving>(child, OPEN_TIMEOUT_MS);
    return new Host(plan, child, serving);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** A verb over the admin socket, as the command line asks it. */
  ask(verb: string, args: Record<string, unknown>): Promise<unknown> {
    return ask(join(this.directory, 'admin.sock'), verb, args);
  }

  async facts(): Promise<Facts> {
    const answer = nextMessage<Facts>(this.#child);
    this.#order({ say: 'facts' });
    return answer;
  }

  /** From now on its event loop is watched. */
  watchLoop(): void {
    this.#order({ say: 'watchLoop' });
  }

  /** How long its event loop was kept from turning since `watchLoop`. */
  async loopStalls(): Promise<LoopStalls> {
    const answer = nextMessage<LoopStalls>(this.#child);
    this.#order({ say: 'loop' });
    return answer;
  }

  /** Anonymous memory it holds now, in bytes. Linux only: it reads /proc. */
  async anonymousBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
  }

  /** As an operator ends it. */
  async stop(): Promise<void> {
    this.#order({ say: 'stop' });
    await this.#gone;
  }

  /** At once, without a word. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#gone;
  }

  #order(order: HostOrder): void {
    this.#child.send(order);
  }
}

/** A directory for one figure, removed when `work` has ended, whatever happens. */
export async function withDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'snaplun-bench-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Makes the pool's files, if `build` has not, serves them, and ends the server whatever happens. */
export async function withHost<T>(
  plan: Omit<HostPlan, 'directory'> & {
    readonly build?: (directory: string) => Promise<void>;
    readonly under?: readonly string[];
  },
  work: (host: Host) => Promise<T>,
): Promise<T> {
  const { build = newPool, under, ...rest } = plan;
  return withDirectory(async (directory) => {
    await build(directory);
    const host = await Host.start({ ...rest, directory }, under);
    try {
      return await work(host);
    } finally {
      await host.kill();
    }
  });
}

const POOL_BYTES = 2 ** 40;
const TAKEN_BYTES = 16 * 2 ** 30;

/**
 * A new pool whose data file has its space already, as a device has: when ext4 first gives a file space it
 * reads its maps of what is free, and a write that waits for that, behind a flush, waits longer than for
 * anything that is measured here.
 */
async function newPool(directory: string): Promise<void> {
  await createFilePool(directory, { capacityBlocks: POOL_BYTES / POOL_BLOCK_BYTES });
  const file = await open(join(directory, 'data'), 'r+');
  await preallocateExtent(file.fd, { offsetBytes: 0, lengthBytes: TAKEN_BYTES });
  await file.close();
}
