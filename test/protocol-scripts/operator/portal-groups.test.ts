// Two portal groups on a real server over TCP: each is a target port of its own (RFC 7143 §4.4.1), so that
// the same initiator port has a nexus, a session and registrations through each. Names and identifiers are
// put together by hand from SPC-4 §6.16, §6.37, §7.8.6 and §7.8.14.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClockedServer } from '../../support/clocked-server.ts';
import { HoldingMedium } from '../../support/holding-medium.ts';
import { connectSocket, Initiator } from '../../support/initiator/index.ts';
import { settle } from '../../support/manual-timers.ts';

const NAME_A = 'iqn.2026-01.test:a';
const NAME_B = 'iqn.2026-01.test:b';
const EXCLUSIVE_ACCESS = 3;
const SPEC_I_PT = 0x08;
const ALL_TG_PT = 0x04;
const APTPL = 0x01;
const CONFLICT = 'conflict';
const WRITE_10 = Uint8Array.of(0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0);
const READ_10 = Uint8Array.of(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0);

let clocked: ClockedServer;
let medium: HoldingMedium;
let ports: number[];
const initiators: Initiator[] = [];

beforeEach(async () => {
  const portals = ['127.0.0.1:0', '127.0.0.1:0,2'];
  medium = new HoldingMedium();
  clocked = await ClockedServer.start('2026-11-26T00:00:00Z', {
    settings: { portals },
    medium: () => medium.open(),
  });
  await clocked.ask('lun.create', { name: 'a', sizeBytes: 1 << 20 });
  findPorts();
});

function findPorts(): void {
  ports = clocked.server.portals.map((address) => Number(address.split(':').at(-1)));
}

async function leave(): Promise<void> {
  for (const initiator of initiators.splice(0)) initiator.close();
  while (clocked.server.hub.connections().length > 0) await settle(1);
}

afterEach(async () => {
  await leave();
  await clocked.end();
});

class Guest {
  readonly initiator: Initiator;
  readonly tag: string;

  private constructor(initiator: Initiator, tag: string) {
    this.initiator = initiator;
    this.tag = tag;
  }

  /** A session by the portal of this group, its unit attentions told. */
  static async login(initiatorName: string, group: 1 | 2): Promise<Guest> {
    const initiator = new Initiator(await connectSocket({ host: '127.0.0.1', port: ports[group - 1] ?? 0 }));
    initiators.push(initiator);
    const { answers } = await initiator.login({ targetName: clocked.target, initiatorName });
    const guest = new Guest(initiator, answers.get('TargetPortalGroupTag') ?? '');
    for (let told = 0; told < 5 && (await guest.verdict(new Uint8Array(6))) !== 'good'; told += 1);
    return guest;
  }

  async verdict(cdb: Uint8Array, dataOut?: Uint8Array): Promise<string> {
    const options = dataOut === undefined ? { cdb, dataInBytes: 512 } : { cdb, dataOut };
    const { status, sense } = await this.initiator.command(options);
    if (status === 0) return 'good';
    return status === 2 ? Buffer.from(sense.subarray(12, 14)).toString('hex') : CONFLICT;
  }

  /** PERSISTENT RESERVE OUT. */
  out(
    action: number,
    how: { own?: number; other?: number; type?: number; flags?: number; more?: Uint8Array },
  ): Promise<string> {
    const { own = 0, other = 0, type = 0, flags = 0, more = new Uint8Array(0) } = how;
    const list = Buffer.alloc(24 + more.length);
    list[7] = own;
    list[15] = other;
    list[20] = flags;
    list.set(more, 24);
    return this.verdict(Uint8Array.of(0x5f, action, type, 0, 0, 0, 0, 0, list.length, 0), list);
  }

  async dataIn(cdb: Uint8Array): Promise<Buffer> {
    const { dataIn } = await this.initiator.command({ cdb, dataInBytes: 1024 });
    return Buffer.from(dataIn);
  }

  page(code: number): Promise<Buffer> {
    return this.dataIn(Uint8Array.of(0x12, 1, code, 4, 0, 0));
  }

  /** READ FULL STATUS: key, R_HOLDER, relative target port and initiator device of each registration. */
  async registrations(): Promise<string[]> {
    const all = await this.dataIn(Uint8Array.of(0x5e, 3, 0, 0, 0, 0, 0, 4, 0, 0));
    const found: string[] = [];
    for (let at = 8; at < 8 + all.readUInt32BE(4); at += 24 + all.readUInt32BE(at + 20)) {
      const id = all.subarray(at + 24, at + 24 + all.readUInt32BE(at + 20));
      const device = id.subarray(4).toString('utf8').split(',')[0]?.split(':')[1];
      const holder = ((all[at + 12] ?? 0) & 1) === 1 ? ' holds' : '';
      found.push(`${(all[at + 7] ?? 0).toString(16)} ${device} at ${all.readUInt16BE(at + 18)}${holder}`);
    }
    return found.sort();
  }
}

