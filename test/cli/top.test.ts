// What `top` makes of two looks at the counters, and what it shows of a real server under a known load.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LunTraffic } from '../../src/admin/verbs/traffic.ts';
import { ratesBetween } from '../../src/cli/top.ts';
import { connectSocket, Initiator } from '../support/initiator/index.ts';
import { type Server, startServer } from '../support/server.ts';

const READ_8_BLOCKS = Uint8Array.of(0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0);
const READ_BYTES = 8 * 512;

const none: LunTraffic = {
  ...{ name: 'a', reads: 0, writes: 0, others: 0, readBytes: 0, writtenBytes: 0 },
  ...{ readUs: 0, writeUs: 0, queue: 0 },
};

describe('the rates between two looks', () => {
  test('are what was more, by the second, with the mean time of each command', () => {
    const before = { ...none, reads: 100, writes: 7, readBytes: 4096, readUs: 900 };
    const now = { ...before, reads: 300, others: 4, readBytes: 4096 * 201, readUs: 900 + 200 * 55, queue: 3 };
    expect(ratesBetween([before], [now], 2)).toEqual([
      {
        ...{ name: 'a', readsPerSecond: 100, writesPerSecond: 0, othersPerSecond: 2, queue: 3 },
        ...{ readBytesPerSecond: 409_600, writtenBytesPerSecond: 0, readMeanUs: 55, writeMeanUs: null },
      },
    ]);
  });

  test('show the busiest first, what came meanwhile, and what was made anew under its old name', () => {
    const now = [
      { ...none, name: 'quiet' },
      { ...none, name: 'new', writes: 10 },
      { ...none, name: 'again', reads: 30 },
    ];
    const before = [
      { ...none, name: 'gone', reads: 5 },
      { ...none, name: 'again', reads: 90 },
    ];
    const rates = ratesBetween(before, now, 1);
    expect(
      rates.map(({ name, readsPerSecond, writesPerSecond }) => [name, readsPerSecond, writesPerSecond]),
    ).toEqual([
      ['again', 30, 0],
      ['new', 0, 10],
      ['quiet', 0, 0],
    ]);
  });
});

describe('top', () => {
  let server: Server;
  const top = (...words: string[]) => server.tryCli('top', ...words);

  beforeAll(async () => {
    server = await startServer({ args: ['--init', 'disk0:8M'] });
    await server.cli('lun', 'create', 'idle', '--size', '1M');
  });

  afterAll(() => server.stop());

  test('tells no more than an initiator did meanwhile, and something', async () => {
    const initiator = new Initiator(await connectSocket({ host: server.host, port: server.port }));
    await initiator.login({ targetName: server.target, initiatorName: 'iqn.2026-01.test:top' });
    let reads = 0;
    let ended = false;
    const asked = top('--interval', '1', '--json').finally(() => {
      ended = true;
    });
    while (!ended) {
      const { status } = await initiator.command({ cdb: READ_8_BLOCKS, dataInBytes: READ_BYTES });
      if (status === 0) reads += 1;
    }
    const { intervalSeconds, luns } = JSON.parse((await asked).stdout) as {
      readonly intervalSeconds: number;
      readonly luns: ReturnType<typeof ratesBetween>;
    };
    expect(luns.map(({ name }) => name)).toEqual(['disk0', 'idle']);
    const [busy, idle] = luns;
    const seen = Math.round((busy?.readsPerSecond ?? 0) * intervalSeconds);
    expect(seen).toBeGreaterThan(0);
    expect(seen).toBeLessThanOrEqual(reads + intervalSeconds);
    expect(busy?.readBytesPerSecond).toBeCloseTo((seen / intervalSeconds) * READ_BYTES, -4);
    expect(busy?.readMeanUs).toBeGreaterThan(0);
    expect(idle).toMatchObject({ readsPerSecond: 0, writesPerSecond: 0, readMeanUs: null });
    await initiator.logout();
  });

  test('prints as many tables as are wanted where no terminal is, and refuses what makes no sense', async () => {
    const { stdout, code } = await top('--interval', '0.1', '--count', '2');
    expect(code).toBe(0);
    expect(stdout.match(/^NAME +READS\/S +WRITES\/S/gm)).toHaveLength(2);
    for (const wrong of [
      ['--interval', '0'],
      ['--interval', 'soon'],
      ['--count', '1.5'],
      ['--count', '2', '--json'],
    ]) {
      expect(await top(...wrong)).toMatchObject({ code: 2, stdout: '' });
    }
  });
});
