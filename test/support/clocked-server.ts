/**
 * A server in this process whose clock stands still until the test lets time pass, over a medium in memory;
 * the real program asks it over its admin socket.
 */
import assert from 'node:assert';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Medium } from '../../snapshot/medium/medium.ts';
import { MemoryStore, openMemoryMedium } from '../../snapshot/medium/memory.ts';
import { ask } from '../../src/admin/client.ts';
import type { Clock } from '../../src/clock.ts';
import type { Log } from '../../src/log.ts';
import { SnaplunServer } from '../../src/server.ts';
import type { Settings } from '../../src/settings.ts';
import { type Outcome, run } from './child.ts';
import { ManualTimers } from './manual-timers.ts';
import { SNAPLUN } from './server.ts';

export interface ClockedOptions {
  readonly metrics?: boolean;
  /** What the command line says; a free port of loopback unless told. */
  readonly settings?: Settings;
  /** What the pool lies on; memory unless told. */
  readonly medium?: () => Medium;
  /** Name of the default target of a new pool. */
  readonly defaultTarget?: string;
}

export class ClockedServer {
  readonly timers: ManualTimers;
  /** Lines of the log: level, message and fields. */
  readonly log: string[] = [];
  readonly #folder: string;
  readonly #options: ClockedOptions;
  readonly #store = new MemoryStore({ capacityBlocks: 1 << 18 });
  #server: SnaplunServer | undefined;

  private constructor(folder: string, nowMs: number, options: ClockedOptions) {
    this.#folder = folder;
    this.#options = options;
    this.timers = new ManualTimers(nowMs);
  }

  /** Starts at this time, ISO 8601. */
  static async start(at: string, options: ClockedOptions = {}): Promise<ClockedServer> {
    const folder = await mkdtemp(join(tmpdir(), 'snaplun-clocked-'));
    const clocked = new ClockedServer(folder, Date.parse(at), options);
    await clocked.up();
    return clocked;
  }

  get server(): SnaplunServer {
    assert(this.#server !== undefined, 'the server runs');
    return this.#server;
  }

  get port(): number {
    return Number(this.server.portals[0]?.split(':').at(-1));
  }

  get target(): string {
    return this.server.targets.server.defaultTarget;
  }

  async up(): Promise<void> {
    const { metrics = false, settings = { portals: ['127.0.0.1:0'] }, medium } = this.#options;
    const { defaultTarget = 'iqn.2026-11.io.snaplun:clocked' } = this.#options;
    this.#server = await SnaplunServer.start({
      medium: medium?.() ?? openMemoryMedium(this.#store),
      settings,
      ...(metrics && { metrics: { host: '127.0.0.1', port: 0 } }),
      adminSocket: this.#socket,
      defaultTarget,
      clock: this.#clock(),
      log: this.#logger(),
    });
  }

  /** What the pool lies on fails from now on. */
  breakMedium(): void {
    this.#store.abandon();
  }

  /** Stops the server; its pool stays. */
  async down(): Promise<void> {
    const stopping = this.server.stop();
    this.#server = undefined;
    await stopping;
  }

  /** Stops it for good. */
  async end(): Promise<void> {
    if (this.#server !== undefined) await this.down();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** What the program prints with `--json`. */
  async cli(...words: string[]): Promise<unknown> {
    const outcome = await this.tryCli('--json', ...words);
    assert(outcome.code === 0, `snaplun ${words.join(' ')}: exit ${outcome.code}: ${outcome.stderr}`);
    return outcome.stdout.trim() === '' ? undefined : JSON.parse(outcome.stdout);
  }

  /** The same without a process of its own: one verb of the admin socket. */
  ask(verb: string, args: Record<string, unknown> = {}): Promise<unknown> {
    return ask(this.#socket, verb, args);
  }

  tryCli(...words: string[]): Promise<Outcome> {
    return run(process.execPath, [SNAPLUN, '--admin', this.#socket, ...words]);
  }

  get #socket(): string {
    return join(this.#folder, 'admin.sock');
  }

  #clock(): Clock {
    return {
      nowMs: () => this.timers.nowMs,
      wallMs: () => this.timers.nowMs,
      after: (ms, then) => this.timers.after(ms, then),
      defer: queueMicrotask,
    };
  }

  #logger(): Log {
    const note =
      (level: string): Log['info'] =>
      (message, fields = {}) =>
        void this.log.push(`${level} ${message} ${JSON.stringify(fields)}`);
    return {
      error: note('error'),
      warn: note('warn'),
      info: note('info'),
      debug: note('debug'),
      close: () => Promise.resolve(),
    };
  }
}