function transportId(initiatorName: string): Buffer {
  const name = Buffer.from(`${initiatorName},i,0x800000010000`);
  const id = Buffer.alloc(4 + (name.length + 4 - (name.length % 4)));
  id.writeUInt16BE(0x4500, 0);
  id.writeUInt16BE(id.length - 4, 2);
  id.set(name, 4);
  return id;
}

/** The list of TransportIDs behind its length (SPC-4 Table 234). */
function specified(initiatorName: string): Buffer {
  const id = transportId(initiatorName);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(id.length);
  return Buffer.concat([length, id]);
}

test('discovery names every portal with its group, and a login tells that of its own', async () => {
  const discovery = new Initiator(await connectSocket({ host: '127.0.0.1', port: ports[1] ?? 0 }));
  initiators.push(discovery);
  await discovery.login({});
  expect(await discovery.sendTargets()).toEqual([
    ['TargetName', clocked.target],
    ['TargetAddress', `127.0.0.1:${ports[1]},2`],
    ['TargetAddress', `127.0.0.1:${ports[0]},1`],
  ]);
  const [first, second] = [await Guest.login(NAME_A, 1), await Guest.login(NAME_A, 2)];
  expect([first.tag, second.tag]).toEqual(['1', '2']);
  const sessions = (await clocked.ask('session.list')) as readonly { readonly portalGroup: number }[];
  expect(sessions.map(({ portalGroup }) => portalGroup)).toEqual([0, 1, 2]);
});

test('the same initiator port has a session through each group, and reinstates the one of its own', async () => {
  const [first, second] = [await Guest.login(NAME_A, 1), await Guest.login(NAME_A, 2)];
  expect([first.initiator.closed, second.initiator.closed]).toEqual([false, false]);
  const again = await Guest.login(NAME_A, 2);
  expect([first.initiator.closed, second.initiator.closed, again.initiator.closed]).toEqual([
    ...[false, true, false],
  ]);
});

test('INQUIRY names the port that was used, and the group that all ports are in', async () => {
  const [first, second] = [await Guest.login(NAME_A, 1), await Guest.login(NAME_A, 2)];
  for (const [guest, id] of [
    [first, 1],
    [second, 2],
  ] as const) {
    const page = (await guest.page(0x83)).toString('latin1');
    const designators = `\x51\x94\0\x04\0\0\0${String.fromCharCode(id)}\x51\x95\0\x04\0\0\0\x01\x53\x98\0`;
    expect(page).toContain(designators);
    expect(page).toContain(`${clocked.target},t,0x000${id}\0`);
    expect(page).not.toContain(`${clocked.target},t,0x000${3 - id}`);
    // SCSI Ports: both, whoever asks.
    const ports = (await guest.page(0x88)).toString('latin1');
    const names = [...ports.matchAll(/\0\0\0(.)\0{6}\0.\x53\x98\0.([^\0]+)\0/gs)];
    expect(names.map(([, port, name]) => [port, name])).toEqual([
      ['\x01', `${clocked.target},t,0x0001`],
      ['\x02', `${clocked.target},t,0x0002`],
    ]);
    // REPORT TARGET PORT GROUPS: one group, number 1, active/optimized, with the ports 1 and 2.
    const groups = await guest.dataIn(Uint8Array.of(0xa3, 0x0a, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0));
    expect(groups.toString('hex')).toBe('00000010' + '000f0001' + '00000002' + '00000001' + '00000002');
  }
});

