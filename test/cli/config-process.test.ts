/**
 * A declared configuration and the process that serves it: killed in the midst of an apply, it comes back
 * with all of the file or nothing of it; and portals open, close and are refused while sessions go on.
 */
import assert from 'node:assert';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openFaultyMedium } from '../../snapshot/medium/faulty.ts';
import { FaultyStore } from '../../snapshot/medium/faulty-store.ts';
import { ask } from '../../src/admin/client.ts';
import { ended, run, startChild } from '../support/child.ts';
import { ClockedServer } from '../support/clocked-server.ts';
import { connectSocket, Initiator } from '../support/initiator/index.ts';
import { seededRandom } from '../support/random.ts';
import { SNAPLUN, startServer } from '../support/server.ts';

const TARGET = 'iqn.2026-11.com.example:declared';
const OTHER = 'iqn.2026-11.com.example:other';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'snaplun-declared-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Eight LUNs of one size, a target that shows them, one schedule for all; no name occurs in both. */
function declared(half: 'one' | 'two'): string {
  const names = Array.from({ length: 8 }, (_, index) => `${half}-${index}`);
  const mapped = names.map((name, index) => `${half === 'one' ? index : index + 100}: ${name}`);
  return [
    'snaplun: 1',
    `pool: {thresholds: [${half === 'one' ? 50 : 60}]}`,
    `server: {advertise: ["192.0.2.${half === 'one' ? 1 : 2}:3260"]}`,
    `luns: {${names.map((name) => `${name}: {size: ${half === 'one' ? '1M' : '2M'}}`).join(', ')}}`,
    `targets: {"${TARGET}": {default: true, luns: {${mapped.join(', ')}}}, "${OTHER}${half}": {}}`,
    `schedules: [{name: ${half}, luns: [${names.join(', ')}], every: 1h, keep-last: 2}]`,
  ].join('\n');
}

/** What `apply` without a process of its own hands in; the LUNs of the other half go. */
function requestFor(half: 'one' | 'two'): Record<string, unknown> {
  const file = { text: declared(half), file: 'file.yaml', directory, secretFiles: [], secrets: [] };
  return { ...file, prune: true, withSnapshots: true, force: true };
}

describe('A power cut at every step of an apply', () => {
  /** A server over what is left of a pool; the cut comes at this change of the medium. */
  async function serverOver(
    store: FaultyStore,
    cutAt?: number,
  ): Promise<{ clocked: ClockedServer; changes: () => number }> {
    const plan = { random: seededRandom(cutAt ?? 0), ...(cutAt === undefined ? {} : { cutAt }) };
    const medium = openFaultyMedium(store, plan);
    const clocked = await ClockedServer.start('2026-11-25T10:00:00Z', {
      medium: () => medium,
      defaultTarget: TARGET,
    });
    return { clocked, changes: () => medium.changes };
  }

  test('leaves all of the file or nothing of it, each at least once', async () => {
    const shownBy = (clocked: ClockedServer): Promise<unknown> => clocked.ask('config.show');
    const calm = await serverOver(new FaultyStore({ capacityBlocks: 1 << 18 }));
    await calm.clocked.ask('config.apply', requestFor('one'));
    const [one, from] = [await shownBy(calm.clocked), calm.changes()];
    await calm.clocked.ask('config.apply', requestFor('two'));
    const [two, to] = [await shownBy(calm.clocked), calm.changes()];
    await calm.clocked.end();
    const kept = { one: 0, two: 0 };
    for (let cutAt = from; cutAt <= to; cutAt += 1) {
      const store = new FaultyStore({ capacityBlocks: 1 << 18 });
      const cut = await serverOver(store, cutAt);
      await cut.clocked.ask('config.apply', requestFor('one'));
      const answered = await cut.clocked.ask('config.apply', requestFor('two')).then(
        () => true,
        () => false,
      );
      const left = store.afterPowerLoss(seededRandom(cutAt));
      await cut.clocked.end().catch((error: unknown) => expect(error).toMatchObject({ code: 'CLOSED' }));
      const { clocked } = await serverOver(left);
      const after = await shownBy(clocked);
      expect([one, two], `cut at ${cutAt}`).toContainEqual(after);
      if (answered) expect(after, `answered, cut at ${cutAt}`).toEqual(two);
      kept[isDeepStrictEqual(after, one) ? 'one' : 'two'] += 1;
      await clocked.ask('config.apply', requestFor('two'));
      expect(await shownBy(clocked)).toEqual(two);
      expect(await clocked.ask('config.apply', requestFor('two'))).toMatchObject({ changes: [] });
      await clocked.end();
    }
    expect(Math.min(kept.one, kept.two)).toBeGreaterThan(0);
  });
});

