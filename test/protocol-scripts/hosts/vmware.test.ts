// What VMware's hosts send to a datastore: the VAAI primitives as VMFS uses them (atomic test and set for
// locks and heartbeats, WRITE SAME for zeroing, UNMAP), and habits of their initiator: allocation lengths far
// above the answer, aborts of whatever takes long, RESERVE(6) where there is no ATS. They are taken from
// VMware's and T10's documents; they were not run against ESXi. EXTENDED COPY is in clone.test.ts.
import { beforeEach, describe, expect, test } from 'vitest';
import { settle } from '../../support/pool-world.ts';
import type { WholeTarget } from '../../support/whole-target.ts';
import { BLOCK_BYTES, filled, Host, u32, u64, wholeTarget, writeCdb } from './host.ts';

const ABORT_TASK = 1;
const LUN_RESET = 5;
/** A VMFS block of 1 MiB. */
const VMFS_BLOCKS = (1 << 20) / BLOCK_BYTES;

function holdsOnly(bytes: Uint8Array, byte: number): boolean {
  return bytes.length > 0 && bytes.every((one) => one === byte);
}

let target: WholeTarget;
let a: Host;
let b: Host;

beforeEach(async () => {
  target = await wholeTarget();
  a = await Host.open(target, 'a');
  b = await Host.open(target, 'b');
});

describe('what a host looks for before it uses VAAI', () => {
  test('the unit names itself by NAA, takes COMPARE AND WRITE, and gives blocks back (SPC-4 §7.8.6, SBC-3 §6.6)', async () => {
    const vpd = async (page: number): Promise<Uint8Array> =>
      (await a.run([0x12, 1, page, 0x02, 0], { room: 512 })).dataIn;
    const designators = await vpd(0x83);
    // Binary, of the logical unit, NAA, 16 bytes, type 6.
    expect([...designators.subarray(4, 8), (designators[8] ?? 0) >> 4]).toEqual([1, 3, 0, 16, 6]);
    const limits = await vpd(0xb0);
    expect(limits[5]).toBeGreaterThan(0);
    expect((await vpd(0xb2))[5]).toBe(0xe4);
    // LBPME and LBPRZ of READ CAPACITY(16).
    const capacity = await a.run([0x9e, 0x10, ...u64(0), ...u32(32)], { room: 32 });
    expect((capacity.dataIn[14] ?? 0) & 0xc0).toBe(0xc0);
  });

  test('REPORT SUPPORTED OPERATION CODES knows the primitives (SPC-4 §6.35)', async () => {
    for (const opcode of [0x89, 0x93, 0x42]) {
      const { dataIn } = await a.run([0xa3, 0x0c, 0x01, opcode, 0, 0, ...u32(64)], { room: 64 });
      expect(dataIn[1]).toBe(3);
    }
  });
});

