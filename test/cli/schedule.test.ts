// Schedules through the real program, against a server whose clock the test moves.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClockedServer } from '../support/clocked-server.ts';
import { settle } from '../support/manual-timers.ts';
import { startServer } from '../support/server.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let clocked: ClockedServer;

beforeEach(async () => {
  clocked = await ClockedServer.start('2026-11-25T10:07:00Z');
  for (const name of ['db', 'log']) await clocked.ask('lun.create', { name, sizeBytes: 16 * 1024 * 1024 });
});

afterEach(async () => {
  await clocked.end();
});

const names = async (lun: string): Promise<string[]> =>
  ((await clocked.ask('snapshot.list', { vlun: lun })) as Array<{ name: string }>).map(({ name }) => name);

async function schedules(): Promise<Array<Record<string, unknown>>> {
  return (await clocked.ask('schedule.list')) as Array<Record<string, unknown>>;
}

async function refused(...words: string[]): Promise<string> {
  const before = [await schedules(), await clocked.ask('snapshot.list')];
  const outcome = await clocked.tryCli(...words);
  expect(outcome.code).toBe(1);
  expect(outcome.stdout).toBe('');
  expect(outcome.stderr).toMatch(/^snaplun: [^\n]+\n$/);
  expect([await schedules(), await clocked.ask('snapshot.list')]).toEqual(before);
  return outcome.stderr;
}

describe('a schedule', () => {
  test('takes snapshots at full intervals, named by its name and the time', async () => {
    const row = await clocked.cli('schedule', 'set', 'db', '--every', '15m');
    expect(row).toEqual({
      name: 'auto',
      luns: ['db'],
      every: '15m',
      keep: {},
      lastRun: null,
      nextRun: '2026-11-25T10:15:00.000Z',
      lastError: null,
    });
    await clocked.timers.advance(7 * MINUTE_MS);
    expect(await names('db')).toEqual([]);
    await clocked.timers.advance(HOUR_MS);
    expect(await names('db')).toEqual([
      'auto-20261125T101500Z',
      'auto-20261125T103000Z',
      'auto-20261125T104500Z',
      'auto-20261125T110000Z',
    ]);
    expect(await clocked.cli('schedule', 'list')).toMatchObject([
      { lastRun: '2026-11-25T11:00:00.000Z', nextRun: '2026-11-25T11:15:00.000Z', lastError: null },
    ]);
    expect(await clocked.cli('snapshot', 'list', 'db')).toMatchObject([
      { schedule: 'auto', createdAt: '2026-11-25T10:15:00.000Z' },
      {},
      {},
      {},
    ]);
  });

  test('takes one of several LUNs at one point in time, at times of the day', async () => {
    await clocked.cli('schedule', 'set', 'log,db', 'nightly', '--at', '02:00', '--at', '14:30');
    await clocked.timers.advance(24 * HOUR_MS);
    const expected = ['nightly-20261125T143000Z', 'nightly-20261126T020000Z'];
    expect(await names('db')).toEqual(expected);
    expect(await names('log')).toEqual(expected);
    const taken = clocked.log.filter((line) => line.includes('snapshot taken by schedule'));
    expect(taken).toHaveLength(2);
    expect(taken[0]).toContain('"luns":"db,log"');
  });

  test('keeps what it was told to, and nothing of it is what an operator made', async () => {
    await clocked.cli('snapshot', 'create', 'db', 'auto-20261125T090000Z');
    await clocked.cli('schedule', 'set', 'db', '--every', '15m', '--keep-last', '2', '--keep-hourly', '3');
    await clocked.timers.advance(3 * HOUR_MS);
    expect(await names('db')).toEqual([
      'auto-20261125T090000Z',
      'auto-20261125T114500Z',
      'auto-20261125T124500Z',
      'auto-20261125T130000Z',
    ]);
  });

  test('leaves alone what is mapped, until it is not', async () => {
    await clocked.cli('schedule', 'set', 'db', '--every', '1h', '--keep-last', '1');
    await clocked.timers.advance(HOUR_MS);
    await clocked.cli('snapshot', 'map', 'db@auto-20261125T110000Z');
    await clocked.timers.advance(2 * HOUR_MS);
    expect(await names('db')).toEqual(['auto-20261125T110000Z', 'auto-20261125T130000Z']);
    await clocked.cli('snapshot', 'unmap', 'db@auto-20261125T110000Z');
    await clocked.timers.advance(MINUTE_MS);
    expect(await names('db')).toEqual(['auto-20261125T130000Z']);
  });

  test('makes up once for what it missed while the server was down', async () => {
    await clocked.cli('schedule', 'set', 'db', '--every', '1h');
    await clocked.timers.advance(HOUR_MS);
    await clocked.down();
    await clocked.timers.advance(5 * HOUR_MS + 10 * MINUTE_MS);
    await clocked.up();
    await settle();
    expect(await names('db')).toEqual(['auto-20261125T110000Z', 'auto-20261125T161700Z']);
    await clocked.timers.advance(HOUR_MS);
    expect(await names('db')).toHaveLength(3);
    expect((await names('db'))[2]).toBe('auto-20261125T170000Z');
  });

  test('missed nothing that lies before it was set', async () => {
    await clocked.cli('schedule', 'set', 'db', '--every', '1h');
    await clocked.down();
    await clocked.up();
    await clocked.timers.advance(MINUTE_MS);
    expect(await names('db')).toEqual([]);
  });

  test('that fails is logged, says why, and is tried again', async () => {
    await clocked.cli('schedule', 'set', 'db,log', '--every', '1h');
    // The name that the run at 11:00 would give is taken.
    await clocked.cli('snapshot', 'create', 'log', 'auto-20261125T110000Z');
    await clocked.timers.advance(53 * MINUTE_MS);
    expect(await names('db')).toEqual([]);
    const [row] = await schedules();
    expect(row).toMatchObject({ lastRun: null, nextRun: '2026-11-25T11:01:00.000Z' });
    expect(row?.['lastError']).toMatch(/log@auto-20261125T110000Z/);
    expect(clocked.log.filter((line) => line.startsWith('error a schedule failed'))).toHaveLength(1);
    await clocked.timers.advance(MINUTE_MS);
    expect(await names('db')).toEqual(['auto-20261125T110100Z']);
    expect(await schedules()).toMatchObject([{ lastRun: '2026-11-25T11:01:00.000Z', lastError: null }]);
  });

  test('goes on when the clock is set back', async () => {
    await clocked.cli('schedule', 'set', 'db', '--every', '1h');
    await clocked.timers.advance(HOUR_MS);
    clocked.timers.set(Date.parse('2026-11-20T08:30:00Z'));
    await clocked.timers.advance(HOUR_MS);
    expect(await names('db')).toEqual(['auto-20261125T110000Z', 'auto-20261120T090000Z']);
  });

  test('is changed by setting it again, and ended by clear, which leaves its snapshots', async () => {
    await clocked.cli('schedule', 'set', 'db', '--every', '1h');
    await clocked.timers.advance(HOUR_MS);
    await clocked.cli('schedule', 'set', 'db', '--every', '30m', '--keep-daily', '7');
    expect(await schedules()).toMatchObject([
      { every: '30m', keep: { daily: 7 }, lastRun: '2026-11-25T11:00:00.000Z' },
    ]);
    expect(await clocked.cli('schedule', 'clear', 'db')).toEqual([{ name: 'auto', luns: ['db'] }]);
    expect(await schedules()).toEqual([]);
    await clocked.timers.advance(2 * HOUR_MS);
    expect(await names('db')).toEqual(['auto-20261125T110000Z']);
  });

  test('loses a LUN that is deleted, and ends with the last', async () => {
    await clocked.cli('schedule', 'set', 'db,log', '--every', '1h');
    await clocked.cli('lun', 'delete', 'log');
    expect(await schedules()).toMatchObject([{ luns: ['db'] }]);
    await clocked.timers.advance(HOUR_MS);
    expect(await names('db')).toHaveLength(1);
    await clocked.cli('lun', 'delete', 'db', '--with-snapshots');
    expect(await schedules()).toEqual([]);
  });
});

