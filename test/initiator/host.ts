/**
 * The host's side of a scenario: what a guest's script can ask for with `host WORD...` (guest/lib.sh). One for
 * all guests of a scenario.
 *
 *   snaplun WORD...    the admin client; its output and exit status come back
 *   kill, start        ends the server with SIGKILL; starts it again on the same pool and port
 *   restart kill|stop  the same in one go, after SIGKILL or a graceful stop
 *   chap one-way|mutual
 *   relay PORT         a path to that portal that can be lost; answers with the relay's port
 *   cut, uncut         loses that path and gives it back
 *   meet NAME          returns when every guest has come to that meeting
 *   every-second NAME COUNT
 *                      takes so many snapshots of a VLUN, s1, s2 and on, one each second; answers, for each,
 *                      with what the guest had last marked before it
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../src/admin/client.ts';
import type { Server } from '../support/server.ts';
import type { HostAnswer } from './control.ts';
import { Relay } from './relay.ts';

export const CHAP = {
  user: 'guest',
  secret: 'guest-secret-0001',
  targetUser: 'target',
  targetSecret: 'target-secret-001',
} as const;

const done = (output = ''): HostAnswer => ({ status: 0, output });
const refused = (output: string): HostAnswer => ({ status: 1, output: `${output}\n` });

/** Secrets travel in files, which only their owner can read. */
export async function setChap(server: Server, mutual: boolean): Promise<void> {
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

export class Host {
  readonly #server: Server;
  readonly #guestCount: number;
  readonly #meetings = new Map<string, ((answer: HostAnswer) => void)[]>();
  #relay: Relay | undefined;
  #guestLost = false;
  #lastMark = '';

  constructor(server: Server, guestCount: number) {
    this.#server = server;
    this.#guestCount = guestCount;
  }

  async obey(words: readonly string[]): Promise<HostAnswer> {
    const [verb = '', ...rest] = words;
    switch (verb) {
      case 'snaplun':
        return await this.#operate(rest);
      case 'kill':
        await this.#server.kill('SIGKILL');
        return done();
      case 'start':
        await this.#server.start();
        return done();
      case 'restart':
        return await this.#restart(rest[0] === 'kill' ? 'SIGKILL' : 'SIGTERM');
      case 'chap':
        await setChap(this.#server, rest[0] === 'mutual');
        return done();
      case 'meet':
        return await this.#meet(rest[0] ?? '');
      case 'every-second':
        return await this.#snapshotEverySecond(rest[0] ?? '', Number(rest[1]));
      default:
        return await this.#path(verb, rest);
    }
  }

  /** A guest says where it is. */
  marked(text: string): void {
    this.#lastMark = text;
  }

  /** Nobody waits for a guest that is gone. */
  guestFailed(): void {
    this.#guestLost = true;
    for (const waiting of this.#meetings.values()) {
      for (const answer of waiting) answer(refused('another guest has failed'));
    }
    this.#meetings.clear();
  }

  async close(): Promise<void> {
    await this.#relay?.cut();
  }

  async #restart(signal: NodeJS.Signals): Promise<HostAnswer> {
    const { code } = await this.#server.kill(signal);
    await this.#server.start();
    return signal === 'SIGTERM' && code !== 0 ? refused(`the server's stop ended with ${code}`) : done();
  }

  async #operate(words: readonly string[]): Promise<HostAnswer> {
    const { code, stdout, stderr } = await this.#server.tryCli(...words);
    return { status: code ?? 125, output: stdout + stderr };
  }

  /** Over the admin socket, because a program started for each would keep no pace on a busy machine. */
  async #snapshotEverySecond(name: string, count: number): Promise<HostAnswer> {
    const socket = join(this.#server.pool, 'admin.sock');
    const startedMs = performance.now();
    let marks = '';
    for (let taken = 1; taken <= count; taken += 1) {
      marks += `${this.#lastMark}\n`;
      await ask(socket, 'snapshot.create', { vluns: [name], snapshot: `s${taken}` });
      await sleep(startedMs + taken * 1000 - performance.now());
    }
    return done(marks);
  }

  async #path(verb: string, words: readonly string[]): Promise<HostAnswer> {
    if (verb === 'relay') this.#relay ??= new Relay(Number(words[0]));
    if (this.#relay === undefined)
      return refused(`no such verb, or no relay yet: ${verb} ${words.join(' ')}`);
    if (verb === 'relay' || verb === 'uncut') await this.#relay.open();
    else if (verb === 'cut') await this.#relay.cut();
    else return refused(`no such verb: ${verb}`);
    return done(`${this.#relay.port}\n`);
  }

  #meet(name: string): Promise<HostAnswer> {
    if (this.#guestLost) return Promise.resolve(refused('another guest has failed'));
    const waiting = this.#meetings.get(name) ?? [];
    this.#meetings.set(name, waiting);
    return new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length < this.#guestCount) return;
      this.#meetings.delete(name);
      for (const answer of waiting) answer(done());
    });
  }
}
