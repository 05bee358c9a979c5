// What initiators that are logged in see of an operator's work, on a real server over TCP: commands that wait
// at a LUN that is unmapped, LUNs and snapshots that come and go, rollback to another size. The unit
// attentions are those of SPC-4 §5.13 and SBC-3 §4.9, and are told once to every nexus.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClockedServer } from '../../support/clocked-server.ts';
import { HoldingMedium } from '../../support/holding-medium.ts';
import {
  type CommandOptions,
  type CommandResult,
  connectSocket,
  Initiator,
} from '../../support/initiator/index.ts';
import { settle } from '../../support/manual-timers.ts';

const GOOD = 0;
const SIMPLE = 1;
const ORDERED = 2;
const LUN_NOT_SUPPORTED = '5/25/00';
const BLOCK_BYTES = 512;
const TEST_UNIT_READY = new Uint8Array(6);

let clocked: ClockedServer;
const initiators: Initiator[] = [];
let medium: HoldingMedium;

beforeEach(async () => {
  medium = new HoldingMedium();
  clocked = await ClockedServer.start('2026-11-26T00:00:00Z', { medium: () => medium.open() });
  await clocked.ask('lun.create', { name: 'a', sizeBytes: 1 << 20 });
  await clocked.ask('lun.create', { name: 'b', sizeBytes: 1 << 20 });
});

afterEach(async () => {
  medium.letGo();
  for (const initiator of initiators.splice(0)) initiator.close();
  while (clocked.server.hub.connections().length > 0) await settle(1);
  await clocked.end();
});

function verdict({ status, sense }: CommandResult): string {
  if (status === GOOD) return 'good';
  const hex = (at: number): string => (sense[at] ?? 0).toString(16).padStart(2, '0');
  return status === 2 ? `${(sense[2] ?? 0) & 0x0f}/${hex(12)}/${hex(13)}` : String(status);
}

function transfer(opcode: number, options: Partial<CommandOptions>): CommandOptions {
  return { cdb: Uint8Array.of(opcode, 0, 0, 0, 0, 0, 0, 0, 8, 0), ...options };
}

const write = (value: number): CommandOptions =>
  transfer(0x2a, { dataOut: new Uint8Array(8 * BLOCK_BYTES).fill(value) });
const read = (attribute: number, lun = 0): CommandOptions =>
  transfer(0x28, { dataInBytes: 8 * BLOCK_BYTES, attribute, lun });

interface Guest {
  readonly initiator: Initiator;
  /** LUN, ASC and ASCQ of each Asynchronous Message. */
  readonly news: string[];
  /** TEST UNIT READY, until it is GOOD. */
  readonly attentions: (lun?: number) => Promise<string[]>;
}

async function login(name: string): Promise<Guest> {
  const news: string[] = [];
  const initiator = new Initiator(await connectSocket({ host: '127.0.0.1', port: clocked.port }), {
    onAsync: ({ lun }, data) => news.push(`${lun[1]} ${Buffer.from(data.subarray(14, 16)).toString('hex')}`),
  });
  initiators.push(initiator);
  await initiator.login({ targetName: clocked.target, initiatorName: `iqn.2026-01.test:${name}` });
  const attentions = async (lun = 0): Promise<string[]> => {
    const told: string[] = [];
    for (let last = ''; last !== 'good' && told.length < 10; ) {
      last = verdict(await initiator.command({ cdb: TEST_UNIT_READY, lun }));
      if (last !== 'good') told.push(last);
    }
    return told;
  };
  for (const lun of [0, 1]) await attentions(lun);
  return { initiator, news, attentions };
}

describe('a LUN that is unmapped', () => {
  test('answers the commands that wait behind an ORDERED one; the one that runs ends well', async () => {
    const [a, b] = [await login('a'), await login('b')];
    expect(verdict(await a.initiator.command(write(0x5a)))).toBe('good');
    medium.hold();
    const running = a.initiator.start(read(ORDERED));
    const waiting = [a.initiator.start(read(SIMPLE)), a.initiator.start(read(ORDERED))];
    // Whoever is answered to a ping has had all commands before it taken.
    await a.initiator.nop();
    waiting.push(b.initiator.start(read(SIMPLE)));
    await b.initiator.nop();
    const elsewhere = await a.initiator.command({ cdb: TEST_UNIT_READY, lun: 1 });
    expect(verdict(elsewhere)).toBe('good');
    await clocked.ask('lun.unmap', { name: 'a', force: true });
    const ends = await Promise.all(waiting.map(({ done }) => done));
    expect(ends.map(verdict)).toEqual([LUN_NOT_SUPPORTED, LUN_NOT_SUPPORTED, LUN_NOT_SUPPORTED]);
    medium.letGo();
    const { status, dataIn } = await running.done;
    expect([status, new Set(dataIn)]).toEqual([GOOD, new Set([0x5a])]);
    expect([a.initiator.outstanding, await a.initiator.logout()]).toEqual([0, 0]);
  });
});

const REPORT_LUNS: CommandOptions = {
  cdb: Uint8Array.of(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0),
  dataInBytes: 64,
};
const READ_CAPACITY_10: CommandOptions = { cdb: Uint8Array.of(0x25), dataInBytes: 8 };
const RESET_OF_ANOTHER = '6/29/03';
const INVENTORY_CHANGED = '6/3f/0e';
const MEDIUM_MAY_HAVE_CHANGED = '6/28/00';
const CAPACITY_CHANGED = '6/2a/09';