describe('atomic test and set (SBC-3 §5.2)', () => {
  test('a heartbeat replaces what it knows, and finds out when another host took over', async () => {
    let slot = filled(1, 0);
    for (let beat = 1; beat <= 20; beat += 1) {
      const next = filled(1, beat);
      expect((await a.compareAndWrite(8, slot, next)).said).toBe('good');
      slot = next;
    }
    const stolen = filled(1, 20);
    stolen[300] = 0xff;
    expect((await b.compareAndWrite(8, slot, stolen)).said).toBe('good');
    const lost = await a.compareAndWrite(8, slot, filled(1, 21));
    expect(lost.said).toBe('e/1d/00');
    // INFORMATION is valid and says where the first difference is.
    expect([(lost.sense[0] ?? 0) & 0x80, ...lost.sense.subarray(3, 7)]).toEqual([0x80, ...u32(300)]);
    expect((await a.read(8)).dataIn).toEqual(stolen);
  });

  test('of hosts that race for a free lock exactly one gets it', async () => {
    const hosts = [a, b, await Host.open(target, 'c'), await Host.open(target, 'd')];
    const free = filled(1, 0);
    for (let round = 0; round < 20; round += 1) {
      const racing = hosts.map((host) => host.compareAndWrite(16 + round, free, filled(1, host.key)));
      const said = (await Promise.all(racing)).map((answer) => answer.said);
      expect(said.filter((one) => one === 'good')).toHaveLength(1);
      expect(said.filter((one) => one === 'e/1d/00')).toHaveLength(hosts.length - 1);
      const winner = hosts[said.indexOf('good')] as Host;
      expect((await a.read(16 + round)).dataIn).toEqual(filled(1, winner.key));
    }
  });

  test('many blocks are one step: nobody sees a part of it', async () => {
    const [zero, one] = [filled(128, 0), filled(128, 1)];
    const reads: Promise<{ dataIn: Uint8Array }>[] = [];
    for (let round = 0; round < 10; round += 1) {
      const [from, to] = round % 2 === 0 ? [zero, one] : [one, zero];
      const setting = a.compareAndWrite(100, from, to);
      for (let i = 0; i < 3; i += 1) reads.push(b.read(100, 128));
      expect((await setting).said).toBe('good');
    }
    for (const { dataIn } of await Promise.all(reads)) expect(new Set(dataIn).size).toBe(1);
  });

  test('a heartbeat that meets a reset is not done, and is done when it comes again (SAM-5 §5.14)', async () => {
    expect((await a.compareAndWrite(8, filled(1, 0), filled(1, 1))).said).toBe('good');
    expect(await b.manage(LUN_RESET)).toBe(0);
    expect((await a.compareAndWrite(8, filled(1, 1), filled(1, 2))).said).toBe('6/29/03');
    expect(await b.testUnitReady()).toBe('6/29/03');
    expect((await b.read(8)).dataIn).toEqual(filled(1, 1));
    expect((await a.compareAndWrite(8, filled(1, 1), filled(1, 2))).said).toBe('good');
  });

  test('it obeys the reservation of another host (SBC-3 Table 13)', async () => {
    expect(await b.say([0x16])).toBe('good');
    expect((await a.compareAndWrite(8, filled(1, 0), filled(1, 1))).said).toBe('conflict');
  });
});

describe('zeroing and giving back', () => {
  const status = async (lba: number): Promise<readonly [blocks: number, provisioning: number]> => {
    const { dataIn } = await a.run([0x9e, 0x12, ...u64(lba), ...u32(24)], { room: 24 });
    const view = new DataView(dataIn.buffer, dataIn.byteOffset);
    return [view.getUint32(16), dataIn[20] ?? 0];
  };

  test('WRITE SAME of zeroes over VMFS blocks: they read as zeroes and take no space (SBC-3 §5.47)', async () => {
    for (let i = 0; i < 4; i += 1) await a.write(i * 128, filled(128, 0xee));
    const cdb = [0x93, 0, ...u64(0), ...u32(VMFS_BLOCKS)];
    expect(await a.say(cdb, { dataOut: filled(1, 0) })).toBe('good');
    expect(holdsOnly((await b.read(0, 512)).dataIn, 0)).toBe(true);
    const [blocks, provisioning] = await status(0);
    expect([blocks >= VMFS_BLOCKS, provisioning]).toEqual([true, 1]);
  });

  test('WRITE SAME(16) with UNMAP gives back; another host that holds the disk stops both (SBC-3 Table 13)', async () => {
    await a.write(0, filled(16, 0xee));
    const cdb = [0x93, 0x08, ...u64(0), ...u32(16)];
    expect(await b.say([0x16])).toBe('good');
    expect(await a.say(cdb, { dataOut: filled(1, 0) })).toBe('conflict');
    expect(await b.say([0x17])).toBe('good');
    expect(holdsOnly((await a.read(0, 16)).dataIn, 0xee)).toBe(true);
    expect(await a.say(cdb, { dataOut: filled(1, 0) })).toBe('good');
    expect(holdsOnly((await b.read(0, 16)).dataIn, 0)).toBe(true);
    expect((await status(0))[1]).toBe(1);
  });

  test('UNMAP of several extents: those and nothing beside them (SBC-3 §5.30)', async () => {
    const whole = VMFS_BLOCKS * 4;
    for (let lba = 0; lba < whole; lba += VMFS_BLOCKS) await a.write(lba, filled(VMFS_BLOCKS, 0xee));
    const extents = [
      [0, VMFS_BLOCKS],
      [2 * VMFS_BLOCKS, VMFS_BLOCKS],
    ] as const;
    const descriptors = extents.flatMap(([lba, blocks]) => [...u64(lba), ...u32(blocks), 0, 0, 0, 0]);
    const list = Uint8Array.from([
      0,
      6 + descriptors.length,
      0,
      descriptors.length,
      0,
      0,
      0,
      0,
      ...descriptors,
    ]);
    expect(await a.say([0x42, 0, 0, 0, 0, 0, 0, 0, list.length], { dataOut: list })).toBe('good');
    for (let i = 0; i < 4; i += 1) {
      const { dataIn } = await b.read(i * VMFS_BLOCKS, VMFS_BLOCKS);
      expect(holdsOnly(dataIn, i % 2 === 0 ? 0 : 0xee)).toBe(true);
      expect((await status(i * VMFS_BLOCKS))[1]).toBe(i % 2 === 0 ? 1 : 0);
    }
  });
});

