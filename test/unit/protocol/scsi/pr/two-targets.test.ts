// A unit that two targets map has one set of registrations: whom a registration counts for, whom PREEMPT AND
// ABORT ends the tasks of, and who is told, when the nexuses go through different targets (SPC-4 §5.13.11).
import { describe, expect, test } from 'vitest';
import { type AbortRequest, ScsiTarget } from '../../../../../protocol/scsi/target.ts';
import { Initiator, lunBytes, ready, type TaskOptions, TestUnits, testServers, verdict } from '../harness.ts';
import { ALL_TG_PT, keys, move, preempt, register, reserve, transportId } from './pr-cdbs.ts';

const EA = 3;
const LUN_AT_SECOND = 300;

/** An initiator whose commands go to one LUN whatever they say. */
class AtLun extends Initiator {
  override run(cdb: readonly number[], options: TaskOptions = {}): ReturnType<Initiator['run']> {
    return super.run(cdb, { ...options, lun: LUN_AT_SECOND });
  }
}

async function two() {
  const servers = testServers();
  const first = await ready({}, { servers });
  const units = new TestUnits();
  units.units.set(LUN_AT_SECOND, first.unit);
  const abortedAtSecond: AbortRequest[] = [];
  const second = new ScsiTarget({
    units,
    name: 'iqn.2026-11.io.snaplun:second',
    product: { vendor: 'V', product: 'P', revision: 'R' },
    servers,
    abortTasks: (victims) => {
      abortedAtSecond.push(victims);
    },
  });
  const atSecond = async (name: string): Promise<Initiator> => {
    const portName = `iqn.2026-11.example:${name},i,0x00023d0000${name.charCodeAt(0).toString(16)}`;
    const one = new AtLun(second.openNexus({ portName, deviceName: portName }));
    await one.settle();
    return one;
  };
  const b = await first.initiator('b').settle();
  return { ...first, b, atSecond, abortedAtSecond };
}

describe('PREEMPT AND ABORT', () => {
  test('ends the tasks of an ALL_TG_PT registration at every target', async () => {
    const { a, b, atSecond, aborted, abortedAtSecond } = await two();
    const aThere = await atSecond('a');
    await register(a, 0n, 0xa1n, { flags: ALL_TG_PT });
    await register(b, 0n, 0xb1n);
    await reserve(a, 0xa1n, EA);
    expect((await keys(b)).slice(1)).toEqual(['a1', 'a1', 'b1']);
    // Registered there too, and yet not the nexus that holds the reservation (SPC-4 §5.13.10).
    expect(verdict(await aThere.run([0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]))).toBe('conflict');
    expect(verdict(await preempt(b, 0xb1n, 0xa1n, { type: EA, abort: true }))).toBe('good');
    expect(aborted).toEqual([{ lun: lunBytes(0), nexuses: [a.nexus.state] }]);
    expect(abortedAtSecond).toEqual([{ lun: lunBytes(LUN_AT_SECOND), nexuses: [aThere.nexus.state] }]);
    for (const victim of [a, aThere]) {
      expect(verdict(await victim.run([0, 0]))).toBe('6/2a/05');
      expect(verdict(await victim.run([0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]))).toBe('conflict');
    }
  });

  test('leaves alone what the same initiator does through a target it did not register at', async () => {
    const { a, b, atSecond, aborted, abortedAtSecond } = await two();
    const aThere = await atSecond('a');
    await register(a, 0n, 0xa1n);
    await register(b, 0n, 0xb1n);
    await register(aThere, 0n, 0xa2n);
    expect((await keys(b)).slice(1)).toEqual(['a1', 'b1', 'a2']);
    expect(verdict(await preempt(b, 0xb1n, 0xa1n, { type: EA, abort: true }))).toBe('good');
    expect([aborted.length, abortedAtSecond.length]).toEqual([1, 0]);
    expect(verdict(await a.run([0, 0]))).toBe('6/2a/05');
    expect(verdict(await aThere.run([0, 0]))).toBe('good');
    expect((await keys(b)).slice(1)).toEqual(['b1', 'a2']);
  });

  test('completes only when the tasks of all targets have ended', async () => {
    const servers = testServers();
    const ends: (() => void)[] = [];
    const { a, initiator } = await ready(
      {},
      { servers, abortTasks: () => new Promise((end) => ends.push(end)) },
    );
    const b = await initiator('b').settle();
    await register(a, 0n, 0xa1n);
    await register(b, 0n, 0xb1n);
    let done = false;
    const preempting = preempt(b, 0xb1n, 0xa1n, { type: EA, abort: true }).then((result) => {
      done = true;
      return verdict(result);
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect([done, ends.length]).toEqual([false, 1]);
    ends[0]?.();
    expect(await preempting).toBe('good');
  });
});

test('REGISTER AND MOVE changes the registration of one nexus, not what its initiator has elsewhere (SPC-4 §5.13.8)', async () => {
  const { a, b, atSecond } = await two();
  const bThere = await atSecond('b');
  await register(b, 0n, 0xb1n, { flags: ALL_TG_PT });
  await register(a, 0n, 0xa1n);
  await reserve(a, 0xa1n, EA);
  const to = transportId(b.nexus.state.initiator.portName);
  expect(verdict(await move(a, [0xa1n, 0xb2n], { to }))).toBe('good');
  expect((await keys(b)).slice(1)).toEqual(['b1', 'a1', 'b2']);
  expect(verdict(await b.run([0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]))).toBe('good');
  expect(verdict(await bThere.run([0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]))).toBe('conflict');
  expect(verdict(await a.run([0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]))).toBe('conflict');
});
