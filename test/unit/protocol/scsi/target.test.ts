// Unit attentions, the task set, several nexuses and targets, changes of the map; and a long seeded run of
// arbitrary CDBs, none of which may go unanswered or throw.
import { describe, expect, test } from 'vitest';
import { memoryUnit } from '../../../../lun/memory-device.ts';
import { COMMANDS } from '../../../../protocol/scsi/commands.ts';
import { lunField, lunNumber } from '../../../../protocol/scsi/lun-field.ts';
import { ScsiTarget } from '../../../../protocol/scsi/target.ts';
import { seededRandom } from '../../../support/random.ts';
import {
  bench,
  cdb10,
  filled,
  hexOf,
  lunBytes,
  ready,
  TestUnits,
  task,
  testServers,
  u16,
  verdict,
} from './harness.ts';

const TUR = [0, 0];
const INQUIRY = [0x12, 0, 0, 0, 96, 0];
const REPORT_LUNS = [0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
const REQUEST_SENSE = [0x03, 0, 0, 0, 18, 0];

describe('unit attentions', () => {
  test('a new nexus learns of the reset it missed, once', async () => {
    const a = bench().initiator();
    expect(verdict(await a.run(INQUIRY))).toBe('good');
    expect(verdict(await a.run(REPORT_LUNS))).toBe('good');
    expect(verdict(await a.run(TUR))).toBe('6/29/00');
    expect(verdict(await a.run(TUR))).toBe('good');
  });

  test('REQUEST SENSE reports one as data and clears it', async () => {
    const a = bench().initiator();
    expect(hexOf((await a.run(REQUEST_SENSE)).dataIn)).toBe('700006000000000a00000000290000000000');
    expect(hexOf((await a.run(REQUEST_SENSE)).dataIn)).toBe('700000000000000a00000000000000000000');
    expect(hexOf((await a.run([0x03, 1, 0, 0, 18, 0])).dataIn)).toBe('7200000000000000');
    expect(verdict(await a.run(TUR))).toBe('good');
  });

  test('an unknown opcode leaves it waiting; a conflict comes after it', async () => {
    const { initiator } = await ready();
    const b = initiator('b');
    expect(verdict(await b.run([0xff]))).toBe('5/20/00');
    const a = await initiator('a').settle();
    await a.run([0x16]);
    expect(verdict(await b.run(TUR))).toBe('6/29/00');
    expect(verdict(await b.run(TUR))).toBe('conflict');
  });

  test('facts of a unit reach every nexus in the order they came, each once', async () => {
    const { a, unit, target } = await ready();
    const events: string[] = [];
    const stop = target.onAsyncEvent(({ sense, lun }) =>
      events.push(`${lun} ${hexOf(sense.subarray(12, 14))}`),
    );
    for (const fact of [
      'capacity-changed',
      'contents-replaced',
      'mode-changed',
      'space-threshold',
    ] as const) {
      unit.tell(fact);
      unit.tell('capacity-changed');
    }
    const seen: string[] = [];
    for (let i = 0; i < 5; i += 1) seen.push(verdict(await a.run(TUR)));
    expect(seen).toEqual(['6/2a/09', '6/28/00', '6/2a/01', '6/38/07', 'good']);
    expect(new Set(events)).toEqual(new Set(['0 2a09', '0 2800', '0 2a01', '0 3807']));
    stop();
    unit.tell('space-threshold');
    expect(events).toHaveLength(8);
  });

  test('ports that come and go are told to those who were there (SPC-4 §7.8.14)', async () => {
    const groups = [1];
    const { target, initiator } = bench({}, { portalGroupTags: () => groups });
    const a = await initiator('a').settle();
    groups.push(2);
    target.reviewPorts();
    const b = await initiator('b').settle();
    expect([verdict(await a.run(TUR)), verdict(await a.run(TUR))]).toEqual(['6/3f/03', 'good']);
    groups.pop();
    const late = target.openNexus({ portName: 'late,i,0x1', deviceName: 'late' }, { portalGroupTag: 2 });
    target.reviewPorts();
    expect(verdict(await b.run(TUR))).toBe('good');
    // The port that no group stands for goes with the last nexus through it.
    late.close();
    expect([verdict(await b.run(TUR)), verdict(await a.run(TUR))]).toEqual(['6/3f/03', '6/3f/03']);
  });

  test('a reset stands for all that came before it', async () => {
    const { a, unit, target, initiator } = await ready();
    const b = await initiator('b').settle();
    unit.tell('capacity-changed');
    target.resetLun(lunBytes(0), b.nexus);
    unit.tell('space-threshold');
    const seen = [verdict(await a.run(TUR)), verdict(await a.run(TUR)), verdict(await a.run(TUR))];
    expect(seen).toEqual(['6/29/03', '6/38/07', 'good']);
    expect([verdict(await b.run(TUR)), verdict(await b.run(TUR))]).toEqual(['6/29/03', '6/38/07']);
  });

  test('of several resets the most thorough is told, whichever came last (SAM-5 Table 48)', async () => {
    const { target, unit, initiator } = await ready();
    const b = initiator('b');
    unit.tell('capacity-changed');
    target.resetLun(lunBytes(0), b.nexus);
    unit.tell('space-threshold');
    target.resetLun(lunBytes(0), b.nexus);
    expect([verdict(await b.run(TUR)), verdict(await b.run(TUR))]).toEqual(['6/29/00', 'good']);
    target.resetLun(lunBytes(0), b.nexus);
    expect([verdict(await b.run(TUR)), verdict(await b.run(TUR))]).toEqual(['6/29/03', 'good']);
  });

  test('CLEAR TASK SET tells the others, or those that had tasks', async () => {
    const { a, target, initiator } = await ready();
    const b = await initiator('b').settle();
    const c = await initiator('c').settle();
    expect(target.clearTaskSet(lunBytes(0), a.nexus)).toBe(true);
    expect([verdict(await a.run(TUR)), verdict(await b.run(TUR)), verdict(await c.run(TUR))]).toEqual([
      'good',
      '6/2f/00',
      '6/2f/00',
    ]);
    target.clearTaskSet(lunBytes(0), a.nexus, [c.nexus]);
    expect([verdict(await b.run(TUR)), verdict(await c.run(TUR))]).toEqual(['good', '6/2f/00']);
    expect(target.clearTaskSet(lunBytes(9), a.nexus)).toBe(false);
    expect(target.resetLun(lunBytes(9), a.nexus)).toBe(false);
  });
});

describe('the map of units', () => {
  test('a change is told once by any unit, and REPORT LUNS clears it', async () => {
    const { a, units, target, initiator } = await ready();
    const b = await initiator('b').settle();
    const events: number[] = [];
    target.onAsyncEvent(({ lun, sense }) => events.push(lun, sense[12] as number));
    units.units.set(5, memoryUnit());
    units.changed();
    expect(events).toEqual([0, 0x3f]);
    expect(verdict(await a.run(REPORT_LUNS))).toBe('good');
    expect(verdict(await a.run(TUR))).toBe('good');
    expect(verdict(await b.run(TUR))).toBe('6/3f/0e');
    expect([verdict(await b.run(TUR)), verdict(await b.run(TUR, { lun: 5 }))]).toEqual(['good', 'good']);
  });

  test('a unit that left is no unit; one in its place is new', async () => {
    const { a, units } = await ready();
    await a.run([0x16]);
    units.units.delete(0);
    units.changed();
    expect([verdict(await a.run(TUR)), a.nexus.serverAt(lunBytes(0))]).toEqual(['5/25/00', undefined]);
    units.units.set(0, memoryUnit({ capacityBlocks: 8 }));
    units.changed();
    expect(verdict(await a.run(TUR))).toBe('6/3f/0e');
    expect(hexOf((await a.run([0x25])).dataIn)).toBe('0000000700000200');
  });

  test('LUN fields', () => {
    for (const lun of [0, 1, 255, 256, 300, 0x3fff]) expect(lunNumber(lunField(lun))).toBe(lun);
    expect(hexOf(lunField(255))).toBe('00ff000000000000');
    expect(hexOf(lunField(256))).toBe('4100000000000000');
    expect(lunNumber(Uint8Array.of(0x40, 7, 0, 0, 0, 0, 0, 0))).toBe(7);
    for (const first of [
      [0x01, 0],
      [0x80, 0],
      [0xc1, 1],
    ]) {
      expect(lunNumber(Uint8Array.of(...first, 0, 0, 0, 0, 0, 0))).toBeUndefined();
    }
    expect(lunNumber(Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 1))).toBeUndefined();
  });

  test('a unit of two targets has one set of reservations', async () => {
    const servers = testServers();
    const first = await ready({}, { servers });
    const units = new TestUnits();
    units.units.set(4, first.unit);
    const second = new ScsiTarget({
      units,
      name: 'iqn.2026-11.io.snaplun:second',
      product: { vendor: 'V', product: 'P', revision: 'R' },
      servers,
      abortTasks: () => undefined,
    });
    const nexus = second.openNexus({ portName: 'iqn.x:y,i,0x000000000001', deviceName: 'iqn.x:y' });
    const run = (cdb: number[]): Promise<string> =>
      new Promise((resolve) => nexus.execute(task(cdb, { lun: 4 }), (result) => resolve(verdict(result))));
    expect(await run(TUR)).toBe('6/29/00');
    await first.a.run([0x16]);
    expect(await run(TUR)).toBe('conflict');
    nexus.close();
    second.close();
    first.unit.tell('capacity-changed');
    expect(verdict(await first.a.run(TUR))).toBe('6/2a/09');
  });
});

