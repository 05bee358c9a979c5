// Limits of a LUN on a whole target: commands through iSCSI, with the clock in the test's hands.
import { describe, expect, test } from 'vitest';
import { lunFamilies } from '../../../src/monitor/traffic-metrics.ts';
import { Initiator } from '../../support/initiator/index.ts';
import { killAndReopen, newPool, settle } from '../../support/pool-world.ts';
import { WholeTarget } from '../../support/whole-target.ts';

const TARGET = 'iqn.2026-11.io.snaplun:limited';
const ABORT_TASK = 1;
const FUNCTION_COMPLETE = 0;
const CHECK_CONDITION = 2;
const BLOCK = 512;

function read(lba: number) {
  const cdb = new Uint8Array(16);
  cdb[0] = 0x28;
  cdb[5] = lba;
  cdb[8] = 1;
  return { cdb, dataInBytes: BLOCK };
}

function write(lba: number, value: number) {
  const cdb = new Uint8Array(16);
  cdb[0] = 0x2a;
  cdb[5] = lba;
  cdb[8] = 1;
  return { cdb, dataOut: new Uint8Array(BLOCK).fill(value) };
}

const INQUIRY = { cdb: Uint8Array.of(0x12, 0, 0, 0, 36, 0), dataInBytes: 36 };

async function world(iopsMax: number) {
  const target = await WholeTarget.open({ defaultTarget: TARGET });
  await target.createLun({ name: 'disk', sizeBytes: 1 << 20, blockBytes: BLOCK, iopsMax });
  const login = async (name: string): Promise<Initiator> => {
    const initiator = new Initiator(target.connect());
    await initiator.login({ targetName: TARGET, initiatorName: `iqn.2026-01.test:${name}` });
    await initiator.command(INQUIRY);
    await initiator.command({ cdb: new Uint8Array(6) });
    return initiator;
  };
  const ended: number[] = [];
  const noted = (done: Promise<{ readonly status: number }>): void =>
    void done.then(
      ({ status }) => ended.push(status),
      () => ended.push(-1),
    );
  return { target, login, ended, noted };
}

function metric(target: WholeTarget, name: string): number {
  for (const family of lunFamilies([...target.front.servers.list()])) {
    if (family.name === name) return family.samples[0]?.value ?? Number.NaN;
  }
  return Number.NaN;
}

describe('A LUN with a limit', () => {
  test('serves its initiators that fast, together, and tells for how long they waited', async () => {
    const { target, login, ended, noted } = await world(100);
    const [a, b] = [await login('a'), await login('b')];
    for (let nth = 0; nth < 20; nth += 1) {
      noted(a.command(read(nth)));
      noted(b.command(read(nth)));
    }
    await settle();
    expect(ended.length).toBe(10);
    expect((await a.command(INQUIRY)).status).toBe(0);
    await target.advance(100);
    await settle();
    expect(ended.length).toBeGreaterThanOrEqual(19);
    expect(ended.length).toBeLessThanOrEqual(21);
    await target.advance(1_000);
    expect(new Set(ended)).toEqual(new Set([0]));
    expect(ended.length).toBe(40);
    expect(metric(target, 'snaplun_lun_throttled_commands_total')).toBe(30);
    // The n-th waited n / 100 s.
    const seconds = metric(target, 'snaplun_lun_throttled_seconds_total');
    expect(seconds).toBeGreaterThan(4);
    expect(seconds).toBeLessThan(5);
  });

  test('a limit that is lifted lets go of what waits, and one that is set counts at once', async () => {
    const { target, login, ended, noted } = await world(10);
    const a = await login('a');
    for (let nth = 0; nth < 20; nth += 1) noted(a.command(read(nth)));
    await settle();
    expect(ended.length).toBe(1);
    const { pool } = target.world;
    await pool.setVlun({ name: 'disk', iopsMax: 0 });
    await settle(60);
    expect(ended.length).toBe(20);
    await pool.setVlun({ name: 'disk', throughputMaxBytes: 64 * 1024 });
    for (let nth = 0; nth < 40; nth += 1) noted(a.command(read(nth)));
    await settle(60);
    // A tenth of 64 KiB is 12.8 blocks.
    expect(ended.length).toBe(20 + 13);
  });

  test('a command that waits can be aborted, and those of a session that is gone are not done', async () => {
    const { target, login, ended, noted } = await world(10);
    const [a, b] = [await login('a'), await login('b')];
    noted(a.command(write(0, 1)));
    const waiting = a.start(write(0, 2));
    noted(waiting.done);
    await settle();
    expect(ended).toEqual([0]);
    const abort = { referencedTaskTag: waiting.tag, refCmdSN: waiting.cmdSN };
    expect(await a.taskManagement(ABORT_TASK, abort)).toBe(FUNCTION_COMPLETE);
    noted(a.command(write(0, 3)));
    await settle();
    a.close();
    await settle();
    await target.advance(10_000);
    const answered = b.command(read(0));
    await target.advance(1_000);
    expect((await answered).dataIn[0]).toBe(1);
  });

  test.each([
    ['sees every LUN', undefined],
    ['sees this one only', { 'iqn.2026-01.test:a': [0] }],
  ])(
    'what waits at a LUN that is unmapped is told that it is not there, when its initiator %s',
    async (_, lunMasks) => {
      const { target, login, ended, noted } = await world(10);
      await target.createLun({ name: 'other', sizeBytes: 1 << 20, blockBytes: BLOCK });
      const { targets } = target.front;
      const document = { ...targets.document(TARGET), ...(lunMasks && { lunMasks }) };
      await targets.change({ [targets.get(TARGET).documentName]: document });
      const a = await login('a');
      for (let nth = 0; nth < 3; nth += 1) noted(a.command(read(nth)));
      await settle();
      await targets.change(targets.planUnmap(({ vlun }) => vlun === 'disk'));
      await settle();
      expect(ended).toEqual([0, CHECK_CONDITION, CHECK_CONDITION]);
    },
  );
});

test('limits are kept by the pool, are not inherited by clones, and what is no limit is refused', async () => {
  const world = await newPool();
  const limits = { iopsMax: 500, throughputMaxBytes: 1 << 20 };
  await world.pool.createVlun({ name: 'disk', sizeBytes: 1 << 20, ...limits });
  await world.pool.createSnapshots([{ vlun: 'disk', snapshot: 's' }]);
  await world.pool.clone({ vlun: 'disk', snapshot: 's', newName: 'copy' });
  await world.pool.setVlun({ name: 'disk', iopsMax: 700 });
  await killAndReopen(world);
  await world.pool.rollback({ vlun: 'disk', snapshot: 's' });
  expect(world.pool.info('disk')).toMatchObject({ ...limits, iopsMax: 700 });
  expect(world.pool.info('copy')).toMatchObject({ iopsMax: 0, throughputMaxBytes: 0 });
  expect(world.pool.unit('disk').limits).toMatchObject({ ...limits, iopsMax: 700 });
  for (const wrong of [{ iopsMax: -1 }, { iopsMax: 1.5 }, { iopsMax: 2e9 }, { throughputMaxBytes: 4096 }]) {
    await expect(world.pool.setVlun({ name: 'disk', ...wrong })).rejects.toMatchObject({ code: 'bad-limit' });
  }
});
