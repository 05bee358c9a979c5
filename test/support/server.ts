/**
 * The server as an operator starts it: the built program in its own process, on a free port and a temporary
 * pool, known to the tests only by its command line, its one line on standard output, its admin socket and
 * its portal.
 */
import assert from 'node:assert';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Exit, ended, type Outcome, run, startChild } from './child.ts';

export const SNAPLUN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url));

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 20_000;
const SERVING = /^snaplun: serving (\S+) on (\S+?):(\d+)(?:, \S+)* \(pool (.*), (\d+) LUNs?\)$/;

export interface ServerOptions {
  /** An existing pool directory; without it a temporary one is made, and removed by `stop`. */
  readonly pool?: string;
  /** More words for `serve`, such as `--init disk0:256M`. */
  readonly args?: readonly string[];
  readonly host?: string;
  /** Options of Node itself, such as a module to load before the program. */
  readonly nodeArgs?: readonly string[];
}

/** What the line on standard output said. */
interface Serving {
  readonly target: string;
  readonly port: number;
  readonly lunCount: number;
}

export class Server {
  readonly pool: string;
  readonly #host: string;
  readonly #args: readonly string[];
  readonly #nodeArgs: readonly string[];
  readonly #temporary: boolean;
  #child: ChildProcess | undefined;
  #exit: Promise<Exit> | undefined;
  #serving: Serving | undefined;
  #log = '';

  /** Use `startServer`. */
  constructor(options: ServerOptions & { readonly pool: string; readonly temporary: boolean }) {
    this.pool = options.pool;
    this.#host = options.host ?? '127.0.0.1';
    this.#args = options.args ?? [];
    this.#nodeArgs = options.nodeArgs ?? [];
    this.#temporary = options.temporary;
  }

  get host(): string {
    return this.#host;
  }

  get port(): number {
    return this.#said().port;
  }

  get target(): string {
    return this.#said().target;
  }

  get lunCount(): number {
    return this.#said().lunCount;
  }

  get pid(): number {
    return this.#running().child.pid ?? assert.fail('the process has no number');
  }

  /** Everything the server has logged, over all its lives. */
  get log(): string {
    return this.#log;
  }

  /** The URL by which libiscsi and QEMU name a LUN of the default target. */
  url(lun = 0): string {
    return `iscsi://${this.#host}:${this.port}/${this.target}/${lun}`;
  }

  /**
   * Starts the process; the first time on a free port, later on the port it had, so that initiators find it
   * again.
   */
  async start(): Promise<void> {
    assert(this.#child === undefined, 'the server runs already');
    const portal = `${this.#host}:${this.#serving?.port ?? 0}`;
    const words = ['serve', '--pool', this.pool, '--portal', portal, ...this.#args];
    const child = startChild(process.execPath, [...this.#nodeArgs, SNAPLUN, ...words]);
    this.#child = child;
    this.#exit = ended(child);
    child.stderr?.on('data', (chunk: Uint8Array) => {
      this.#log += Buffer.from(chunk).toString('utf8');
    });
    this.#serving = await this.#awaitServing(child, this.#exit);
  }

  /** Sends a signal and waits for the end of the process. */
  async kill(signal: NodeJS.Signals): Promise<Exit> {
    const { child, exit } = this.#running();
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    const status = await exit.finally(() => clearTimeout(timer));
    this.#child = undefined;
    return status;
  }

  /** Kills the process without a word and starts it again on the same pool and port. */
  async restart(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.kill(signal);
    await this.start();
  }

  /** A graceful stop, if it still runs; then the temporary pool is removed. */
  async stop(): Promise<Exit | undefined> {
    const status = this.#child === undefined ? undefined : await this.kill('SIGTERM');
    if (this.#temporary) await rm(this.pool, { recursive: true, force: true });
    return status;
  }

  /** Ends the process, if it still runs, and leaves the pool for whoever looks into what went wrong. */
  async abandon(): Promise<void> {
    if (this.#child !== undefined) await this.kill('SIGKILL');
  }

  /** Runs the admin client with `--json` and returns the document it printed. */
  async cli(...words: string[]): Promise<unknown> {
    const outcome = await this.tryCli('--json', ...words);
    assert(outcome.code === 0, `snaplun ${words.join(' ')}: exit ${outcome.code}: ${outcome.stderr}`);
    return outcome.stdout.trim() === '' ? undefined : JSON.parse(outcome.stdout);
  }

  /** Runs the admin client and returns what it said, whether it succeeded or not. */
  tryCli(...words: string[]): Promise<Outcome> {
    return run(process.execPath, [SNAPLUN, '--admin', join(this.pool, 'admin.sock'), ...words]);
  }

  /** `pool check` without a server: the proof of the pool's invariants. */
  checkPool(): Promise<Outcome> {
    assert(this.#child === undefined, 'stop the server first');
    return run(process.execPath, [SNAPLUN, '--json', 'pool', 'check', '--pool', this.pool], {
      timeoutMs: 300_000,
    });
  }

  #said(): Serving {
    assert(this.#serving !== undefined, 'the server has not started');
    return this.#serving;
  }

  #running(): { child: ChildProcess; exit: Promise<Exit> } {
    assert(this.#child !== undefined && this.#exit !== undefined, 'the server does not run');
    return { child: this.#child, exit: this.#exit };
  }

  async #awaitServing(child: ChildProcess, exit: Promise<Exit>): Promise<Serving> {
    assert(child.stdout !== null);
    const lines = createInterface({ input: child.stdout });
    const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
    const line = await new Promise<string | undefined>((resolve, reject) => {
      lines.once('line', resolve);
      exit.then(() => resolve(undefined), reject);
    }).finally(() => clearTimeout(timer));
    if (line !== undefined) return parseServing(line);
    const { code, signal } = await exit;
    this.#child = undefined;
    return assert.fail(`the server ended (${signal ?? `exit ${code}`}) before it served:\n${this.#log}`);
  }
}

/** The words of the line `snaplun: serving IQN on HOST:PORT (pool DIR, N LUNs)`. */
function parseServing(line: string): Serving {
  const words = SERVING.exec(line);
  assert(words !== null, `not the line that says what is served: ${line}`);
  return { target: words[1] ?? '', port: Number(words[3]), lunCount: Number(words[5]) };
}

/** Starts a server; the caller stops it. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const temporary = options.pool === undefined;
  const pool = options.pool ?? (await mkdtemp(join(tmpdir(), 'snaplun-test-')));
  const server = new Server({ ...options, pool, temporary });
  try {
    await server.start();
  } catch (error) {
    if (temporary) await rm(pool, { recursive: true, force: true });
    throw error;
  }
  return server;
}
