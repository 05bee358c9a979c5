// Persistent reservations from the initiators' side: registrations, reservations, preemption, who is told
// what,
// and what outlives a restart. Expected values follow SPC-4 §5.13; none is computed from the code.
import { describe, expect, test } from 'vitest';
import { StoreError } from '../../../../../lun/errors.ts';
import { MemoryState } from '../../../../../lun/memory-device.ts';
import { fixedSense, type Initiator, ready, u16, u32, verdict } from '../harness.ts';
import {
  ALL_TG_PT,
  APTPL,
  clear,
  keys,
  move,
  preempt,
  register,
  registerAnyway,
  release,
  reservation,
  reserve,
  reserveIn,
  reserveOut,
  SPEC_I_PT,
  transportId,
} from './pr-cdbs.ts';

const WE = 1;
const EA = 3;
const WERO = 5;
const WEAR = 7;
const EAAR = 8;

async function three(options: { state?: MemoryState } = {}) {
  const setting = await ready(options);
  const b = await setting.initiator('b').settle();
  const c = await setting.initiator('c').settle();
  return { ...setting, b, c };
}

/** What the next TEST UNIT READY of each says. */
async function told(...initiators: Initiator[]): Promise<string[]> {
  const verdicts: string[] = [];
  for (const one of initiators) verdicts.push(verdict(await one.run([0, 0])));
  return verdicts;
}

describe('registering', () => {
  test('REGISTER wants the right key, changes it, and ends the registration with zero', async () => {
    const { a, b } = await three();
    expect(await keys(a)).toEqual([0]);
    expect(verdict(await register(a, 5n, 1n))).toBe('conflict');
    expect(verdict(await register(a, 0n, 0n))).toBe('good');
    expect(await keys(a)).toEqual([0]);
    expect(verdict(await register(a, 0n, 0xa1n))).toBe('good');
    expect(verdict(await register(b, 0n, 0xb1n))).toBe('good');
    expect(await keys(a)).toEqual([2, 'a1', 'b1']);
    expect(verdict(await register(a, 0n, 0xa2n))).toBe('conflict');
    expect(verdict(await register(a, 0xa1n, 0xa2n))).toBe('good');
    expect(await keys(b)).toEqual([3, 'a2', 'b1']);
    expect(verdict(await register(a, 0xa2n, 0n))).toBe('good');
    expect(await keys(b)).toEqual([4, 'b1']);
  });

  test('REGISTER AND IGNORE EXISTING KEY asks for none', async () => {
    const { a } = await three();
    expect(verdict(await registerAnyway(a, 0n))).toBe('good');
    expect(await keys(a)).toEqual([0]);
    for (const key of [0xa1n, 0xa2n]) expect(verdict(await registerAnyway(a, key))).toBe('good');
    expect(await keys(a)).toEqual([2, 'a2']);
    expect(verdict(await registerAnyway(a, 0n))).toBe('good');
    expect(await keys(a)).toEqual([3]);
  });

  test('a nexus that comes back under its name is registered still', async () => {
    const { a, initiator } = await three();
    await register(a, 0n, 0xa1n);
    await reserve(a, 0xa1n, EA);
    a.nexus.close();
    const again = await initiator('a').settle();
    expect(verdict(await again.run([0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]))).toBe('good');
    expect(verdict(await release(again, 0xa1n, EA))).toBe('good');
  });

  test('SPEC_I_PT registers others by name', async () => {
    const { a, b, c } = await three();
    const ids = transportId(b.nexus.state.initiator.portName);
    const more = [...u32(ids.length), ...ids];
    expect(verdict(await register(a, 0n, 0xa1n, { flags: SPEC_I_PT, more }))).toBe('good');
    expect(await keys(a)).toEqual([1, 'a1', 'a1']);
    expect(verdict(await reserve(b, 0xa1n, WE))).toBe('good');
    expect(verdict(await reserve(c, 0xa1n, WE))).toBe('conflict');
    expect(verdict(await register(c, 0n, 0xc1n, { flags: SPEC_I_PT, more }))).toBe('conflict');
    const again = await register(a, 0xa1n, 0xa2n, { flags: SPEC_I_PT, more });
    expect(verdict(again)).toBe('5/26/00');
  });

  test('lists of a wrong length or with wrong names are refused', async () => {
    const { a } = await three();
    const cdb = (bytes: number): number[] => [0x5f, 0, 0, 0, 0, ...u32(bytes), 0];
    expect(verdict(await a.run(cdb(23), { dataOut: new Uint8Array(23) }))).toBe('5/1a/00');
    expect(verdict(await a.run(cdb(24), { dataOut: new Uint8Array(20) }))).toBe('5/1a/00');
    expect(verdict(await a.run(cdb(28), { dataOut: new Uint8Array(28) }))).toBe('5/1a/00');
    const sas = [0x06, 0, ...u16(20), ...Buffer.from('iqn.2026-11.example\0')];
    const bad = await register(a, 0n, 1n, { flags: SPEC_I_PT, more: [...u32(sas.length), ...sas] });
    expect([verdict(bad), fixedSense(bad).special]).toEqual(['5/26/00', [0x80, 0, 28]]);
    const long = await register(a, 0n, 1n, { flags: SPEC_I_PT, more: u32(100) });
    expect(verdict(long)).toBe('5/1a/00');
    const misplaced = await registerAnyway(a, 1n, { flags: SPEC_I_PT, more: u32(0) });
    expect([verdict(misplaced), fixedSense(misplaced).special]).toEqual(['5/26/00', [0x8b, 0, 20]]);
  });
});

