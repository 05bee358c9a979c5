// The reservation and arbitration sequences by which Windows failover clusters share a disk, and the storage
// part of their validation wizard: register, reserve, two nodes, preempt, bus reset, failover. They are taken
// from Microsoft's descriptions of clusdisk and of the tests "Validate SCSI-3 Persistent Reservation", "Validate
// Disk Arbitration" and "Validate Disk Failover"; they were not run against Windows itself. Each step's answer
// is that of the clause it names.
import { beforeEach, describe, expect, test } from 'vitest';
import { settle } from '../../support/pool-world.ts';
import type { WholeTarget } from '../../support/whole-target.ts';
import { filled, Host, WERO, wholeTarget, writeCdb } from './host.ts';

const LUN_RESET = 5;
const TARGET_WARM_RESET = 6;
/** A challenger waits this long for a defender to show that it lives. */
const ARBITRATION_MS = 6_000;

let target: WholeTarget;
let a: Host;
let b: Host;

beforeEach(async () => {
  target = await wholeTarget();
  a = await Host.open(target, 'a');
  b = await Host.open(target, 'b');
});

describe('Validate SCSI-3 Persistent Reservation', () => {
  test('nobody reserves without a registration, nor with another key (SPC-4 §5.13.9)', async () => {
    expect(await a.reserve(WERO)).toBe('conflict');
    expect(await a.register()).toBe('good');
    expect(await a.reserveOut(0x01, { type: WERO, own: 7 })).toBe('conflict');
    expect(await a.reservation()).toBe('none');
    expect(await a.reserve(WERO)).toBe('good');
    expect(await a.reservation()).toBe('a/5');
  });

  test('registering again with the same key is good, and counts (SPC-4 §5.13.7)', async () => {
    for (let i = 0; i < 3; i += 1) expect(await a.register()).toBe('good');
    expect(await a.keys()).toEqual([3, 'a']);
  });

  test('two nodes: only one holds, both may write, a stranger may only read (SPC-4 Table 69)', async () => {
    const stranger = await Host.open(target, 'c');
    for (const node of [a, b]) expect(await node.register()).toBe('good');
    expect(await a.reserve(WERO)).toBe('good');
    expect(await b.reserve(WERO)).toBe('conflict');
    for (const node of [a, b]) expect(await node.write(0, filled(1, node.key))).toBe('good');
    expect(await stranger.write(0, filled(1, 0))).toBe('conflict');
    const seen = await stranger.read(0);
    expect([seen.said, seen.dataIn[0]]).toEqual(['good', b.key]);
    expect(await stranger.keys()).toEqual([2, 'ab']);
  });

  test('a release tells the other node and not the sender (SPC-4 §5.13.11.2)', async () => {
    for (const node of [a, b]) await node.register();
    await a.reserve(WERO);
    expect(await b.release(WERO)).toBe('good');
    expect(await a.reservation()).toBe('a/5');
    expect(await a.release(WERO)).toBe('good');
    expect([await a.testUnitReady(), await b.testUnitReady()]).toEqual(['good', '6/2a/04']);
    expect(await b.reserve(WERO)).toBe('good');
    expect(await a.reservation()).toBe('b/5');
  });

  test('CLEAR leaves nothing behind, and tells who was registered (SPC-4 §5.13.11.6)', async () => {
    for (const node of [a, b]) await node.register();
    await a.reserve(WERO);
    expect(await b.clear()).toBe('good');
    expect([await a.testUnitReady(), await b.testUnitReady()]).toEqual(['6/2a/03', 'good']);
    expect([await a.reservation(), (await b.keys())[1]]).toEqual(['none', '']);
  });
});

describe('Validate Disk Arbitration', () => {
  test('a defender that lives keeps the disk: it registers anew before the challenger is done', async () => {
    for (const node of [a, b]) await node.register();
    await a.reserve(WERO);
    const [before] = await b.keys();
    await target.advance(ARBITRATION_MS / 2);
    expect(await a.register()).toBe('good');
    await target.advance(ARBITRATION_MS / 2);
    // PRGENERATION moved although the challenger did nothing: somebody defends (SPC-4 §5.13.7).
    expect((await b.keys())[0]).toBe(before + 1);
    expect(await b.reservation()).toBe('a/5');
  });

  test('a defender that is gone loses it: PREEMPT takes reservation and registration (SPC-4 §5.13.11.4)', async () => {
    for (const node of [a, b]) await node.register();
    await a.reserve(WERO);
    a.lose();
    await settle();
    const [before] = await b.keys();
    await target.advance(ARBITRATION_MS);
    expect(await b.keys()).toEqual([before, 'ab']);
    expect(await b.preempt(a, WERO)).toBe('good');
    expect([await b.keys(), await b.reservation()]).toEqual([[before + 1, 'b'], 'b/5']);
    expect(await b.write(0, filled(1, 1))).toBe('good');
  });

  test('of two challengers one wins, and the other finds its key gone (SPC-4 §5.13.11.4)', async () => {
    const c = await Host.open(target, 'c');
    for (const node of [a, b, c]) await node.register();
    await a.reserve(WERO);
    const both = await Promise.all([b.preempt(a, WERO), c.preempt(a, WERO)]);
    // The second finds no registration of that key any more.
    expect(both).toEqual(['good', 'conflict']);
    expect(await c.reservation()).toBe('b/5');
  });
});

