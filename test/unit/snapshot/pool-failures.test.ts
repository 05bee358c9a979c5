/**
 * Shows that a pool fails safe: what the medium could not do is never acknowledged, a command's failure stays
 * its own, and after a failed append or flush nothing is acknowledged any more (SYSTEM promises 5, 7 and 8).
 */
import { describe, expect, test } from 'vitest';
import type { Fault } from '../../../snapshot/medium/fault-plan.ts';
import { openFaultyMedium } from '../../../snapshot/medium/faulty.ts';
import { FaultyStore } from '../../../snapshot/medium/faulty-store.ts';
import { Pool } from '../../../snapshot/pool.ts';
import { fill, NO_FUA, range, readBytes, settle, TestEnvironment } from '../../support/pool-world.ts';
import { seededRandom } from '../../support/random.ts';

const MiB = 1024 * 1024;

function code(of: string): { code: string } {
  return expect.objectContaining({ code: of });
}

async function world(plan: { defer?: (complete: () => void) => void } = {}) {
  const store = new FaultyStore({ capacityBlocks: 10_000 });
  const environment = new TestEnvironment();
  const medium = openFaultyMedium(store, { random: seededRandom(1), ...plan });
  const pool = await Pool.create(medium, environment);
  await pool.createVlun({ name: 'a', sizeBytes: MiB });
  await settle();
  /** The next call of this kind fails. */
  const failNext = (on: Fault['on'], how: Fault['how'] = 'error'): void => {
    medium.inject({ on, at: medium.count(on), how });
  };
  const reopen = async (): Promise<Pool> => {
    medium.end('killed');
    store.kill(seededRandom(2));
    return Pool.open(openFaultyMedium(store, { random: seededRandom(3) }), environment);
  };
  return { store, environment, medium, pool, device: pool.unit('a').device, failNext, reopen };
}

