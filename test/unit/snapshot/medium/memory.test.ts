/** The medium in memory keeps the contract, and its store outlives the mediums opened over it. */
import { expect, test } from 'vitest';
import { MemoryStore, openMemoryMedium } from '../../../../snapshot/medium/memory.ts';
import {
  blockOf,
  CONTRACT_CAPACITY_BLOCKS,
  CONTRACT_SEGMENT_BYTES,
  mediumContract,
  readRun,
} from '../../../support/medium-contract.ts';

const FORM = { capacityBlocks: CONTRACT_CAPACITY_BLOCKS, journalSegmentBytes: CONTRACT_SEGMENT_BYTES };

mediumContract('memory', () => {
  const store = new MemoryStore(FORM);
  return () => openMemoryMedium(store);
});

test('a store abandoned by its holder opens again with everything completed', async () => {
  const store = new MemoryStore(FORM);
  const first = openMemoryMedium(store);
  await first.data.write([{ place: 3, bytes: blockOf(3) }]);
  store.abandon();
  expect(() => first.data.read(3, blockOf(0))).toThrow('closed');
  const second = openMemoryMedium(store);
  expect(second.lease.epoch).toBe(first.lease.epoch + 1);
  expect(await readRun(second, 3, 1)).toEqual(blockOf(3));
  // A late close of the old holder must not free the lease of the new one.
  await first.close();
  expect(() => openMemoryMedium(store)).toThrow('open already');
});

test('a holder whose lease is revoked is told once and fails', () => {
  const store = new MemoryStore(FORM);
  const medium = openMemoryMedium(store);
  const told: string[] = [];
  medium.lease.onLost((why) => told.push(why));
  store.revokeLease('another server took over');
  store.revokeLease('again');
  expect(told).toEqual(['another server took over']);
  expect(() => medium.journal.append(new Uint8Array(1))).toThrow('closed');
});

test('only written blocks take memory', async () => {
  const store = new MemoryStore({ capacityBlocks: 2 ** 40 });
  const medium = openMemoryMedium(store);
  await medium.data.write([{ place: 2 ** 40 - 2, bytes: blockOf(1, 2) }]);
  expect(store.blocks.size).toBe(2);
  await medium.data.discard(2 ** 40 - 2, 1);
  expect(store.blocks.size).toBe(1);
});
