// Who asks for much waits while too much is under way: the count by itself, then initiators that flood a
// whole target together.
import { expect, test } from 'vitest';
import { Backlog, UNDER_WAY_MAX, WAIT_MS_MAX } from '../../../src/shell/backlog.ts';
import { MOMENT_MS } from '../../../src/shell/contention.ts';
import { Gathering } from '../../support/initiator/gathering.ts';
import { type CommandResult, Initiator } from '../../support/initiator/index.ts';
import { ManualTimers, settle } from '../../support/manual-timers.ts';
import { WholeTarget } from '../../support/whole-target.ts';

function fullBacklog(): { backlog: Backlog; timers: ManualTimers; told: number[] } {
  const timers = new ManualTimers(0);
  const backlog = new Backlog(timers);
  for (let nth = 0; nth < UNDER_WAY_MAX; nth += 1) backlog.began();
  const told: number[] = [];
  for (let nth = 0; nth < 3; nth += 1) {
    backlog.wait(() => {
      told.push(nth);
      backlog.began();
    });
  }
  return { backlog, timers, told };
}

test('it is full at its bound, and those that wait go on in order, each when there is room', async () => {
  const empty = new Backlog(new ManualTimers(0));
  for (let nth = 1; nth < UNDER_WAY_MAX; nth += 1) empty.began();
  expect(empty.isFull).toBe(false);
  empty.began();
  expect(empty.isFull).toBe(true);

  const { backlog, told } = fullBacklog();
  backlog.ended();
  expect(told).toEqual([]);
  await settle(2);
  expect(told).toEqual([0]);
  backlog.ended(2);
  expect(backlog.isFull, 'room is for those that wait').toBe(true);
  await settle(2);
  expect(told).toEqual([0, 1, 2]);
  expect([backlog.underWay, backlog.isFull]).toEqual([UNDER_WAY_MAX, true]);
  backlog.ended();
  expect(backlog.isFull).toBe(false);
});

test('nobody waits for ever where nothing ends', async () => {
  const { timers, told } = fullBacklog();
  await timers.advance(WAIT_MS_MAX - 1);
  expect(told).toEqual([]);
  await timers.advance(1);
  expect(told).toEqual([0, 1, 2]);
});

const TARGET = 'iqn.2026-11.io.snaplun:backlog';
const FLOODS = 12;
/** What the target's window allows a session. */
const DEPTH = 128;

function write(lba: number): { readonly cdb: Uint8Array; readonly dataOut: Uint8Array } {
  const cdb = new Uint8Array(16);
  cdb[0] = 0x2a;
  new DataView(cdb.buffer).setUint32(2, lba);
  cdb[8] = 8;
  return { cdb, dataOut: new Uint8Array(4096).fill(1) };
}

test('floods have so many commands under way together, all are answered, and one command passes', async () => {
  const target = await WholeTarget.open({ defaultTarget: TARGET });
  await target.createLun({ name: 'disk', sizeBytes: 1 << 24 });
  const initiators: Initiator[] = [];
  const wires: Gathering[] = [];
  for (let nth = 0; nth <= FLOODS; nth += 1) {
    const wire = new Gathering(target.connect(`192.0.2.${nth + 1}`));
    const initiator = new Initiator(wire);
    wires.push(wire);
    await initiator.login({ targetName: TARGET, initiatorName: `iqn.2026-01.test:i${nth}` });
    // The unit attention of power on.
    await initiator.command(write(0));
    initiators.push(initiator);
  }
  // Nobody was there a moment ago that asks for little, so floods are not held to a few commands each.
  await target.advance(2 * MOMENT_MS);
  const [calm, ...floods] = initiators as [Initiator, ...Initiator[]];
  const flood = (): Promise<CommandResult>[] => {
    for (const wire of wires) wire.gather();
    const writes = floods.flatMap((one, nth) =>
      Array.from({ length: DEPTH }, (_, at) => one.command(write((nth * DEPTH + at) * 8))),
    );
    for (const wire of wires) wire.release();
    return writes;
  };
  const { backlog } = target.front.hub;
  // From now on they are known to ask for much.
  await Promise.all(flood());
  let most = 0;
  let open = true;
  const watch = async (): Promise<void> => {
    for (; open; await settle(1)) most = Math.max(most, backlog.underWay);
  };
  const watching = watch();
  const writes = [...flood(), ...flood()];
  while (!backlog.isFull) await settle(1);
  const answered = await calm.command(write(0));
  const results = await Promise.all(writes);
  open = false;
  await watching;
  expect(answered.status).toBe(0);
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set([0]));
  expect(most).toBeGreaterThanOrEqual(UNDER_WAY_MAX);
  // Those that were let on together with one that found room, and the calm one.
  expect(most).toBeLessThanOrEqual(UNDER_WAY_MAX + DEPTH);
  expect([backlog.underWay, backlog.isFull]).toEqual([0, false]);
});

test('what a lost connection had under way is no longer counted', async () => {
  const target = await WholeTarget.open({ defaultTarget: TARGET });
  await target.createLun({ name: 'disk', sizeBytes: 1 << 24 });
  const initiator = new Initiator(target.connect());
  await initiator.login({ targetName: TARGET, initiatorName: 'iqn.2026-01.test:lost' });
  await initiator.command(write(0));
  const lost = Array.from({ length: DEPTH }, (_, at) => initiator.command(write(at * 8)).catch(() => 'lost'));
  await settle(2);
  expect(target.front.hub.backlog.underWay).toBeGreaterThan(0);
  initiator.link.close();
  await Promise.all(lost);
  await settle(100);
  expect(target.front.hub.backlog.underWay).toBe(0);
});