describe('a failing medium', () => {
  test('a data write that fails is tried again by itself, and its space is taken once', async () => {
    const { pool, device, failNext } = await world();
    await fill(device, range(0, 8), 1);
    const { freeBytes } = pool.status();
    failNext('write');
    await fill(device, range(0, 8), 2);
    expect(pool.state).toBe('serving');
    expect((await readBytes(device, 0, 8))[0]).toBe(2);
    expect(pool.status().freeBytes).toBe(freeBytes - 4096);
  });

  test('a data write that fails twice is refused; the block keeps what it had', async () => {
    const { pool, device, medium } = await world();
    await fill(device, range(0, 8), 1);
    const { freeBytes } = pool.status();
    medium.inject({ on: 'write', at: medium.count('write'), how: 'error' });
    medium.inject({ on: 'write', at: medium.count('write') + 1, how: 'error' });
    await expect(fill(device, range(0, 8), 2)).rejects.toThrow(code('IO'));
    expect(pool.state).toBe('serving');
    expect(pool.status().freeBytes).toBe(freeBytes);
    expect((await readBytes(device, 0, 8))[0]).toBe(1);
    await fill(device, range(0, 8), 3);
    expect((await readBytes(device, 0, 8))[0]).toBe(3);
  });

  test('of commands that share a write, those go on whose own write succeeds', async () => {
    const { device, medium } = await world();
    const first = medium.count('write');
    medium.inject({ on: 'write', at: first, how: 'error' });
    medium.inject({ on: 'write', at: first + 2, how: 'error' });
    const ends = await Promise.allSettled([0, 1, 2].map((i) => fill(device, range(i * 8, 8), i + 1)));
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((await readBytes(device, 0, 8))[0]).toBe(1);
    expect((await readBytes(device, 8, 8))[0]).toBe(0);
    expect((await readBytes(device, 16, 8))[0]).toBe(3);
  });

  for (const on of ['append', 'data-flush', 'journal-flush'] as const) {
    test(`after a failed ${on} nothing is acknowledged, and what was flushed is there at the next opening`, async () => {
      const { pool, device, environment, failNext, reopen } = await world();
      await fill(device, range(0, 8), 1);
      await device.flush();
      await settle();
      failNext(on);
      const bytes = new Uint8Array(4096).fill(2);
      await expect(device.write(range(0, 8), bytes, { fua: true })).rejects.toThrow();
      expect(pool.state).toBe('failed');
      expect(environment.facts.filter(({ type }) => type === 'failed').length).toBe(1);
      await expect(fill(device, range(8, 8), 3)).rejects.toThrow(code('CLOSED'));
      expect(() => device.flush()).toThrow(code('CLOSED'));
      expect(() => device.read(range(0, 8), bytes)).toThrow(code('CLOSED'));
      await expect(pool.createVlun({ name: 'b', sizeBytes: MiB })).rejects.toThrow(code('CLOSED'));
      await pool.close();
      const next = await reopen();
      expect([1, 2]).toContain((await readBytes(next.unit('a').device, 0, 8))[0]);
      expect((await readBytes(next.unit('a').device, 8, 8))[0]).toBe(0);
    });
  }

  test('commands that wait for a range when the pool fails are refused, and their locks released', async () => {
    const waiting: Array<() => void> = [];
    let open = true;
    const { pool, device, failNext } = await world({
      defer: (complete) => (open ? complete() : void waiting.push(complete)),
    });
    open = false;
    failNext('append');
    const ends = [0, 1, 2].map(() => fill(device, range(0, 8), 1).catch((cause) => cause));
    ends.push(
      readBytes(device, 0, 8).then(
        () => undefined,
        (cause) => cause,
      ),
    );
    await settle();
    while (waiting.length > 0) {
      waiting.shift()?.();
      await settle();
    }
    for (const end of await Promise.all(ends)) expect(end).toMatchObject({ code: expect.any(String) });
    expect(pool.state).toBe('failed');
  });

  test('a lost lease ends everything', async () => {
    const { pool, device, medium } = await world();
    medium.revokeLease('taken over');
    expect(pool.state).toBe('failed');
    await expect(fill(device, range(0, 8), 1)).rejects.toThrow(code('CLOSED'));
  });

  test('a checkpoint that fails is no loss: the next one holds everything', async () => {
    const { pool, device, failNext, reopen } = await world();
    await fill(device, range(0, 64), 5);
    failNext('commit');
    await expect(pool.checkpoint()).rejects.toThrow(code('IO'));
    await fill(device, range(8, 8), 6);
    await pool.checkpoint();
    const next = await reopen();
    expect((await readBytes(next.unit('a').device, 0, 8))[0]).toBe(5);
    expect((await readBytes(next.unit('a').device, 8, 8))[0]).toBe(6);
  });

  test('a block that rotted is reported, and not returned', async () => {
    const { store, device, environment } = await world();
    await fill(device, range(0, 24), 5);
    for (let place = 2; place < 10; place += 1) store.rotData(place, 77);
    await expect(readBytes(device, 8, 8)).rejects.toThrow(
      expect.objectContaining({ code: 'CORRUPT', lba: 8 }),
    );
    expect(environment.facts).toContainEqual(expect.objectContaining({ type: 'corrupt', unit: 'a', lba: 8 }));
    const partial = new Uint8Array(512);
    await expect(device.write(range(9, 1), partial, NO_FUA)).rejects.toThrow(code('CORRUPT'));
    await fill(device, range(8, 8), 6);
    expect((await readBytes(device, 8, 8))[0]).toBe(6);
  });
});

describe('recovery', () => {
  test('damage before the last flush mark refuses to open, and changes nothing', async () => {
    const { store, device, environment, medium } = await world();
    for (let i = 0; i < 4; i += 1) {
      await fill(device, range(i * 8, 8), i);
      await device.flush();
      await settle();
    }
    medium.end('killed');
    store.kill(seededRandom(2));
    store.rotJournal(1, 100);
    const open = (): Promise<Pool> =>
      Pool.open(openFaultyMedium(store, { random: seededRandom(3) }), environment);
    await expect(open()).rejects.toThrow(code('damaged'));
  });

  test('an I/O error while recovering refuses to open; the next opening finds everything', async () => {
    const { store, device, environment, medium } = await world();
    await fill(device, range(0, 8), 9);
    medium.end('killed');
    store.kill(seededRandom(2));
    for (const on of ['read', 'replay', 'get', 'scan', 'data-flush', 'journal-flush', 'commit'] as const) {
      const faulty = openFaultyMedium(store, {
        random: seededRandom(3),
        // Data is read once more, piece by piece.
        faults: (on === 'read' ? [0, 1] : [0]).map((at) => ({ on, at, how: 'error' })),
      });
      await expect(Pool.open(faulty, environment), on).rejects.toThrow(code('IO'));
      faulty.end('killed');
      store.kill(seededRandom(2));
    }
    const pool = await Pool.open(openFaultyMedium(store, { random: seededRandom(4) }), environment);
    expect((await readBytes(pool.unit('a').device, 0, 8))[0]).toBe(9);
  });
});