describe('reserving', () => {
  test('is for the registered, with a type and scope that exist', async () => {
    const { a } = await three();
    expect(verdict(await reserve(a, 0xa1n, WE))).toBe('conflict');
    await register(a, 0n, 0xa1n);
    expect(verdict(await reserve(a, 1n, WE))).toBe('conflict');
    for (const type of [0, 2, 4, 9, 15]) expect(verdict(await reserve(a, 0xa1n, type))).toBe('5/24/00');
    expect(verdict(await reserveOut(a, 1, [0xa1n, 0n], { type: WE, scope: 1 }))).toBe('5/24/00');
    expect(await reservation(a)).toBe('none');
    for (const again of [WE, WE]) expect(verdict(await reserve(a, 0xa1n, again))).toBe('good');
    expect(verdict(await reserve(a, 0xa1n, EA))).toBe('conflict');
    expect(await reservation(a)).toBe('a1/01');
    expect(await keys(a)).toEqual([1, 'a1']);
  });

  test('release is for the holder and wants the type; of the others it does nothing', async () => {
    const { a, b } = await three();
    await register(a, 0n, 0xa1n);
    await register(b, 0n, 0xb1n);
    expect(verdict(await release(a, 0xa1n, WE))).toBe('good');
    await reserve(a, 0xa1n, WE);
    expect(verdict(await release(b, 0xb1n, WE))).toBe('good');
    expect(await reservation(a)).toBe('a1/01');
    expect(verdict(await release(a, 0xa1n, EA))).toBe('5/26/04');
    expect(verdict(await release(a, 0xa1n, WE))).toBe('good');
    expect(await reservation(a)).toBe('none');
    expect(await told(a, b)).toEqual(['good', 'good']);
  });

  test("an all registrants reservation is everyone's, and shows no key", async () => {
    const { a, b } = await three();
    await register(a, 0n, 0xa1n);
    await register(b, 0n, 0xb1n);
    await reserve(a, 0xa1n, WEAR);
    expect(await reservation(a)).toBe('0/07');
    expect(verdict(await reserve(b, 0xb1n, WEAR))).toBe('good');
    await register(a, 0xa1n, 0n);
    expect(await reservation(b)).toBe('0/07');
    expect(verdict(await release(b, 0xb1n, WEAR))).toBe('good');
    expect(await reservation(b)).toBe('none');
  });

  test('ends with the registration of its only holder', async () => {
    for (const type of [WE, EA, WERO, 6]) {
      const { a, b, c } = await three();
      await register(a, 0n, 0xa1n);
      await register(b, 0n, 0xb1n);
      await reserve(a, 0xa1n, type);
      expect(verdict(await register(a, 0xa1n, 0n))).toBe('good');
      expect(await reservation(a)).toBe('none');
      expect(await told(a, b, c)).toEqual(['good', type >= 5 ? '6/2a/04' : 'good', 'good']);
      expect(await told(b)).toEqual(['good']);
    }
  });

  test('release of a type for registrants tells the other registrants', async () => {
    for (const type of [WERO, 6, WEAR, EAAR]) {
      const { a, b, c } = await three();
      await register(a, 0n, 0xa1n);
      await register(b, 0n, 0xb1n);
      await reserve(a, 0xa1n, type);
      await release(a, 0xa1n, type);
      expect(await told(a, b, c)).toEqual(['good', '6/2a/04', 'good']);
    }
  });

  test('CLEAR ends everything and tells those who were registered', async () => {
    const { a, b, c } = await three();
    await register(a, 0n, 0xa1n);
    await register(b, 0n, 0xb1n);
    await reserve(a, 0xa1n, EA);
    expect(verdict(await clear(c, 0xa1n))).toBe('conflict');
    expect(verdict(await clear(b, 0xb1n))).toBe('good');
    expect(await told(a, b, c)).toEqual(['6/2a/03', 'good', 'good']);
    expect([await keys(a), await reservation(a)]).toEqual([[3], 'none']);
  });
});

