/**
 * Shows when a freed place may be given away again: mark durable, readers gone, discard completed, in every
 * order.
 */
import { expect, test } from 'vitest';
import { Allocator } from '../../../snapshot/allocator.ts';
import { FreedPlaces } from '../../../snapshot/free.ts';
import { openMemoryMedium } from '../../../snapshot/medium/memory.ts';
import { ReaderEpochs } from '../../../snapshot/reader-epochs.ts';
import { settle, TestEnvironment } from '../../support/pool-world.ts';

async function ground() {
  const { checksum } = new TestEnvironment();
  const capacityBlocks = 12_000;
  const medium = openMemoryMedium({ capacityBlocks });
  const allocator = await Allocator.load({ meta: medium.meta, checksum, capacityBlocks });
  const discards: Array<{ place: number; blocks: number; end: () => void; fail: (cause: unknown) => void }> =
    [];
  const failures: unknown[] = [];
  const data = {
    ...medium.data,
    discard: (place: number, blocks: number): Promise<void> =>
      new Promise((end, fail) => discards.push({ place, blocks, end, fail })),
  };
  const epochs = new ReaderEpochs();
  const onDiscardFailed = (cause: unknown): number => failures.push(cause);
  const turns: Array<() => void> = [];
  const after = (_ms: number, run: () => void): (() => void) => {
    turns.push(run);
    return () => undefined;
  };
  const freed = new FreedPlaces({ allocator, data, epochs, after, onDiscardFailed });
  const run = async (blocks: number): Promise<number> => {
    const [only] = await allocator.allocate(blocks);
    const place = only?.place as number;
    allocator.reference(place, blocks);
    return place;
  };
  const free = (place: number, blocks: number, sequence: number): void => {
    allocator.release(place, blocks);
    freed.add({ place, blocks }, sequence);
  };
  return { allocator, epochs, freed, turns, discards, failures, run, free };
}

test('a place waits for the mark that covers the record which freed it', async () => {
  const { allocator, freed, run, free } = await ground();
  const place = await run(2);
  const { freeBlocks } = allocator;
  free(place, 1, 10);
  freed.closeBatch();
  free(place + 1, 1, 11);
  freed.durable(9);
  expect(allocator.freeBlocks).toBe(freeBlocks);
  freed.durable(11);
  expect(allocator.freeBlocks).toBe(freeBlocks + 1);
  freed.closeBatch();
  freed.durable(11);
  expect(allocator.freeBlocks).toBe(freeBlocks + 2);
  expect(freed.waiting).toBe(false);
});

test('a place waits for the commands that were running, and for none that began later', async () => {
  const { allocator, epochs, freed, run, free } = await ground();
  const { freeBlocks } = allocator;
  const place = await run(1);
  const early = epochs.enter();
  free(place, 1, 5);
  freed.closeBatch();
  freed.durable(5);
  const late = epochs.enter();
  expect(allocator.freeBlocks).toBe(freeBlocks - 1);
  expect(freed.waiting).toBe(true);
  epochs.leave(early);
  expect(allocator.freeBlocks).toBe(freeBlocks);
  epochs.leave(late);
});

test('many places become allocatable in several turns, in order, and are settled after the last one', async () => {
  const { allocator, freed, turns, run, free } = await ground();
  const { freeBlocks } = allocator;
  const place = await run(10_000);
  const told: number[] = [];
  freed.onFree((at) => told.push(at));
  for (let at = 0; at < 10_000; at += 2) free(place + at, 1, 7);
  freed.closeBatch();
  free(place + 1, 1, 8);
  freed.closeBatch();
  freed.durable(7);
  let settled = false;
  freed.whenSettled(() => {
    settled = true;
  });
  expect(allocator.freeBlocks).toBeLessThan(freeBlocks - 5000);
  freed.durable(8);
  expect([settled, freed.waiting, turns.length]).toEqual([false, true, 1]);
  for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) turn();
  expect([settled, freed.waiting, allocator.freeBlocks]).toEqual([true, false, freeBlocks - 4999]);
  expect(told).toEqual([...Array.from({ length: 5000 }, (_, at) => place + 2 * at), place + 1]);
});

test('what has become free is told, and is not discarded here', async () => {
  const { allocator, discards, freed, run, free } = await ground();
  const { freeBlocks } = allocator;
  const told: unknown[] = [];
  freed.onFree((place, blocks) => told.push({ place, blocks }));
  const place = await run(40);
  free(place, 40, 6);
  freed.closeBatch();
  freed.durable(6);
  expect(told).toEqual([{ place, blocks: 40 }]);
  expect([allocator.freeBlocks, discards.length]).toEqual([freeBlocks, 0]);
});

test('a run that is given back waits for its discard', async () => {
  const { allocator, discards, freed } = await ground();
  const { freeBlocks } = allocator;
  const runs = await allocator.allocate(4);
  void freed.giveBack(runs, () => true);
  let settled = false;
  freed.whenSettled(() => {
    settled = true;
  });
  await settle();
  expect(discards).toMatchObject(runs);
  expect([allocator.freeBlocks, settled]).toEqual([freeBlocks - 4, false]);
  discards[0]?.end();
  await settle();
  expect([allocator.freeBlocks, settled]).toEqual([freeBlocks, true]);
});

test('a discard that fails is told, and the run is used again all the same', async () => {
  const { allocator, discards, failures, freed } = await ground();
  const { freeBlocks } = allocator;
  void freed.giveBack(await allocator.allocate(2), () => true);
  discards[0]?.fail('broken');
  await settle();
  expect(failures).toEqual(['broken']);
  expect(allocator.freeBlocks).toBe(freeBlocks);
});
