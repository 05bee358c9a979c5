/**
 * The faulty medium keeps the contract while nothing fails, and fails in every way it promises: each
 * test states by hand what may be left and shows that this, and only this, occurs over many seeds.
 */
import { describe, expect, test } from 'vitest';
import type { FaultPlan } from '../../../../snapshot/medium/fault-plan.ts';
import { openFaultyMedium } from '../../../../snapshot/medium/faulty.ts';
import { FaultyStore } from '../../../../snapshot/medium/faulty-store.ts';
import type { Medium } from '../../../../snapshot/medium/medium.ts';
import {
  blockOf,
  CONTRACT_CAPACITY_BLOCKS,
  CONTRACT_SEGMENT_BYTES,
  filled,
  mediumContract,
  readRun,
  segmentsOf,
} from '../../../support/medium-contract.ts';
import { seededRandom } from '../../../support/random.ts';

const FORM = { capacityBlocks: CONTRACT_CAPACITY_BLOCKS, journalSegmentBytes: CONTRACT_SEGMENT_BYTES };
const SEEDS = 200;

function quiet(seed: number): FaultPlan {
  return { random: seededRandom(seed) };
}

mediumContract('faulty, without faults,', () => {
  const store = new FaultyStore(FORM);
  return () => openFaultyMedium(store, quiet(1));
});

/** Orders completions at random; `run` completes all until nothing is left. */
function scheduler(seed: number) {
  const random = seededRandom(seed);
  const waiting: Array<() => void> = [];
  let turning = false;
  const turn = (): void => {
    const [next] = waiting.splice(random.below(waiting.length), 1);
    next?.();
    if (waiting.length > 0) setImmediate(turn);
    else turning = false;
  };
  return (complete: () => void): void => {
    waiting.push(complete);
    if (!turning) setImmediate(turn);
    turning = true;
  };
}

mediumContract('faulty, completing in random order,', () => {
  const store = new FaultyStore(FORM);
  return () => openFaultyMedium(store, { random: seededRandom(2), defer: scheduler(3), atOnceChance: 0.3 });
});

/** The sectors of a block as their first bytes, asserting that each is of one value. */
function sectorsOf(block: Uint8Array): number[] {
  const values: number[] = [];
  for (let at = 0; at < block.byteLength; at += 512) {
    const sector = block.subarray(at, at + 512);
    expect(sector.every((byte) => byte === sector[0])).toBe(true);
    values.push(sector[0] as number);
  }
  return values;
}

/** What each of many power losses leaves in block 5. */
async function lossesOf(prepare: (medium: Medium) => Promise<void>): Promise<number[][]> {
  const found: number[][] = [];
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const store = new FaultyStore(FORM);
    await prepare(openFaultyMedium(store, quiet(seed)));
    const left = store.afterPowerLoss(seededRandom(seed + 1000));
    found.push(sectorsOf(await readRun(openFaultyMedium(left, quiet(seed)), 5, 1)));
  }
  return found;
}

