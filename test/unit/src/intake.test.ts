// Who waits for whom: commands of one connection beside those of others, first the intake by itself, then
// two initiators on a whole target, of which one floods.
import { describe, expect, test } from 'vitest';
import { Contention } from '../../../src/shell/contention.ts';
import {
  BYTES_MAX,
  CALM_BYTES_MAX,
  CALM_COMMANDS_MAX,
  COMMANDS_MAX,
  Intake,
  type RunTask,
} from '../../../src/shell/intake.ts';
import { Gathering } from '../../support/initiator/gathering.ts';
import { type CommandResult, Initiator, type Transport } from '../../support/initiator/index.ts';
import { settle } from '../../support/pool-world.ts';
import { WholeTarget } from '../../support/whole-target.ts';

const WRITE_10 = 0x2a;

function command(task: number, bytes = 4096, attribute: 'simple' | 'head-of-queue' = 'simple'): RunTask {
  const cdb = new Uint8Array(16);
  cdb[0] = WRITE_10;
  const scsi = { lun: new Uint8Array(8), tag: task, attribute, cdb, dataOut: new Uint8Array(bytes) };
  return { type: 'runTask', task, scsi: { ...scsi, dataInBytesMax: 0 } };
}

/** An intake whose commands end when the test says so. */
class World {
  shared = true;
  /** The limits of the unit hold everything back. */
  holdsBack = false;
  turns = 0;
  underWay = 0;
  readonly begun: number[] = [];
  readonly #running: RunTask[] = [];
  readonly intake = new Intake({
    begin: (one) => {
      this.begun.push(one.task);
      if (!this.holdsBack) this.#running.push(one);
      return !this.holdsBack;
    },
    isShared: () => this.shared,
    planTurn: () => {
      this.turns += 1;
    },
    backlog: {
      began: () => {
        this.underWay += 1;
      },
      ended: (count = 1) => {
        this.underWay -= count;
      },
    },
  });

  offer(count: number, bytes?: number): void {
    for (let nth = 0; nth < count; nth += 1)
      this.intake.offer(command(this.begun.length + this.intake.waiting, bytes), 0);
  }