describe('persistent reservations', () => {
  test('are of the nexus: what is registered through one port is not through the other', async () => {
    const [first, second] = [await Guest.login(NAME_A, 1), await Guest.login(NAME_A, 2)];
    expect(await first.out(0, { other: 0xa1 })).toBe('good');
    expect(await first.out(1, { own: 0xa1, type: EXCLUSIVE_ACCESS })).toBe('good');
    expect([await first.verdict(READ_10), await second.verdict(READ_10)]).toEqual(['good', CONFLICT]);
    expect(await second.out(0, { other: 0xa2 })).toBe('good');
    expect(await first.registrations()).toEqual(['a1 a at 1 holds', 'a2 a at 2']);
    expect([await first.verdict(READ_10), await second.verdict(READ_10)]).toEqual(['good', CONFLICT]);
  });

  test('ALL_TG_PT registers through every port, as if each had been asked', async () => {
    const [first, second] = [await Guest.login(NAME_A, 1), await Guest.login(NAME_A, 2)];
    expect(await first.out(0, { other: 0xa1, flags: ALL_TG_PT })).toBe('good');
    expect(await second.registrations()).toEqual(['a1 a at 1', 'a1 a at 2']);
    // One port by itself, and then both have other keys: that is a conflict.
    expect(await second.out(0, { own: 0xa1, other: 0xa2 })).toBe('good');
    expect(await first.out(0, { own: 0xa1, other: 0xa3, flags: ALL_TG_PT })).toBe(CONFLICT);
    expect(await first.out(0, { own: 0xa1 })).toBe('good');
    expect(await second.registrations()).toEqual(['a2 a at 2']);
    expect(await first.out(6, { other: 0xa4, flags: ALL_TG_PT })).toBe('good');
    expect(await second.registrations()).toEqual(['a4 a at 1', 'a4 a at 2']);
    expect(await first.out(6, { flags: ALL_TG_PT })).toBe('good');
    expect(await second.registrations()).toEqual([]);
  });

  test('SPEC_I_PT registers others through the port that was used, or with ALL_TG_PT through all', async () => {
    const first = await Guest.login(NAME_A, 1);
    const more = specified(NAME_B);
    expect(await first.out(0, { other: 0xa1, flags: SPEC_I_PT, more })).toBe('good');
    expect(await first.registrations()).toEqual(['a1 a at 1', 'a1 b at 1']);
    expect(await first.out(3, { own: 0xa1 })).toBe('good');
    expect(await first.out(0, { other: 0xa1, flags: SPEC_I_PT | ALL_TG_PT, more })).toBe('good');
    expect(await first.registrations()).toEqual(['a1 a at 1', 'a1 a at 2', 'a1 b at 1', 'a1 b at 2']);
    // Nobody had to be logged in for that.
    const there = await Guest.login(NAME_B, 2);
    expect(await there.out(1, { own: 0xa1, type: EXCLUSIVE_ACCESS })).toBe('good');
  });

  test('REGISTER AND MOVE goes to the port it names, and to none that there is not', async () => {
    const [first, second] = [await Guest.login(NAME_A, 1), await Guest.login(NAME_A, 2)];
    await first.out(0, { other: 0xa1 });
    await first.out(1, { own: 0xa1, type: EXCLUSIVE_ACCESS });
    const move = (port: number): Promise<string> => {
      const id = transportId(NAME_A);
      const list = Buffer.alloc(24 + id.length);
      list[7] = 0xa1;
      list[15] = 0xa2;
      list.writeUInt16BE(port, 18);
      list.writeUInt32BE(id.length, 20);
      list.set(id, 24);
      return first.verdict(Uint8Array.of(0x5f, 7, 0, 0, 0, 0, 0, 0, list.length, 0), list);
    };
    expect([await move(3), await move(1), await move(2)]).toEqual(['2600', '2600', 'good']);
    expect(await first.registrations()).toEqual(['a1 a at 1', 'a2 a at 2 holds']);
    expect([await first.verdict(READ_10), await second.verdict(READ_10)]).toEqual([CONFLICT, 'good']);
  });

  test('with APTPL the port is kept, too', async () => {
    let [first, second] = [await Guest.login(NAME_A, 1), await Guest.login(NAME_A, 2)];
    await first.out(0, { other: 0xa1, flags: APTPL });
    await second.out(0, { other: 0xa2, flags: APTPL });
    await second.out(1, { own: 0xa2, type: EXCLUSIVE_ACCESS });
    await leave();
    await clocked.down();
    await clocked.up();
    findPorts();
    [first, second] = [await Guest.login(NAME_A, 1), await Guest.login(NAME_A, 2)];
    expect(await first.registrations()).toEqual(['a1 a at 1', 'a2 a at 2 holds']);
    expect([await first.verdict(READ_10), await second.verdict(READ_10)]).toEqual([CONFLICT, 'good']);
  });

  test('PREEMPT AND ABORT ends what came through one port, not what the same initiator port has elsewhere', async () => {
    const [first, second] = [await Guest.login(NAME_A, 1), await Guest.login(NAME_A, 2)];
    const other = await Guest.login(NAME_B, 1);
    await first.out(0, { other: 0xa1 });
    await second.out(0, { other: 0xa2 });
    await other.out(0, { other: 0xb1 });
    expect(await other.verdict(WRITE_10, Buffer.alloc(512, 0x5a))).toBe('good');
    medium.hold();
    const reads = [first, second].map(({ initiator }) => initiator.start({ cdb: READ_10, dataInBytes: 512 }));
    await Promise.all([first.initiator.nop(), second.initiator.nop()]);
    const preempting = other.out(5, { own: 0xb1, other: 0xa1, type: EXCLUSIVE_ACCESS });
    await other.initiator.nop();
    medium.letGo();
    expect([await preempting, (await reads[1]?.done)?.status]).toEqual(['good', 0]);
    const told = [await first.verdict(new Uint8Array(6)), await second.verdict(new Uint8Array(6))];
    // REGISTRATIONS PREEMPTED.
    expect(told).toEqual(['2a05', 'good']);
    // What ran through the first port is answered to nobody.
    expect([first.initiator.outstanding, second.initiator.outstanding]).toEqual([1, 0]);
    expect(await other.registrations()).toEqual(['a2 a at 2', 'b1 b at 1']);
  });
});