describe('preempting', () => {
  async function reservedBy(type: number) {
    const setting = await three();
    const { a, b, c } = setting;
    await register(a, 0n, 0xa1n);
    await register(b, 0n, 0xb1n);
    await register(c, 0n, 0xc1n);
    if (type !== 0) await reserve(a, 0xa1n, type);
    return setting;
  }

  test('a registration, with no reservation', async () => {
    const { a, b, c } = await reservedBy(0);
    expect(verdict(await preempt(b, 0xb1n, 0xa1n, { type: EA }))).toBe('good');
    expect(await told(a, b, c)).toEqual(['6/2a/05', 'good', 'good']);
    expect([await keys(b), await reservation(b)]).toEqual([[4, 'b1', 'c1'], 'none']);
    expect(verdict(await preempt(b, 0xb1n, 0xa1n, { type: EA }))).toBe('conflict');
    expect(verdict(await preempt(b, 0xb1n, 0n, { type: EA }))).toBe('5/26/00');
    expect(verdict(await preempt(a, 0xa1n, 0xb1n, { type: EA }))).toBe('conflict');
  });

  test('the reservation, with the same type', async () => {
    const { a, b, c } = await reservedBy(EA);
    expect(verdict(await preempt(b, 0xb1n, 0xa1n, { type: EA }))).toBe('good');
    expect(await told(a, b, c)).toEqual(['6/2a/05', 'good', 'good']);
    expect(await reservation(b)).toBe('b1/03');
    expect(await keys(b)).toEqual([4, 'b1', 'c1']);
  });

  test('the reservation, with another type: those who stay hear of it', async () => {
    const { a, b, c } = await reservedBy(EA);
    expect(verdict(await preempt(b, 0xb1n, 0xa1n, { type: 2 }))).toBe('5/24/00');
    expect(verdict(await preempt(b, 0xb1n, 0xa1n, { type: WERO }))).toBe('good');
    expect(await told(a, b, c)).toEqual(['6/2a/05', 'good', '6/2a/04']);
    expect(await reservation(b)).toBe('b1/05');
  });

  test('the holder may preempt itself to change the type', async () => {
    const { a, b, c } = await reservedBy(EA);
    expect(verdict(await preempt(a, 0xa1n, 0xa1n, { type: WE }))).toBe('good');
    expect(await reservation(a)).toBe('a1/01');
    expect(await keys(a)).toEqual([4, 'a1', 'b1', 'c1']);
    expect(await told(a, b, c)).toEqual(['good', '6/2a/04', '6/2a/04']);
  });

  test('all registrants: zero takes the reservation, a key only registrations', async () => {
    const { a, b, c } = await reservedBy(EAAR);
    expect(verdict(await preempt(b, 0xb1n, 0xa1n, { type: EA }))).toBe('good');
    expect(await told(a, b, c)).toEqual(['6/2a/05', 'good', 'good']);
    expect(await reservation(b)).toBe('0/08');
    expect(verdict(await preempt(b, 0xb1n, 0n, { type: EA }))).toBe('good');
    expect(await told(b, c)).toEqual(['good', '6/2a/05']);
    expect([await keys(b), await reservation(b)]).toEqual([[5, 'b1'], 'b1/03']);
  });

  test('AND ABORT asks for the end of the tasks of the preempted, not of its own', async () => {
    const { a, b, aborted } = await reservedBy(EA);
    expect(verdict(await preempt(b, 0xb1n, 0xa1n, { type: EA, abort: true }))).toBe('good');
    expect(aborted).toEqual([{ lun: new Uint8Array(8), nexuses: [a.nexus.state] }]);
    await preempt(b, 0xb1n, 0xc1n, { type: EA });
    expect(aborted).toHaveLength(1);
    expect(verdict(await preempt(b, 0xb1n, 0xb1n, { type: WE, abort: true }))).toBe('good');
    expect(aborted).toHaveLength(1);
  });
});

describe('moving', () => {
  test('hands the reservation to another nexus', async () => {
    const { a, b, c } = await three();
    await register(a, 0n, 0xa1n);
    const to = transportId(b.nexus.state.initiator.portName);
    expect(verdict(await move(a, [0xa1n, 0xb1n], { to }))).toBe('conflict');
    await reserve(a, 0xa1n, EA);
    expect(verdict(await move(c, [0n, 0xb1n], { to }))).toBe('conflict');
    expect(verdict(await move(a, [0xa1n, 0n], { to }))).toBe('5/26/00');
    expect(verdict(await move(a, [0xa1n, 0xb1n], { to, port: 2 }))).toBe('5/26/00');
    expect(
      verdict(await move(a, [0xa1n, 0xb1n], { to: transportId(a.nexus.state.initiator.portName) })),
    ).toBe('5/26/00');
    expect(verdict(await move(a, [0xa1n, 0xb1n], { to, unregister: true }))).toBe('good');
    expect([await keys(b), await reservation(b)]).toEqual([[2, 'b1'], 'b1/03']);
    expect(verdict(await release(b, 0xb1n, EA))).toBe('good');
  });

  test('is not for all registrants', async () => {
    const { a, b } = await three();
    await register(a, 0n, 0xa1n);
    await reserve(a, 0xa1n, WEAR);
    const to = transportId(b.nexus.state.initiator.portName);
    expect(verdict(await move(a, [0xa1n, 0xb1n], { to }))).toBe('conflict');
  });
});