describe('power loss', () => {
  test('keeps what was flushed', async () => {
    const found = await lossesOf(async (medium) => {
      await medium.data.write([{ place: 5, bytes: blockOf(1) }]);
      await medium.data.flush();
    });
    expect(new Set(found.flat())).toEqual(new Set([1]));
  });

  test('keeps, loses or tears what was not flushed, by sectors', async () => {
    const found = await lossesOf(async (medium) => {
      await medium.data.write([{ place: 5, bytes: blockOf(1) }]);
      await medium.data.flush();
      await medium.data.write([{ place: 5, bytes: blockOf(2) }]);
      await medium.data.write([{ place: 5, bytes: blockOf(3) }]);
    });
    expect(new Set(found.flat())).toEqual(new Set([1, 2, 3]));
    for (const value of [1, 2, 3]) expect(found.some((one) => one.every((is) => is === value))).toBe(true);
    expect(found.some((one) => new Set(one).size > 1)).toBe(true);
  });

  test('may undo a discard, and never brings back what a later flushed write replaced', async () => {
    const found = await lossesOf(async (medium) => {
      await medium.data.write([{ place: 5, bytes: blockOf(1) }]);
      await medium.data.flush();
      await medium.data.discard(5, 1);
    });
    expect(found.some((one) => one[0] === 1)).toBe(true);
    expect(found.some((one) => one[0] !== 1)).toBe(true);
    const replaced = await lossesOf(async (medium) => {
      await medium.data.discard(5, 1);
      await medium.data.write([{ place: 5, bytes: blockOf(2) }]);
      await medium.data.flush();
    });
    expect(new Set(replaced.flat())).toEqual(new Set([2]));
  });

  test('a flush covers what completed before it began, not what came during it', async () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < SEEDS; seed += 1) {
      const waiting: Array<() => void> = [];
      const store = new FaultyStore(FORM);
      const medium = openFaultyMedium(store, { ...quiet(seed), defer: (complete) => waiting.push(complete) });
      const first = medium.data.write([{ place: 5, bytes: blockOf(1) }]);
      waiting.shift()?.();
      await first;
      const flush = medium.data.flush();
      const second = medium.data.write([{ place: 5, bytes: blockOf(2) }]);
      for (const complete of waiting.reverse()) complete();
      await Promise.all([flush, second]);
      const left = openFaultyMedium(store.afterPowerLoss(seededRandom(seed)), quiet(seed));
      for (const value of sectorsOf(await readRun(left, 5, 1))) seen.add(value);
    }
    expect(seen).toEqual(new Set([1, 2]));
  });

  test('may keep a later append without an earlier one, and never loses a flushed one', async () => {
    const patterns = new Set<string>();
    for (let seed = 0; seed < SEEDS; seed += 1) {
      const store = new FaultyStore(FORM);
      const medium = openFaultyMedium(store, quiet(seed));
      await medium.journal.append(filled(512, 1));
      await medium.journal.flush();
      await medium.journal.append(filled(512, 2));
      await medium.journal.append(filled(512, 3));
      const left = openFaultyMedium(store.afterPowerLoss(seededRandom(seed)), quiet(seed));
      const [segment] = await segmentsOf(left);
      patterns.add(sectorsOf(segment?.bytes.subarray(0, 1536) ?? filled(0, 0)).join());
    }
    expect(patterns).toEqual(new Set(['1,2,3', '1,2,0', '1,0,3', '1,0,0']));
  });

  test('a segment that was never flushed may be gone, a dropped one may be back until a flush', async () => {
    const begun = new Set<string>();
    const afterFlush = new Set<string>();
    for (let seed = 0; seed < SEEDS; seed += 1) {
      const store = new FaultyStore(FORM);
      const medium = openFaultyMedium(store, quiet(seed));
      await medium.journal.append(filled(10, 1));
      await medium.journal.flush();
      await medium.journal.beginSegment();
      await medium.journal.append(filled(10, 2));
      await medium.journal.dropBefore(2);
      const numbers = async (): Promise<string> => {
        const left = openFaultyMedium(store.afterPowerLoss(seededRandom(seed)), quiet(seed));
        return (await segmentsOf(left)).map(({ number }) => number).join();
      };
      const again = new FaultyStore(store);
      begun.add(await numbers());
      again.holder = undefined;
      const second = openFaultyMedium(again, quiet(seed));
      await second.journal.flush();
      afterFlush.add(await numbers());
    }
    expect(begun).toEqual(new Set(['1,2', '1', '2', '']));
    expect(afterFlush).toEqual(new Set(['2']));
  });

  test('a commit is whole or absent while in flight, and there once completed', async () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < SEEDS; seed += 1) {
      const store = new FaultyStore(FORM);
      const waiting: Array<() => void> = [];
      const medium = openFaultyMedium(store, { ...quiet(seed), defer: (complete) => waiting.push(complete) });
      const done = medium.meta.commit([{ key: Uint8Array.of(1), value: filled(1, 1) }]);
      waiting.shift()?.();
      await done;
      const lost = medium.meta.commit([
        { key: Uint8Array.of(2), value: filled(1, 2) },
        { key: Uint8Array.of(3), value: filled(1, 3) },
      ]);
      const left = openFaultyMedium(store.afterPowerLoss(seededRandom(seed)), quiet(seed));
      const found = await left.meta.scan({ from: Uint8Array.of(0), to: Uint8Array.of(9) });
      expect([1, 3]).toContain(found.length);
      seen.add(found.length);
      for (const complete of waiting) complete();
      await expect(lost).rejects.toMatchObject({ code: 'CLOSED' });
    }
    expect(seen).toEqual(new Set([1, 3]));
  });
});

