/**
 * What every medium promises, whatever it is stored on (snapshot/medium/medium.ts). A suite calls
 * `mediumContract` with a way to make a fresh store; the oracle is the bytes written here.
 */
import { describe, expect, test } from 'vitest';
import { OperatorError, StoreError } from '../../lun/errors.ts';
import type { MaybePromise } from '../../lun/units.ts';
import { type Medium, type MetaChange, POOL_BLOCK_BYTES } from '../../snapshot/medium/medium.ts';
import {
  blockOf,
  CONTRACT_CAPACITY_BLOCKS,
  filled,
  type MakeStore,
  readRun,
  segmentsOf,
} from './medium-bytes.ts';
import { journalContract } from './medium-journal-contract.ts';

export * from './medium-bytes.ts';

function key(...bytes: number[]): Uint8Array {
  return Uint8Array.from(bytes);
}

/** The failure of a call that may throw or reject. */
async function failureOf(call: () => MaybePromise<unknown>): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return undefined;
}

export function mediumContract(name: string, makeStore: MakeStore): void {
  describe(`${name} medium`, () => {
    dataContract(makeStore);
    journalContract(makeStore);
    metaContract(makeStore);
    leaseContract(makeStore);
  });
}

function dataContract(makeStore: MakeStore): void {
  test('data reads back as written, in runs cut differently, also after reopening', async () => {
    const open = await makeStore();
    const medium = await open();
    await medium.data.write([
      { place: 7, bytes: blockOf(1, 2) },
      { place: 9, bytes: blockOf(2) },
      { place: 100, bytes: blockOf(3, 3) },
    ]);
    await medium.data.write([{ place: 8, bytes: blockOf(4) }]);
    const expected = Buffer.concat([blockOf(1), blockOf(4), blockOf(2)]);
    expect(Buffer.compare(await readRun(medium, 7, 3), expected)).toBe(0);
    await medium.data.flush();
    await medium.dropCaches();
    expect(Buffer.compare(await readRun(medium, 7, 3), expected)).toBe(0);
    await medium.close();
    const again = await open();
    expect(Buffer.compare(await readRun(again, 7, 3), expected)).toBe(0);
    expect(Buffer.compare(await readRun(again, 101, 2), blockOf(3, 2))).toBe(0);
    await again.close();
  });

  test('a buffer belongs to the caller again once its call completed', async () => {
    const open = await makeStore();
    const medium = await open();
    const bytes = Buffer.from(blockOf(1));
    await medium.data.write([{ place: 3, bytes }]);
    bytes.fill(2);
    expect(Buffer.compare(await readRun(medium, 3, 1), blockOf(1))).toBe(0);
    await medium.data.write([{ place: 3, bytes }]);
    bytes.fill(3);
    expect(Buffer.compare(await readRun(medium, 3, 1), blockOf(2))).toBe(0);
    const record = Buffer.alloc(600, 4);
    await medium.journal.append(record);
    const { segment } = medium.journal;
    record.fill(5);
    const one = { key: Buffer.from([1]), value: Buffer.from([6]) };
    await medium.meta.commit([one]);
    one.key.fill(9);
    one.value.fill(9);
    expect((await medium.meta.get(key(1)))?.[0]).toBe(6);
    await medium.journal.flush();
    await medium.close();
    const again = await open();
    const found = (await segmentsOf(again)).find(({ number }) => number === segment);
    expect(found?.bytes[599]).toBe(4);
    const [entry] = await again.meta.scan({ from: key(0), to: key(255) });
    expect([entry?.key[0], entry?.value[0]]).toEqual([1, 6]);
    await again.close();
  });

  test('many runs in one write, adjacent, scattered and in falling order', async () => {
    const medium = await (await makeStore())();
    const writes = [];
    for (let i = 0; i < 1500; i += 1) writes.push({ place: i, bytes: blockOf(i % 251) });
    for (let i = 0; i < 300; i += 1) writes.push({ place: 3999 - i * 2, bytes: blockOf((i % 250) + 1) });
    await medium.data.write(writes);
    const all = await readRun(medium, 0, 4000);
    for (let i = 0; i < 1500; i += 1) expect(all[i * POOL_BLOCK_BYTES + 17]).toBe(i % 251);
    for (let i = 0; i < 300; i += 1) {
      expect(all[(3999 - i * 2) * POOL_BLOCK_BYTES + 4095]).toBe((i % 250) + 1);
    }
    await medium.close();
  });

  test('the first and the last block of the space are usable, and nothing past it', async () => {
    const medium = await (await makeStore())();
    const last = medium.data.capacityBlocks - 1;
    await medium.data.write([
      { place: 0, bytes: blockOf(5) },
      { place: last, bytes: blockOf(6) },
    ]);
    expect((await readRun(medium, 0, 1))[4095]).toBe(5);
    expect((await readRun(medium, last, 1))[4095]).toBe(6);
    expect(await failureOf(() => readRun(medium, last, 2))).toMatchObject({ code: 'ERR_ASSERTION' });
    expect(await failureOf(() => medium.data.write([{ place: last + 1, bytes: blockOf(1) }]))).toMatchObject({
      code: 'ERR_ASSERTION',
    });
    await medium.close();
  });

  test('discard leaves the neighbours alone and the blocks can be written again', async () => {
    const medium = await (await makeStore())();
    await medium.data.write([{ place: 20, bytes: blockOf(7, 8) }]);
    await medium.data.discard(22, 4);
    expect(Buffer.compare(await readRun(medium, 20, 2), blockOf(7, 2))).toBe(0);
    expect(Buffer.compare(await readRun(medium, 26, 2), blockOf(7, 2))).toBe(0);
    await medium.data.write([{ place: 22, bytes: blockOf(8, 4) }]);
    expect(Buffer.compare(await readRun(medium, 22, 4), blockOf(8, 4))).toBe(0);
    await medium.close();
  });

  test('the space grows, and stays grown', async () => {
    const open = await makeStore();
    const medium = await open();
    await medium.data.grow(CONTRACT_CAPACITY_BLOCKS * 2);
    const last = CONTRACT_CAPACITY_BLOCKS * 2 - 1;
    await medium.data.write([{ place: last, bytes: blockOf(9) }]);
    await medium.close();
    const again = await open();
    expect(again.data.capacityBlocks).toBe(CONTRACT_CAPACITY_BLOCKS * 2);
    expect(Buffer.compare(await readRun(again, last, 1), blockOf(9))).toBe(0);
    await again.close();
  });
}

