// The server under systemd, as far as it goes without one: a datagram socket as systemd has it is told
// when the real program serves, lives and stops; and systemd's own tools judge the unit file, where they
// are installed.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ended, run, startChild } from '../support/child.ts';
import { NotifyReceiver } from '../support/notify-receiver.ts';
import { SNAPLUN } from '../support/server.ts';

const onLinux = process.platform === 'linux';
const UNIT = 'docs/snaplun.service';
/** What `systemd-analyze security` may say at most, in tenths: 13 of 100 when this was written. */
const EXPOSURE_MAX = 20;

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'snaplun-systemd-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

function serve(env: Readonly<Record<string, string>>): ReturnType<typeof startChild> {
  const words = ['serve', '--pool', join(directory, 'pool'), '--portal', '127.0.0.1:0'];
  const child = startChild(process.execPath, [SNAPLUN, ...words, '--log-format', 'journal'], {
    env: { ...process.env, ...env },
  });
  child.stdout?.resume();
  return child;
}

describe.runIf(onLinux)('A service manager', () => {
  test.each(['a path', 'an abstract name'])(
    'is told by a socket of %s: ready, alive, stopping',
    async (kind) => {
      const receiver = new NotifyReceiver(
        kind === 'a path' ? join(directory, 'notify') : `@${directory.slice(1)}`,
      );
      try {
        const child = serve({ NOTIFY_SOCKET: receiver.name, WATCHDOG_USEC: '200000', WATCHDOG_PID: '' });
        expect(await receiver.next()).toMatch(
          /^READY=1\nSTATUS=serving iqn\.\S+ on 127\.0\.0\.1:\d+ \(pool .*, 0 LUNs\)$/,
        );
        expect(await receiver.next()).toBe('WATCHDOG=1');
        expect(await receiver.next()).toBe('WATCHDOG=1');
        const exit = ended(child);
        child.kill('SIGTERM');
        let notice = await receiver.next();
        while (notice === 'WATCHDOG=1') notice = await receiver.next();
        expect(notice).toBe('STOPPING=1\nSTATUS=stopping');
        expect(await exit).toMatchObject({ code: 0 });
      } finally {
        receiver.close();
      }
    },
  );

  test('that is gone, or whose name is none, stops nobody from serving', async () => {
    for (const name of [join(directory, 'nobody'), `/${'long'.repeat(40)}`]) {
      const child = serve({ NOTIFY_SOCKET: name, WATCHDOG_USEC: '200000' });
      child.stderr?.resume();
      await new Promise((resolve) => child.stdout?.once('data', resolve));
      child.kill('SIGTERM');
      expect(await ended(child)).toMatchObject({ code: 0 });
    }
  });

  test('takes the log with priorities, as sd-daemon(3) words them', async () => {
    const child = serve({});
    let log = '';
    child.stderr?.on('data', (chunk: Uint8Array) => {
      log += Buffer.from(chunk).toString();
    });
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    child.kill('SIGTERM');
    await ended(child);
    const lines = log.trimEnd().split('\n');
    expect(lines.at(-1)).toMatch(/^<6>stopping event=stopping why=SIGTERM$/);
    expect(lines.every((line) => /^<[3467]>/.test(line))).toBe(true);
  });
});

const analyze = await run('systemd-analyze', ['--version']).then(
  ({ code }) => code === 0,
  () => false,
);

describe.runIf(analyze)('The unit file, to systemd', () => {
  /** Complete with a program that is there, since a missing one is a fault too. */
  function unitFile(change: (text: string) => string = (text) => text): string {
    const path = join(directory, 'snaplun.service');
    const program = join(directory, 'bin', 'snaplun');
    mkdirSync(join(directory, 'bin'), { recursive: true });
    writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 });
    const text = readFileSync(UNIT, 'utf8').replace('/usr/local/bin/snaplun', program);
    expect(text).toContain(program);
    writeFileSync(path, change(text));
    return path;
  }

  const verify = (path: string) => run('systemd-analyze', ['verify', '--man=no', path]);
  const security = (path: string) =>
    run('systemd-analyze', ['security', '--offline=true', `--threshold=${EXPOSURE_MAX}`, path]);

  test('is sound, and a misspelt setting in it is noticed', async () => {
    expect(await verify(unitFile())).toMatchObject({ code: 0, stderr: '' });
    const misspelt = unitFile((text) => text.replace('WatchdogSec', 'WatchdogSecs'));
    expect((await verify(misspelt)).stderr).toMatch(/WatchdogSecs/);
  });

  test('leaves little open, and more than that is noticed', async () => {
    expect((await security(unitFile())).code).toBe(0);
    const open = unitFile((text) => text.replace(/^(Protect|Private|SystemCallFilter).*\n/gm, ''));
    expect((await security(open)).code).toBe(1);
  });
});