describe('a planned power cut', () => {
  const story = async (medium: Medium): Promise<number> => {
    let acknowledged = 0;
    try {
      for (let i = 1; i <= 5; i += 1) {
        await medium.data.write([{ place: i, bytes: blockOf(i) }]);
        await medium.data.flush();
        acknowledged = i;
      }
    } catch (error) {
      expect(error).toMatchObject({ code: 'CLOSED' });
    }
    return acknowledged;
  };

  test('can be placed at every operation that changes something', async () => {
    const calm = openFaultyMedium(new FaultyStore(FORM), quiet(1));
    expect(await story(calm)).toBe(5);
    expect(calm.changes).toBe(10);
    expect(calm.count('write')).toBe(5);
    for (let cutAt = 0; cutAt < calm.changes; cutAt += 1) {
      const store = new FaultyStore(FORM);
      const medium = openFaultyMedium(store, { ...quiet(cutAt), cutAt });
      expect(await story(medium)).toBe(Math.floor(cutAt / 2));
      await medium.close();
      expect(() => openFaultyMedium(store, quiet(1))).toThrow('open already');
      const left = openFaultyMedium(store.afterPowerLoss(seededRandom(cutAt)), quiet(cutAt));
      for (let i = 1; i <= Math.floor(cutAt / 2); i += 1) {
        expect(await readRun(left, i, 1)).toEqual(blockOf(i));
      }
    }
  });
});

describe('a kill', () => {
  test('leaves what completed, and of what was in flight a part or nothing', async () => {
    const seen = new Set<string>();
    const appended = new Set<number>();
    for (let seed = 0; seed < SEEDS; seed += 1) {
      const store = new FaultyStore(FORM);
      const waiting: Array<() => void> = [];
      const medium = openFaultyMedium(store, { ...quiet(seed), defer: (complete) => waiting.push(complete) });
      const first = medium.data.write([{ place: 5, bytes: blockOf(1) }]);
      waiting.shift()?.();
      await first;
      const second = medium.data.write([{ place: 5, bytes: blockOf(2) }]);
      const third = medium.journal.append(filled(100, 7));
      store.kill(seededRandom(seed));
      for (const complete of waiting) complete();
      await expect(second).rejects.toMatchObject({ code: 'CLOSED' });
      await expect(third).rejects.toMatchObject({ code: 'CLOSED' });
      const after = openFaultyMedium(store, quiet(seed));
      const values = new Set(sectorsOf(await readRun(after, 5, 1)));
      seen.add([...values].sort().join());
      appended.add((await segmentsOf(after))[0]?.bytes.filter((byte) => byte === 7).byteLength ?? 0);
      // It was never flushed: the power may still take it.
      store.afterPowerLoss(seededRandom(seed));
    }
    expect(seen).toEqual(new Set(['1', '2', '1,2']));
    expect(appended).toContain(0);
    expect(appended).toContain(100);
    expect([...appended].some((bytes) => bytes > 0 && bytes < 100)).toBe(true);
  });

  test('completed but unflushed bytes can be lost by a power loss after the kill', async () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < SEEDS; seed += 1) {
      const store = new FaultyStore(FORM);
      await openFaultyMedium(store, quiet(seed)).data.write([{ place: 5, bytes: blockOf(1) }]);
      store.kill(seededRandom(seed));
      expect(Buffer.compare(await readRun(openFaultyMedium(store, quiet(seed)), 5, 1), blockOf(1))).toBe(0);
      const left = openFaultyMedium(store.afterPowerLoss(seededRandom(seed)), quiet(seed));
      for (const value of sectorsOf(await readRun(left, 5, 1))) seen.add(value);
    }
    expect(seen).toEqual(new Set([0xa5, 1]));
  });
});