describe('persist through power loss', () => {
  test('registrations and the reservation outlive a restart; PRGENERATION does not', async () => {
    const state = new MemoryState();
    const before = await three({ state });
    await register(before.a, 0n, 0xa1n, { flags: APTPL });
    await register(before.b, 0n, 0xb1n, { flags: APTPL | ALL_TG_PT });
    await reserve(before.a, 0xa1n, EA);
    const after = await three({ state });
    expect([await keys(after.a), await reservation(after.a)]).toEqual([[0, 'a1', 'b1'], 'a1/03']);
    expect(verdict(await after.c.run([0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]))).toBe('conflict');
    expect(verdict(await release(after.a, 0xa1n, EA))).toBe('good');
    const third = await three({ state });
    expect(await reservation(third.a)).toBe('none');
  });

  test('without APTPL nothing is kept, and the last registration decides', async () => {
    const state = new MemoryState();
    const before = await three({ state });
    await register(before.a, 0n, 0xa1n, { flags: APTPL });
    await register(before.b, 0n, 0xb1n);
    expect(state.values.size).toBe(0);
    expect(await keys((await three({ state })).a)).toEqual([0]);
  });

  test('a store that fails leaves the state as it was', async () => {
    const { a, unit } = await three();
    await register(a, 0n, 0xa1n, { flags: APTPL });
    unit.state.put = () => Promise.reject(new StoreError('CLOSED', 'the pool is closed'));
    expect(verdict(await reserve(a, 0xa1n, EA))).toBe('4/44/00');
    expect(await reservation(a)).toBe('none');
  });

  test('commands that wait for the store take effect one after another', async () => {
    const { a, b, unit } = await three();
    const { put } = unit.state;
    unit.state.put = async (key, value) => {
      await Promise.resolve();
      put.call(unit.state, key, value);
    };
    const results = await Promise.all([
      register(a, 0n, 0xa1n, { flags: APTPL }),
      register(b, 0n, 0xb1n, { flags: APTPL }),
      reserve(a, 0xa1n, EA),
      reserve(b, 0xb1n, EA),
    ]);
    expect(results.map(verdict)).toEqual(['good', 'good', 'good', 'conflict']);
    expect(await keys(a)).toEqual([2, 'a1', 'b1']);
  });

  test('what cannot be read is never taken for nothing', async () => {
    const state = new MemoryState();
    state.put('scsi.persistent-reservations', Uint8Array.of(0x7b, 0xff));
    await expect(ready({ state })).rejects.toThrow(/persistent reservations cannot be read/);
  });
});

describe('PERSISTENT RESERVE IN', () => {
  test('REPORT CAPABILITIES', async () => {
    const { a } = await three();
    expect(await reserveIn(a, 2)).toBe('00081d90ea010000');
    await register(a, 0n, 1n, { flags: APTPL });
    expect(await reserveIn(a, 2)).toBe('00081d91ea010000');
  });

  test('READ FULL STATUS', async () => {
    const { a } = await three();
    await register(a, 0n, 0xa1n, { flags: ALL_TG_PT });
    await reserve(a, 0xa1n, EA);
    const id = Buffer.from(transportId(a.nexus.state.initiator.portName)).toString('hex');
    const idBytes = (id.length / 2).toString(16).padStart(8, '0');
    const body = `00000000000000a1${'00000000'}0103${'00000000'}0001${idBytes}${id}`;
    const bytes = (body.length / 2).toString(16).padStart(8, '0');
    expect(await reserveIn(a, 3)).toBe(`00000001${bytes}${body}`);
  });

  test('ADDITIONAL LENGTH is whole when the list is cut, and other service actions are refused', async () => {
    const { a } = await three();
    await register(a, 0n, 0xa1n);
    expect(await reserveIn(a, 0, 8)).toBe('0000000100000008');
    for (let action = 4; action < 0x20; action += 1) {
      const result = await a.run([0x5e, action, 0, 0, 0, 0, 0, 0x40, 0, 0]);
      expect([verdict(result), fixedSense(result).special]).toEqual(['5/24/00', [0xcc, 0, 1]]);
    }
  });
});