function metaContract(makeStore: MakeStore): void {
  test('a commit puts and removes, and is there after reopening', async () => {
    const open = await makeStore();
    const medium = await open();
    await medium.meta.commit([
      { key: key(1, 2), value: filled(10, 1) },
      { key: key(1, 3), value: filled(3072, 2) },
      { key: key(1, 4), value: filled(0, 0) },
    ]);
    await medium.meta.commit([
      { key: key(1, 2), value: undefined },
      { key: key(9), value: filled(5, 5) },
      { key: key(8), value: undefined },
    ]);
    await medium.close();
    const again = await open();
    expect(await again.meta.get(key(1, 2))).toBeUndefined();
    expect(new Uint8Array((await again.meta.get(key(1, 3))) ?? [])).toEqual(filled(3072, 2));
    expect((await again.meta.get(key(1, 4)))?.byteLength).toBe(0);
    expect(new Uint8Array((await again.meta.get(key(9))) ?? [])).toEqual(filled(5, 5));
    await again.close();
  });

  test('of several changes of one key the last wins', async () => {
    const medium = await (await makeStore())();
    await medium.meta.commit([{ key: key(1), value: filled(1, 1) }]);
    await medium.meta.commit([
      { key: key(1), value: undefined },
      { key: key(1), value: filled(1, 2) },
      { key: key(2), value: filled(1, 3) },
      { key: key(2), value: undefined },
    ]);
    expect((await medium.meta.get(key(1)))?.[0]).toBe(2);
    expect(await medium.meta.get(key(2))).toBeUndefined();
    const found = await medium.meta.scan({ from: key(0), to: key(255) });
    expect(found.map((entry) => entry.key[0])).toEqual([1]);
    await medium.close();
  });

  test('a scan is bytewise, half open, limited, and goes both ways', async () => {
    const medium = await (await makeStore())();
    const keys = [
      key(0),
      key(0, 0),
      key(1),
      key(1, 255),
      key(127),
      key(128),
      key(200, 1),
      key(255),
      filled(64, 255),
    ];
    const changes: MetaChange[] = keys.map((one, i) => ({ key: one, value: filled(4, i + 1) }));
    await medium.meta.commit([...changes].reverse());
    const scan = async (range: Parameters<Medium['meta']['scan']>[0]): Promise<number[]> =>
      (await medium.meta.scan(range)).map(({ key: found, value }) => {
        const index = (value[0] as number) - 1;
        expect(new Uint8Array(found)).toEqual(keys[index]);
        return index;
      });
    const to = filled(65, 255);
    expect(await scan({ from: key(0), to })).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(await scan({ from: key(0), to, reverse: true })).toEqual([8, 7, 6, 5, 4, 3, 2, 1, 0]);
    expect(await scan({ from: key(1), to: key(128) })).toEqual([2, 3, 4]);
    expect(await scan({ from: key(1), to: key(128), reverse: true })).toEqual([4, 3, 2]);
    expect(await scan({ from: key(1, 0), to: key(201) })).toEqual([3, 4, 5, 6]);
    expect(await scan({ from: key(0), to, limit: 2 })).toEqual([0, 1]);
    expect(await scan({ from: key(0), to: key(129), limit: 2, reverse: true })).toEqual([5, 4]);
    expect(await scan({ from: key(2), to: key(3) })).toEqual([]);
    expect(await scan({ from: key(3), to: key(2) })).toEqual([]);
    expect(await scan({ from: key(2), to: key(2) })).toEqual([]);
    await medium.close();
  });

  test('a large commit is whole', async () => {
    const open = await makeStore();
    const medium = await open();
    const changes: MetaChange[] = [];
    for (let i = 0; i < 3000; i += 1)
      changes.push({ key: key(7, i >> 8, i & 255), value: filled(500, i & 255) });
    await medium.meta.commit(changes);
    await medium.close();
    const again = await open();
    const found = await again.meta.scan({ from: key(7), to: key(8) });
    expect(found.length).toBe(3000);
    expect(found.every(({ value }, i) => value.byteLength === 500 && value[499] === (i & 255))).toBe(true);
    await again.close();
  });
}