describe('failing calls', () => {
  test('fail once or from then on, and count by kind', async () => {
    const medium = openFaultyMedium(new FaultyStore(FORM), {
      ...quiet(1),
      faults: [
        { on: 'read', at: 1, how: 'error' },
        { on: 'commit', at: 0, always: true, how: 'error' },
      ],
    });
    await readRun(medium, 0, 1);
    await expect(readRun(medium, 0, 1)).rejects.toMatchObject({ code: 'IO' });
    await readRun(medium, 0, 1);
    await expect(medium.meta.commit([])).rejects.toMatchObject({ code: 'IO' });
    await expect(medium.meta.commit([])).rejects.toMatchObject({ code: 'IO' });
    medium.inject({ on: 'write', at: 0, how: 'short' });
    expect(() => medium.data.write([{ place: 0, bytes: blockOf(1, 4) }])).toThrow('injected');
  });

  test('no append succeeds after one that failed', async () => {
    const medium = openFaultyMedium(new FaultyStore(FORM), {
      ...quiet(1),
      faults: [{ on: 'append', at: 1, how: 'error' }],
    });
    await medium.journal.append(filled(9, 1));
    expect(() => medium.journal.append(filled(9, 2))).toThrow('injected');
    expect(() => medium.journal.append(filled(9, 3))).toThrow('earlier append');
  });

  test('what a failed flush let go shows until the caches are dropped; no flush brings it back', async () => {
    let gone = 0;
    for (let seed = 0; seed < SEEDS; seed += 1) {
      const store = new FaultyStore(FORM);
      const faults = [{ on: 'data-flush', at: 0, how: 'error' } as const];
      const medium = openFaultyMedium(store, { ...quiet(seed), faults });
      await medium.data.write([{ place: 5, bytes: blockOf(1) }]);
      await expect(medium.data.flush()).rejects.toMatchObject({ code: 'IO' });
      await medium.data.flush();
      expect(Buffer.compare(await readRun(medium, 5, 1), blockOf(1))).toBe(0);
      await medium.dropCaches();
      if ((await readRun(medium, 5, 1))[0] !== 1) gone += 1;
    }
    expect(gone).toBeGreaterThan(SEEDS / 4);
    expect(gone).toBeLessThan((SEEDS * 3) / 4);
  });

  test('a full device refuses new blocks, takes old ones, and has room again after a discard', async () => {
    const medium = openFaultyMedium(new FaultyStore(FORM), { ...quiet(1), spaceBlocks: 3 });
    await medium.data.write([{ place: 0, bytes: blockOf(1, 3) }]);
    expect(() => medium.data.write([{ place: 9, bytes: blockOf(1) }])).toThrow('full');
    await medium.data.write([{ place: 1, bytes: blockOf(2) }]);
    await medium.data.discard(0, 1);
    await medium.data.write([{ place: 9, bytes: blockOf(3) }]);
    expect(await readRun(medium, 9, 1)).toEqual(blockOf(3));
  });

  test('bits rot where asked', async () => {
    const store = new FaultyStore(FORM);
    const medium = openFaultyMedium(store, quiet(1));
    await medium.data.write([{ place: 5, bytes: blockOf(0) }]);
    store.rotData(5, 4096 * 8 - 1);
    expect((await readRun(medium, 5, 1))[4095]).toBe(0x80);
    await medium.journal.append(filled(10, 0));
    store.rotJournal(1, 3);
    await medium.meta.commit([{ key: Uint8Array.of(1), value: filled(4, 0) }]);
    store.rotMeta(Uint8Array.of(1), 2);
    expect((await medium.meta.get(Uint8Array.of(1)))?.[2]).toBe(1);
    await medium.close();
    expect((await segmentsOf(openFaultyMedium(store, quiet(1))))[0]?.bytes[3]).toBe(1);
  });

  test('a buffer changed in flight is found', async () => {
    const waiting: Array<() => void> = [];
    const plan = { ...quiet(1), defer: (complete: () => void) => waiting.push(complete) };
    const medium = openFaultyMedium(new FaultyStore(FORM), plan);
    const bytes = blockOf(1);
    const write = medium.data.write([{ place: 5, bytes }]);
    bytes[0] = 2;
    for (const complete of waiting) complete();
    await expect(write).rejects.toMatchObject({ code: 'ERR_ASSERTION' });
  });

  test('a lease taken over tells the holder, which fails; the next has a larger epoch', async () => {
    const store = new FaultyStore(FORM);
    const medium = openFaultyMedium(store, quiet(1));
    const told: string[] = [];
    medium.lease.onLost((why) => told.push(why));
    medium.revokeLease('taken over');
    expect(told).toEqual(['taken over']);
    await expect(medium.data.flush()).rejects.toMatchObject({ code: 'CLOSED' });
    expect(openFaultyMedium(store, quiet(1)).lease.epoch).toBeGreaterThan(medium.lease.epoch);
  });
});