test('bad input is refused in one line, and nothing is changed', async () => {
  await clocked.cli('schedule', 'set', 'db,log', '--every', '1h');
  expect(await refused('schedule', 'set', 'nobody', '--every', '1h')).toMatch(/no LUN nobody/);
  expect(await refused('schedule', 'set', 'db', '--every', '1h')).toMatch(/db has a schedule auto already/);
  expect(await refused('schedule', 'set', 'db', 'x', '--every', '1y')).toMatch(/"1y" is no interval/);
  expect(await refused('schedule', 'set', 'db', 'x', '--at', '25:00')).toMatch(/"25:00" is no time/);
  expect(await refused('schedule', 'set', 'db', 'a@b', '--every', '1h')).toMatch(/"a@b"/);
  expect(await refused('schedule', 'set', 'db,db', 'x', '--every', '1h')).toMatch(/each once/);
  expect(await refused('schedule', 'set', 'db', 'x', '--every', '1h', '--keep-last', '0')).toMatch(/nothing/);
  expect(await refused('schedule', 'set', 'db', 'x', '--every', '1h', '--keep-last', '1.5')).toMatch(/whole/);
  expect(await refused('schedule', 'clear', 'db')).toMatch(/no schedule of db, but there is: db,log auto/);
  expect(await refused('schedule', 'clear', 'db,log', 'x')).toMatch(/no schedule x of db,log/);
  for (const words of [['db'], ['db', '--every', '1h', '--at', '02:00']]) {
    expect(await clocked.tryCli('schedule', 'set', ...words)).toMatchObject({ code: 2, stdout: '' });
  }
});

test('a schedule is there again after SIGKILL', async () => {
  const server = await startServer({ args: ['--init', 'db:16M'] });
  try {
    await server.cli('schedule', 'set', 'db', '--every', '1d', '--keep-weekly', '4');
    const before = await server.cli('schedule', 'list');
    await server.restart('SIGKILL');
    expect(await server.cli('schedule', 'list')).toEqual(before);
    expect((await server.tryCli('schedule', 'list')).stdout).toMatch(/db +auto +every 1d +4 weekly/);
  } finally {
    await server.stop();
  }
});