describe('Validate Disk Failover', () => {
  test('the node that lost it is told once, cannot write, and can come back (SPC-4 §5.13.11.4)', async () => {
    for (const node of [a, b]) await node.register();
    await a.reserve(WERO);
    expect(await b.preempt(a, WERO)).toBe('good');
    expect([await a.testUnitReady(), await a.testUnitReady()]).toEqual(['6/2a/05', 'good']);
    expect(await a.write(0, filled(1, 1))).toBe('conflict');
    expect((await a.read(0)).said).toBe('good');
    expect(await a.register()).toBe('good');
    expect(await a.write(0, filled(1, 1))).toBe('good');
  });

  test.each([
    ['PREEMPT lets the writes of the loser end', false, 8],
    ['PREEMPT AND ABORT ends them unanswered', true, 0],
  ] as const)('%s (SPC-4 §5.13.11.5)', async (_, abort, answers) => {
    for (const node of [a, b]) await node.register();
    await a.reserve(WERO);
    const late = filled(64, 0xaa);
    let answered = 0;
    for (let i = 0; i < 8; i += 1) {
      const cdb = Uint8Array.from([...writeCdb(64 * i, late), ...new Array<number>(7).fill(0)]);
      void a.initiator.command({ cdb, dataOut: late }).then(() => {
        answered += 1;
      });
    }
    expect(await b.preempt(a, WERO, { abort })).toBe('good');
    await settle(200);
    expect(answered).toBe(answers);
    // Each was stored whole or not at all, and the loser's next one is refused.
    for (let i = 0; i < 8; i += 1) expect(new Set((await b.read(64 * i, 64)).dataIn).size).toBe(1);
    expect(await a.testUnitReady()).toBe('6/2a/05');
    expect(await a.write(0, filled(1, 1))).toBe('conflict');
  });

  test('a node that leaves in order: release, then a key of zero; the other takes over untold of a loss (SPC-4 §5.13.11.2, §5.13.11.3)', async () => {
    for (const node of [a, b]) await node.register();
    await a.reserve(WERO);
    expect(await a.release(WERO)).toBe('good');
    expect(await a.reserveOut(0x00, { own: a.key, other: 0 })).toBe('good');
    expect([await b.testUnitReady(), await b.testUnitReady()]).toEqual(['6/2a/04', 'good']);
    expect([(await b.keys())[1], await b.reservation()]).toEqual(['b', 'none']);
    expect(await b.reserve(WERO)).toBe('good');
    expect(await a.write(0, filled(1, 1))).toBe('conflict');
  });

  test('a holder that unregisters gives the reservation up, and the other registrants hear of it (SPC-4 §5.13.11.3)', async () => {
    for (const node of [a, b]) await node.register();
    await a.reserve(WERO);
    expect(await a.reserveOut(0x00, { own: a.key, other: 0 })).toBe('good');
    expect([await a.testUnitReady(), await b.testUnitReady()]).toEqual(['good', '6/2a/04']);
    expect(await b.reservation()).toBe('none');
  });

  test('a node with two paths is preempted on both (SPC-4 §5.13.11.4)', async () => {
    const second = await Host.open(target, 'a', { path: 1 });
    for (const path of [a, second, b]) expect(await path.register()).toBe('good');
    expect((await b.keys())[1]).toBe('aab');
    await a.reserve(WERO);
    for (const path of [a, second]) expect(await path.write(0, filled(1, 1))).toBe('good');
    expect(await b.preempt(a, WERO)).toBe('good');
    expect((await b.keys())[1]).toBe('b');
    for (const path of [a, second]) {
      expect(await path.testUnitReady()).toBe('6/2a/05');
      expect(await path.write(0, filled(1, 1))).toBe('conflict');
    }
  });
});

describe('bus reset', () => {
  test.each([
    ['LOGICAL UNIT RESET', LUN_RESET],
    ['TARGET WARM RESET', TARGET_WARM_RESET],
  ] as const)('%s breaks RESERVE(6) and no persistent reservation (SPC-4 §5.13.5)', async (_, code) => {
    expect(await a.say([0x16])).toBe('good');
    expect(await b.testUnitReady()).toBe('conflict');
    expect(await b.manage(code)).toBe(0);
    expect([await a.testUnitReady(), await b.testUnitReady()]).toEqual(['6/29/03', '6/29/03']);
    for (const node of [a, b]) expect(await node.register()).toBe('good');
    await a.reserve(WERO);
    expect(await b.manage(code)).toBe(0);
    for (const node of [a, b]) expect(await node.testUnitReady()).toBe('6/29/03');
    expect([await b.reservation(), (await b.keys())[1]]).toEqual(['a/5', 'ab']);
  });

  test('a nexus that is lost keeps its registration, and finds it when it comes back (SPC-4 §5.13.5)', async () => {
    await a.register();
    await a.reserve(WERO);
    a.lose();
    await settle();
    expect(await b.write(0, filled(1, 1))).toBe('conflict');
    const again = await Host.open(target, 'a');
    expect(await again.write(0, filled(1, 1))).toBe('good');
    expect(await again.release(WERO)).toBe('good');
  });
});