function leaseContract(makeStore: MakeStore): void {
  test('one holder at a time, and every acquisition has a larger epoch', async () => {
    const open = await makeStore();
    const first = await open();
    const refused = await failureOf(open);
    expect(refused).toBeInstanceOf(OperatorError);
    expect(refused).toMatchObject({ code: 'in-use' });
    await first.close();
    const second = await open();
    expect(second.lease.epoch).toBeGreaterThan(first.lease.epoch);
    await second.close();
  });

  test('a closed medium answers nothing', async () => {
    const medium = await (await makeStore())();
    await medium.close();
    const calls: Array<() => MaybePromise<unknown>> = [
      () => medium.data.read(0, blockOf(0)),
      () => medium.data.write([{ place: 0, bytes: blockOf(0) }]),
      () => medium.data.discard(0, 1),
      () => medium.data.flush(),
      () => medium.journal.append(filled(1, 1)),
      () => medium.journal.flush(),
      () => medium.meta.get(key(1)),
      () => medium.meta.scan({ from: key(0), to: key(1) }),
      () => medium.meta.commit([]),
      () => medium.dropCaches(),
    ];
    for (const call of calls) {
      const failure = await failureOf(call);
      expect(failure).toBeInstanceOf(StoreError);
      expect(failure).toMatchObject({ code: 'CLOSED' });
    }
    await medium.close();
  });
}