async function luns({ initiator }: Guest): Promise<number[]> {
  const { dataIn } = await initiator.command(REPORT_LUNS);
  const count = ((dataIn[2] ?? 0) * 256 + (dataIn[3] ?? 0)) / 8;
  return Array.from({ length: count }, (_, nth) => dataIn[8 + 8 * nth + 1] ?? -1);
}

async function capacityBlocks({ initiator }: Guest): Promise<number> {
  const { dataIn } = await initiator.command(READ_CAPACITY_10);
  return new DataView(dataIn.buffer, dataIn.byteOffset).getUint32(0) + 1;
}

describe('sessions that are logged in', () => {
  test('are told of a snapshot that is mapped and unmapped, once, by whichever LUN they ask', async () => {
    const [a, b] = [await login('a'), await login('b')];
    await clocked.ask('snapshot.create', { vluns: ['a'], snapshot: 's' });
    expect([await a.attentions(0), a.news]).toEqual([[], []]);
    await clocked.ask('snapshot.map', { vlun: 'a', snapshot: 's' });
    expect([await a.attentions(1), await a.attentions(0)]).toEqual([[INVENTORY_CHANGED], []]);
    expect([await luns(a), await luns(b)]).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ]);
    // REPORT LUNS has told b what there is, and so cleared it (SPC-4 §6.33).
    expect([await b.attentions(0), await b.attentions(1)]).toEqual([[], []]);
    // A unit that is new has nothing to tell of.
    expect(await b.attentions(2)).toEqual([]);
    await clocked.ask('snapshot.unmap', { vlun: 'a', snapshot: 's', force: true });
    expect(verdict(await a.initiator.command({ cdb: TEST_UNIT_READY, lun: 2 }))).toBe(LUN_NOT_SUPPORTED);
    expect([await a.attentions(0), await b.attentions(1)]).toEqual([
      [INVENTORY_CHANGED],
      [INVENTORY_CHANGED],
    ]);
    expect([a.news, b.news]).toEqual([
      ['0 3f0e', '0 3f0e'],
      ['0 3f0e', '0 3f0e'],
    ]);
  });

  test('are told of clones and followers as they appear and go', async () => {
    const a = await login('a');
    await clocked.ask('snapshot.create', { vluns: ['a'], snapshot: 's' });
    await clocked.ask('snapshot.clone', { vlun: 'a', snapshot: 's', newName: 'clone' });
    expect([await a.attentions(0), await luns(a)]).toEqual([[INVENTORY_CHANGED], [0, 1, 2]]);
    await clocked.ask('preserve', { name: 'a', newName: 'side' });
    expect([await a.attentions(2), await luns(a)]).toEqual([[INVENTORY_CHANGED], [0, 1, 2, 3]]);
    await clocked.ask('lun.delete', { name: 'side', force: true });
    expect([await a.attentions(2), await luns(a)]).toEqual([[INVENTORY_CHANGED], [0, 1, 2]]);
    expect(a.news).toEqual(['0 3f0e', '0 3f0e', '0 3f0e']);
  });

  test('are told of a rollback to another size: first of the contents, then of the capacity', async () => {
    const [a, b] = [await login('a'), await login('b')];
    await clocked.ask('preserve', { name: 'a', newName: 'side', lun: 2 });
    await clocked.ask('snapshot.create', { vluns: ['a'], snapshot: 's' });
    await clocked.ask('lun.resize', { name: 'a', sizeBytes: 2 << 20 });
    for (const guest of [a, b]) {
      expect(await guest.attentions(0)).toEqual([INVENTORY_CHANGED, CAPACITY_CHANGED]);
      expect(await guest.attentions(2)).toEqual([]);
      expect([await capacityBlocks(guest), guest.news.splice(0)]).toEqual([4096, ['0 3f0e', '0 2a09']]);
    }
    await clocked.ask('snapshot.rollback', { vlun: 'a', snapshot: 's', force: true });
    for (const guest of [a, b]) {
      expect(await guest.attentions(0)).toEqual([MEDIUM_MAY_HAVE_CHANGED, CAPACITY_CHANGED]);
      // Who tracks a rolled back disk reads what it reads (P14), and keeps its size.
      expect(await guest.attentions(2)).toEqual([MEDIUM_MAY_HAVE_CHANGED]);
      expect(await guest.attentions(1)).toEqual([]);
      expect([await capacityBlocks(guest), guest.initiator.closed]).toEqual([2048, false]);
      expect(new Set(guest.news)).toEqual(new Set(['0 2800', '0 2a09', '2 2800']));
    }
  });

  test('are told of a reset before all else, and of what it stands for not again (SAM-5 §5.14)', async () => {
    const [a, b] = [await login('a'), await login('b')];
    await clocked.ask('snapshot.create', { vluns: ['a'], snapshot: 's' });
    await clocked.ask('lun.resize', { name: 'a', sizeBytes: 2 << 20 });
    await clocked.ask('snapshot.rollback', { vlun: 'a', snapshot: 's', force: true });
    await b.initiator.taskManagement(5, { lun: 0 });
    await clocked.ask('snapshot.map', { vlun: 'a', snapshot: 's' });
    expect(await a.attentions(0)).toEqual([RESET_OF_ANOTHER, INVENTORY_CHANGED]);
    // The other LUN was not reset; that the inventory changed was told already.
    expect(await a.attentions(1)).toEqual([]);
    expect(await b.attentions(0)).toEqual([RESET_OF_ANOTHER, INVENTORY_CHANGED]);
  });
});