describe('the task set', () => {
  /** A unit whose reads end when the test says so. */
  async function slow() {
    const setting = await ready();
    const waiting: (() => void)[] = [];
    const begun: number[] = [];
    setting.unit.device.read = ({ lba }) => {
      begun.push(lba);
      return new Promise((resolve) => waiting.push(resolve));
    };
    const ended: number[] = [];
    const read = (lba: number, attribute: 'simple' | 'ordered' | 'head-of-queue' | 'untagged'): boolean =>
      setting.a.nexus.execute(task(cdb10(0x28, lba, 1), { attribute, tag: lba, room: 512 }), () =>
        ended.push(lba),
      );
    const finish = async (): Promise<void> => {
      waiting.shift()?.();
      for (let i = 0; i < 10; i += 1) await Promise.resolve();
    };
    return { ...setting, begun, ended, read, finish };
  }

  test('SIMPLE tasks run together; ORDERED waits for all before it and holds up all after it', async () => {
    const { begun, ended, read, finish } = await slow();
    read(1, 'simple');
    read(2, 'untagged');
    read(3, 'ordered');
    read(4, 'simple');
    read(5, 'simple');
    expect(begun).toEqual([1, 2]);
    await finish();
    expect(begun).toEqual([1, 2]);
    await finish();
    expect(begun).toEqual([1, 2, 3]);
    await finish();
    expect(begun).toEqual([1, 2, 3, 4, 5]);
    await finish();
    await finish();
    expect(ended).toEqual([1, 2, 3, 4, 5]);
  });

  test('HEAD OF QUEUE runs at once and holds up what comes after it', async () => {
    const { begun, read, finish } = await slow();
    read(1, 'simple');
    read(2, 'ordered');
    read(3, 'head-of-queue');
    read(4, 'simple');
    expect(begun).toEqual([1, 3]);
    await finish();
    expect(begun).toEqual([1, 3]);
    await finish();
    expect(begun).toEqual([1, 3, 2]);
    await finish();
    expect(begun).toEqual([1, 3, 2, 4]);
  });

  test('a task that waits can be cancelled, and lets the next one go', async () => {
    const { begun, ended, read, finish, a } = await slow();
    const server = a.nexus.serverAt(lunBytes(0));
    read(1, 'simple');
    read(2, 'ordered');
    read(3, 'simple');
    expect(a.nexus.cancel(lunBytes(0), 1)).toBe(false);
    expect(a.nexus.cancel(lunBytes(0), 2)).toBe(true);
    expect(begun).toEqual([1, 3]);
    await finish();
    await finish();
    expect(ended).toEqual([1, 3]);
    read(4, 'simple');
    read(5, 'ordered');
    a.nexus.close();
    await finish();
    expect(begun).toEqual([1, 3, 4]);
    expect(server?.taskSet).toMatchObject({ running: 0, blocked: 0 });
  });

  test('too many that wait are TASK SET FULL; ACA is an error', async () => {
    const { a, read } = await slow();
    read(1, 'simple');
    const verdicts: string[] = [];
    for (let i = 0; i < 1025; i += 1) {
      a.nexus.execute(task(TUR, { attribute: 'ordered' }), (result) => verdicts.push(verdict(result)));
    }
    expect(verdicts).toEqual(['full']);
    const { a: other } = await ready();
    expect(verdict(await other.run(TUR, { attribute: 'aca' }))).toBe('5/49/00');
  });
});