describe('habits', () => {
  test('room for far more than the answer: an underflow says how much was not used (RFC 7143 §11.4.5.1)', async () => {
    const inquiry = await a.run([0x12, 0, 0, 0, 0xff], { room: 255 });
    expect([inquiry.said, inquiry.dataIn.length, inquiry.residual]).toEqual(['good', 96, 'underflow 159']);
    const luns = await a.run([0xa0, 0, 0, 0, 0, 0, ...u32(4096)], { room: 4096 });
    expect([luns.said, luns.dataIn.length, luns.residual]).toEqual(['good', 16, 'underflow 4080']);
    const sense = await a.run([0x1a, 0, 0x3f, 0, 0xff], { room: 255 });
    expect([sense.said, sense.residual]).toEqual(['good', `underflow ${255 - sense.dataIn.length}`]);
  });

  test('room for less than the answer: an overflow says how much was missing', async () => {
    await a.write(0, filled(8, 0x5a));
    const cdb = [0x28, 0, 0, 0, 0, 0, 0, 0, 8];
    const short = await a.run(cdb, { room: 1000 });
    expect([short.said, short.dataIn.length, short.residual]).toEqual(['good', 1000, 'overflow 3096']);
  });

  test('ABORT TASK of whatever is under way: no answer for what it ended, and the session goes on', async () => {
    const late = filled(64, 0xaa);
    const answered: number[] = [];
    const tags = Array.from({ length: 16 }, (_, i) => {
      const cdb = Uint8Array.from([...writeCdb(64 * i, late), ...new Array<number>(7).fill(0)]);
      const started = a.initiator.start({ cdb, dataOut: late });
      void started.done.then(() => answered.push(i));
      return started.tag;
    });
    const codes = await Promise.all(tags.map((tag) => a.manage(ABORT_TASK, tag)));
    // Function complete, or the task does not exist any more (RFC 7143 §11.6.1).
    for (const [i, code] of codes.entries()) expect([0, 1], `task ${i}`).toContain(code);
    const before = answered.length;
    await settle(200);
    expect(answered).toHaveLength(before);
    for (let i = 0; i < 16; i += 1) expect(new Set((await b.read(64 * i, 64)).dataIn).size).toBe(1);
    expect(await a.write(0, filled(1, 1))).toBe('good');
  });

  test('RESERVE(6) around a change of metadata, without ATS (SPC-2 §7.22)', async () => {
    expect(await a.say([0x16])).toBe('good');
    expect(await b.say([0x16])).toBe('conflict');
    expect([(await b.read(0)).said, await b.write(0, filled(1, 1))]).toEqual(['conflict', 'conflict']);
    // What finds the disk again is never refused (SPC-2 Table 10).
    expect(await b.say([0x12, 0, 0, 0, 96], { room: 96 })).toBe('good');
    expect(await b.say([0x25], { room: 8 })).toBe('good');
    expect(await a.write(0, filled(1, 2))).toBe('good');
    expect(await b.say([0x17])).toBe('good');
    expect((await b.read(0)).said).toBe('conflict');
    expect(await a.say([0x17])).toBe('good');
    expect((await b.read(0)).said).toBe('good');
  });

  test('a host that died with a reservation: LUN reset sets the disk free (SAM-5 §6.3.3)', async () => {
    expect(await a.say([0x16])).toBe('good');
    expect(await b.testUnitReady()).toBe('conflict');
    expect(await b.manage(LUN_RESET)).toBe(0);
    expect(await b.testUnitReady()).toBe('6/29/03');
    expect(await b.write(0, filled(1, 1))).toBe('good');
    expect(await a.testUnitReady()).toBe('6/29/03');
    expect(await b.say([0x16])).toBe('good');
    b.lose();
    await settle();
    expect(await a.testUnitReady()).toBe('good');
  });
});