describe('A server that is killed in the midst of an apply', () => {
  test('has all of the file or nothing of it, and takes it then', async () => {
    const server = await startServer({ pool: join(directory, 'pool'), args: ['--target', TARGET] });
    const socket = join(server.pool, 'admin.sock');
    const apply = (half: 'one' | 'two'): Promise<unknown> => ask(socket, 'config.apply', requestFor(half));
    const shown = (): Promise<unknown> => ask(socket, 'config.show', {});
    try {
      await apply('one');
      const one = await shown();
      const startedMs = performance.now();
      await apply('two');
      const tookMs = performance.now() - startedMs;
      const two = await shown();
      expect(two).not.toEqual(one);
      await apply('one');
      expect(await shown()).toEqual(one);
      // From the moment it is asked for to well after; which of the two it comes to is not the point.
      for (const part of [0, 0.2, 0.3, 0.4, 0.6, 1.2]) {
        const before = await shown();
        const next = isDeepStrictEqual(before, one) ? 'two' : 'one';
        const broken = apply(next).catch(() => undefined);
        await pause(part * tookMs);
        await server.restart('SIGKILL');
        await broken;
        const after = await shown();
        expect([one, two]).toContainEqual(after);
        await apply(next);
        expect(await shown()).toEqual(next === 'one' ? one : two);
        expect(await apply(next)).toMatchObject({ changes: [], applied: false });
      }
      await server.kill('SIGTERM');
      expect(await server.checkPool()).toMatchObject({ code: 0 });
    } finally {
      await server.abandon();
    }
  }, 120_000);
});

/** Ports of loopback that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const holder = createServer();
      await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
      return holder;
    }),
  );
  return Promise.all(
    servers.map(async (holder) => {
      const address = holder.address();
      assert(typeof address === 'object' && address !== null);
      await new Promise((resolve) => holder.close(resolve));
      return address.port;
    }),
  );
}

describe('Portals that are declared', () => {
  let child: ChildProcess;

  /** Without `--portal`, so that the pool says where to listen. */
  async function serve(...words: string[]): Promise<string> {
    child = startChild(process.execPath, [SNAPLUN, 'serve', '--pool', join(directory, 'pool'), ...words]);
    const [line] = await new Promise<[string]>((resolve) =>
      child.stdout?.once('data', (chunk: Uint8Array) => resolve([Buffer.from(chunk).toString()])),
    );
    return line;
  }

  async function stop(): Promise<void> {
    const exit = ended(child);
    child.kill('SIGTERM');
    expect(await exit).toMatchObject({ code: 0 });
  }

  /** Ports, or `port,group`. */
  function fileWith(ports: readonly (number | string)[]): string {
    const path = join(directory, 'snaplun.yaml');
    const portals = ports.map((port) => `"127.0.0.1:${port}"`).join(', ');
    const shown = `targets: {"${TARGET}": {default: true, luns: {0: disk}}}`;
    writeFileSync(path, `snaplun: 1\nserver: {portals: [${portals}]}\nluns: {disk: {size: 1M}}\n${shown}\n`);
    return path;
  }

  const apply = (path: string) =>
    run(process.execPath, [SNAPLUN, '--admin', join(directory, 'pool', 'admin.sock'), 'apply', '-f', path]);

  /** Sessions of initiators of different names, so that none takes the place of another. */
  async function logIn(port: number, who = 'visitor'): Promise<Initiator> {
    const initiator = new Initiator(await connectSocket({ host: '127.0.0.1', port }));
    await initiator.login({ targetName: TARGET, initiatorName: `iqn.2026-11.com.example:${who}` });
    return initiator;
  }

  /** Additional sense code and qualifier that TEST UNIT READY gets; none when it ends well. */
  async function attention(initiator: Initiator): Promise<string> {
    const { sense } = await initiator.command({ cdb: new Uint8Array(6) });
    return Buffer.from(sense.subarray(12, 14)).toString('hex');
  }

  test('open and close with the file, while sessions go on; one that cannot open refuses all of it', async () => {
    const [first = 0, second = 0, taken = 0] = await freePorts(3);
    expect(await serve('--target', TARGET, '--config', fileWith([first]))).toContain(`127.0.0.1:${first} (`);
    const session = await logIn(first, 'stays');
    expect((await apply(fileWith([first, second]))).stdout).toContain(`127.0.0.1:${second}`);
    await (await logIn(second)).logout();

    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(taken, '127.0.0.1', resolve));
    const refused = await apply(fileWith([second, taken]));
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/snaplun\.yaml:2:\d+: server\.portals: cannot listen on .*EADDRINUSE\n$/);
    await new Promise((resolve) => holder.close(resolve));
    await (await logIn(first)).logout();

    expect(await apply(fileWith([second]))).toMatchObject({ code: 0 });
    await expect(logIn(first)).rejects.toThrow(/ECONNREFUSED/);
    await session.logout();
    expect((await apply(fileWith([second]))).stdout).toMatch(/^nothing to change\n/);

    // A portal goes to another group: who is there stays and hears of it, who comes is told the new one.
    const before = await logIn(second, 'before');
    expect([await attention(before), await attention(before)]).toEqual(['2900', '']);
    expect((await apply(fileWith([`${second},2`]))).stdout).toContain(`127.0.0.1:${second},2`);
    const after = await logIn(second, 'after');
    expect([await attention(before), await attention(before)]).toEqual(['3f03', '']);
    expect([await attention(after), await attention(after)]).toEqual(['2900', '']);
    const groups = [before, after].map(({ parameters }) => parameters.get('TargetPortalGroupTag'));
    expect([groups, await before.logout(), await after.logout()]).toEqual([['1', '2'], 0, 0]);
    expect((await apply(fileWith([`${second},0`]))).stderr).toMatch(/portals\[0\]: .*from 1 to 65535\n$/);
    await stop();
    expect(await serve()).toContain(`127.0.0.1:${second} (`);
    await stop();
  });
});