describe('arbitrary CDBs', () => {
  test('200,000 of them are each answered once, and nothing throws', async () => {
    const seed = 0xcdb;
    const random = seededRandom(seed);
    const { a, initiator, target } = await ready({ removable: true, capacityBlocks: 256 });
    const b = initiator('b');
    const dataOuts = [0, 0, 7, 24, 40, 512, 1024].flatMap((bytes) => [
      random.bytes(bytes),
      random.bytes(bytes),
    ]);
    const statuses = new Map<number, number>();
    let answered = 0;
    let begun = 0;
    for (let i = 0; i < 200_000; i += 1) {
      const cdb = random.bytes(16);
      const row = random.pick(COMMANDS.rows);
      if (random.chance(0.9)) arrange(cdb, row, random);
      const attribute = random.pick(['simple', 'simple', 'ordered', 'head-of-queue', 'untagged'] as const);
      const dataOut = random.pick(dataOuts);
      const nexus = random.chance(0.8) ? a.nexus : b.nexus;
      begun += 1;
      nexus.execute(
        { ...task([...cdb], { attribute, dataOut, room: random.below(2048) }), tag: i },
        ({ status }) => {
          answered += 1;
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        },
      );
      if (i % 1000 === 0) {
        await new Promise((resolve) => setImmediate(resolve));
        target.resetTarget(undefined);
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
    expect(answered, `seed ${seed}`).toBe(begun);
    for (const status of [0x00, 0x02, 0x18])
      expect(statuses.get(status), `status ${status}`).toBeGreaterThan(1000);
  }, 120_000);
});

/**
 * Makes a CDB that has a chance: a real opcode, mostly no bits that must be zero, small places and
 * lengths.
 */
function arrange(
  cdb: Uint8Array,
  row: (typeof COMMANDS.rows)[number],
  random: ReturnType<typeof seededRandom>,
): void {
  if (random.chance(0.9)) cdb.set(cdb.map((byte, at) => byte & (row.usage[at] ?? 0)));
  cdb[0] = row.opcode;
  if (row.serviceAction !== undefined) cdb[1] = ((cdb[1] as number) & 0xe0) | row.serviceAction;
  if (random.chance(0.8)) {
    for (const name of ['lba', 'transferLength', 'verificationLength', 'blocks', 'parameterListLength']) {
      const field = row.cdb[name];
      if (field === undefined) continue;
      const value = random.chance(0.5) ? random.below(4) : random.below(260);
      cdb.fill(0, field.byte, field.byte + field.byteCount);
      cdb.set(u16(value).slice(-Math.min(2, field.byteCount)), field.byte + Math.max(0, field.byteCount - 2));
    }
  }
}

test('data that was written is read through another nexus', async () => {
  const { a, initiator } = await ready();
  const b = await initiator('b').settle();
  await a.run(cdb10(0x2a, 9, 2), { dataOut: filled(1024, 0x3c) });
  expect((await b.run(cdb10(0x28, 9, 2))).dataIn).toEqual(filled(1024, 0x3c));
});
