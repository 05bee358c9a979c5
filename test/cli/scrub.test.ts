// `pool scrub` through the real program: progress, the report, its exit status, and its end.
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ended, startChild } from '../support/child.ts';
import { good, ScsiSession } from '../support/scsi-session.ts';
import { type Server, SNAPLUN, startServer } from '../support/server.ts';

const MiB = 1024 * 1024;
const UNRECOVERED_READ_ERROR = '3/11/00';

let server: Server;
let session: ScsiSession;

beforeAll(async () => {
  server = await startServer({ args: ['--init', 'disk0:64M'] });
  session = await ScsiSession.open(server);
  for (let i = 0; i < 8; i += 1) good(await session.write(i * 2048, new Uint8Array(MiB).fill(i + 1)));
  good(await session.write(100, new Uint8Array(4096).fill(0xab)));
  good(await session.write(20_000, new Uint8Array(4096).fill(0xcd)));
  good(await session.flush());
});

afterAll(async () => {
  await server.stop();
});

/** Flips a bit in the one block of the data file that holds this value alone. */
function rot(value: number): void {
  const fd = openSync(join(server.pool, 'data'), 'r+');
  const begin = Buffer.alloc(32 * MiB);
  readSync(fd, begin, 0, begin.byteLength, 0);
  const at = begin.indexOf(Buffer.alloc(4096, value));
  expect(at).toBeGreaterThan(0);
  writeSync(fd, Uint8Array.of(value ^ 1), 0, 1, at + 5);
  closeSync(fd);
}

describe('pool scrub', () => {
  test('says that nothing is damaged, with exit status 0, and `pool status` remembers', async () => {
    expect(await server.cli('pool', 'status')).toMatchObject({ scrub: { state: 'never' } });
    const outcome = await server.tryCli('pool', 'scrub');
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toMatch(/^nothing damaged: \d+ values and 8(\.\d)? MiB of data read in \d+ s\n$/);
    const status = (await server.cli('pool', 'status')) as { scrub: unknown };
    expect(status.scrub).toMatchObject({ state: 'done', errorCount: 0 });
  });

  test('without a scrub there is none to stop', async () => {
    expect(await server.cli('pool', 'scrub', '--stop')).toEqual({ stopped: false });
  });

  test('names who reads a bad block, and at which LBAs, with exit status 1', async () => {
    await server.cli('snapshot', 'create', 'disk0', 'monday');
    rot(0xcd);
    const outcome = await server.tryCli('pool', 'scrub');
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toMatch(
      /^damaged: block 2500 of image \d+, read by disk0 LBA 20000-20007, disk0@monday /,
    );
    expect(outcome.stderr).toMatch(/^snaplun: the scrub found 1 damaged [^\n]*\n$/);
    // By a pipe of its own, perhaps after the answer.
    await expect.poll(() => server.log).toMatch(/a scrub found damage/);
  });

  test('an initiator gets MEDIUM ERROR for it with the LBA, and heals it by writing', async () => {
    const failed = await session.read({ lba: 19_990, blocks: 64 });
    expect(failed).toMatchObject({ sense: UNRECOVERED_READ_ERROR, information: 20_000 });
    expect(await session.read({ lba: 20_003, blocks: 1 })).toMatchObject({
      sense: UNRECOVERED_READ_ERROR,
      information: 20_003,
    });
    good(await session.read({ lba: 20_008, blocks: 64 }));
    good(await session.write(20_000, new Uint8Array(4096).fill(0xef)));
    good(await session.read({ lba: 19_990, blocks: 64 }));
    await server.cli('snapshot', 'delete', 'disk0@monday');
  });

  test('ends when its client goes, and when it is stopped from elsewhere', async () => {
    // Many small pieces, and commands beside: so it takes a while.
    for (let i = 0; i < 4096; i += 1) {
      const block = 4096 + ((i * 1031) % 4096);
      good(await session.write(block * 8, new Uint8Array(4096).fill(i)));
    }
    let going = true;
    const load = (async () => {
      while (going) good(await session.read({ lba: 0, blocks: 8 }));
    })();
    const words = ['--admin', join(server.pool, 'admin.sock'), 'pool', 'scrub'];
    const first = startChild(process.execPath, [SNAPLUN, ...words]);
    const gone = ended(first);
    await until('running');
    first.kill('SIGINT');
    await gone;
    await until('failed');
    const second = server.tryCli('pool', 'scrub');
    await until('running');
    expect(await server.cli('pool', 'scrub', '--stop')).toEqual({ stopped: true });
    expect(await second).toMatchObject({ code: 1, stdout: '' });
    expect((await second).stderr).toMatch(/^snaplun: the scrub was stopped before its end[^\n]*\n$/);
    going = false;
    await load;
    await until('stopped');
  });
});

async function until(state: string): Promise<void> {
  for (let tries = 0; tries < 60; tries += 1) {
    const { scrub } = (await server.cli('pool', 'status')) as { scrub: { state: string } };
    if (scrub.state === state) return;
  }
  expect.unreachable(`the scrub never was ${state}`);
}