  end(count = this.#running.length): void {
    for (const { scsi } of this.#running.splice(0, count)) this.intake.ended(scsi);
  }
}

describe('The intake of a connection', () => {
  test('lets everything pass while nobody else is there', () => {
    const world = new World();
    world.shared = false;
    world.offer(128);
    expect([world.begun.length, world.turns]).toEqual([128, 0]);
  });

  test('begins so many in a turn beside others, all of them in order, with one turn planned at a time', () => {
    const world = new World();
    const count = 3 * COMMANDS_MAX + 1;
    world.offer(count);
    expect([world.begun.length, world.turns]).toEqual([COMMANDS_MAX, 1]);
    world.end();
    expect(world.turns).toBe(1);
    world.intake.turn();
    expect(world.begun.length).toBe(2 * COMMANDS_MAX);
    world.end();
    world.intake.turn();
    world.end();
    world.intake.turn();
    expect(world.begun).toEqual(Array.from({ length: count }, (_, at) => at));
  });

  test('has so many under way, whatever the turns, and goes on when one ends', () => {
    const world = new World();
    world.offer(COMMANDS_MAX + 8);
    for (let turn = 0; turn < 3; turn += 1) world.intake.turn();
    expect(world.begun.length).toBe(COMMANDS_MAX);
    const { turns } = world;
    expect(world.underWay).toBe(COMMANDS_MAX);
    world.end(1);
    expect([world.turns, world.underWay]).toEqual([turns + 1, COMMANDS_MAX - 1]);
    world.intake.turn();
    expect(world.begun.length).toBe(COMMANDS_MAX + 1);
  });

  test('has so many bytes under way, and always two commands', () => {
    const world = new World();
    world.offer(20, BYTES_MAX / 4);
    expect(world.begun.length).toBe(4);
    const large = new World();
    large.offer(5, 4 * BYTES_MAX);
    expect(large.begun.length).toBe(2);
    large.end(1);
    large.intake.turn();
    expect(large.begun.length).toBe(3);
  });

  test('sees who asks for little at a time: who had no more outstanding for a tenth of a second', () => {
    const { intake } = new World();
    let task = 0;
    const ask = (count: number, nowMs: number): boolean => {
      intake.arrived(4096);
      for (let nth = 0; nth < count; nth += 1) {
        task += 1;
        intake.offer(command(task), 0);
        intake.ended(command(task).scsi);
      }
      return intake.asksForLittle(nowMs);
    };
    expect([ask(1, 0), ask(CALM_COMMANDS_MAX, 1), ask(0, 2)]).toEqual([true, true, false]);
    expect([ask(CALM_COMMANDS_MAX + 1, 3), ask(1, 4), ask(1, 102), ask(1, 103)]).toEqual([
      false,
      false,
      false,
      true,
    ]);
  });

  test('who sends many bytes at once does not ask for little, however few commands they are', () => {
    const { intake } = new World();
    const ask = (bytes: number, nowMs: number): boolean[] => {
      intake.arrived(bytes);
      intake.offer(command(nowMs), 0);
      return [intake.asksForLittle(nowMs), intake.askedForMuch(nowMs)];
    };
    expect(ask(CALM_BYTES_MAX, 0)).toEqual([true, false]);
    expect(ask(CALM_BYTES_MAX + 1, 1)).toEqual([false, true]);
    expect(ask(4096, 100)).toEqual([false, true]);
    expect(ask(4096, 101)).toEqual([true, false]);
  });

  test('what its unit holds back is not under way, nor is what moves no blocks', () => {
    const world = new World();
    world.holdsBack = true;
    world.offer(COMMANDS_MAX);
    world.holdsBack = false;
    world.intake.turn();
    for (let nth = 0; nth < 3; nth += 1) {
      const { scsi, ...rest } = command(1000 + nth);
      world.intake.offer({ ...rest, scsi: { ...scsi, cdb: new Uint8Array(16) } }, 0);
    }
    world.intake.turn();
    world.offer(COMMANDS_MAX);
    expect(world.intake.waiting).toBe(0);
    world.offer(1);
    expect(world.intake.waiting).toBe(1);
  });

  test('reckons with what is still under way from before', () => {
    const world = new World();
    const ask = (nowMs: number): boolean => {
      world.intake.arrived(4096);
      world.offer(1);
      return world.intake.asksForLittle(nowMs);
    };
    const asked = Array.from({ length: CALM_COMMANDS_MAX + 1 }, (_, at) => ask(at));
    expect(asked).toEqual([...Array.from({ length: CALM_COMMANDS_MAX }, () => true), false]);
  });

  test('a new arrival may begin at once when nothing waits, and not before what does', () => {
    const world = new World();
    world.offer(COMMANDS_MAX);
    world.end();
    world.intake.arrived(4096);
    world.offer(1);
    expect(world.begun.length).toBe(COMMANDS_MAX + 1);
    world.offer(COMMANDS_MAX);
    world.intake.arrived(4096);
    world.shared = false;
    const waiting = world.intake.waiting;
    world.offer(1);
    expect(world.intake.waiting).toBe(waiting + 1);
    world.intake.turn();
    expect(world.begun).toEqual(Array.from({ length: 2 * COMMANDS_MAX + 2 }, (_, at) => at));
  });

  test('HEAD OF QUEUE does not wait, and what waits can be taken back', () => {
    const world = new World();
    world.offer(COMMANDS_MAX + 3);
    world.intake.offer(command(99, 0, 'head-of-queue'), 0);
    expect(world.begun.at(-1)).toBe(99);
    expect(world.intake.cancel(COMMANDS_MAX + 1)).toBe(true);
    expect([world.intake.cancel(COMMANDS_MAX + 1), world.intake.cancel(0)]).toEqual([false, false]);
    world.end();
    world.intake.turn();
    expect(world.begun.slice(-2)).toEqual([COMMANDS_MAX, COMMANDS_MAX + 2]);
  });
});

test('others count for a tenth of a second, however many there are', () => {
  const contention = new Contention();
  const [a, b, c] = [{}, {}, {}];
  contention.note(a, 0);
  expect([contention.isShared(a, 0), contention.isShared(b, 0)]).toEqual([false, true]);
  contention.note(b, 50);
  contention.note(b, 60);
  expect([contention.isShared(a, 159), contention.isShared(b, 99)]).toEqual([true, true]);
  expect([contention.isShared(a, 160), contention.isShared(b, 100)]).toEqual([false, false]);
  contention.note(c, 200);
  contention.note(a, 210);
  expect([contention.isShared(a, 299), contention.isShared(c, 309)]).toEqual([true, true]);
});

describe('Beside an initiator that floods', () => {
  const TARGET = 'iqn.2026-11.io.snaplun:fair';

  function read(lba: number): { readonly cdb: Uint8Array; readonly dataInBytes: number } {
    const cdb = new Uint8Array(16);
    cdb[0] = 0x28;
    new DataView(cdb.buffer).setUint32(2, lba);
    cdb[8] = 8;
    return { cdb, dataInBytes: 4096 };
  }

  async function loggedIn(target: WholeTarget, nth: number, transport?: Transport): Promise<Initiator> {
    const initiator = new Initiator(transport ?? target.connect(`192.0.2.${nth}`));
    await initiator.login({ targetName: TARGET, initiatorName: `iqn.2026-01.test:i${nth}` });
    for (let lba = 0; lba < 2; lba += 1) await initiator.command(read(0));
    return initiator;
  }

  test('a command is answered before what the other sent earlier, but for one turn of it', async () => {
    const target = await WholeTarget.open({ defaultTarget: TARGET });
    await target.createLun({ name: 'disk', sizeBytes: 1 << 24 });
    const wire = new Gathering(target.connect('192.0.2.1'));
    const [noisy, calm] = [await loggedIn(target, 1, wire), await loggedIn(target, 2)];
    const order: string[] = [];
    const noted = (name: string, done: Promise<CommandResult>): Promise<void> =>
      done.then(({ status }) => void order.push(`${name} ${status}`));
    const all: Promise<void>[] = [];
    wire.gather();
    for (let nth = 0; nth < 128; nth += 1) all.push(noted('noisy', noisy.command(read(8 * nth))));
    wire.release();
    all.push(noted('calm', calm.command(read(4))));
    await Promise.all(all);
    expect(order.indexOf('calm 0')).toBeGreaterThanOrEqual(0);
    expect(order.indexOf('calm 0')).toBeLessThanOrEqual(COMMANDS_MAX);
    expect(order.filter((line) => line === 'noisy 0').length).toBe(128);
  });

  test('a flood is read once in a turn, and alone as often as it sends', async () => {
    const target = await WholeTarget.open({ defaultTarget: TARGET });
    await target.createLun({ name: 'disk', sizeBytes: 1 << 24 });
    const transport = target.connect('192.0.2.1');
    const wire = new Gathering(transport);
    const noisy = await loggedIn(target, 1, wire);
    const burst = async (): Promise<void> => {
      wire.gather();
      const reads = Array.from({ length: 2 * CALM_COMMANDS_MAX }, () => noisy.command(read(0)));
      wire.release();
      await Promise.all(reads);
    };
    await burst();
    expect(transport.pauses()).toBe(0);
    await loggedIn(target, 2);
    await burst();
    expect(transport.pauses()).toBe(1);
  });

  test('what still waits ends with its session, and nothing is left over', async () => {
    const target = await WholeTarget.open({ defaultTarget: TARGET });
    await target.createLun({ name: 'disk', sizeBytes: 1 << 24 });
    const wire = new Gathering(target.connect('192.0.2.1'));
    const [noisy, calm] = [await loggedIn(target, 1, wire), await loggedIn(target, 2)];
    wire.gather();
    const lost = Array.from({ length: 128 }, (_, nth) => noisy.command(read(8 * nth)).catch(() => 'lost'));
    wire.release();
    const answered = calm.command(read(4));
    noisy.link.close();
    expect(new Set(await Promise.all(lost))).toEqual(new Set(['lost']));
    expect((await answered).status).toBe(0);
    await settle(20);
    expect(target.front.hub.sessions().length).toBe(1);
    expect(await calm.logout()).toBe(0);
  });
});
