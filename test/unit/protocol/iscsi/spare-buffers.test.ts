// Large buffers of one size come back and are handed out again, and what an idle session keeps is bounded.
import { expect, test } from 'vitest';
import { SpareBuffers } from '../../../../protocol/iscsi/spare-buffers.ts';

const MIB = 1024 * 1024;

test('a buffer given back serves the next request of its size, once', () => {
  const buffers = new SpareBuffers();
  const first = buffers.allocate(MIB);
  expect(first.byteLength).toBe(MIB);
  buffers.giveBack(first);
  expect(buffers.allocate(MIB / 2) === first).toBe(false);
  expect(buffers.allocate(MIB) === first).toBe(true);
  expect(buffers.allocate(MIB) === first).toBe(false);
});

test('small ones are not kept, and large ones up to 4 MiB in all, the newest', () => {
  const buffers = new SpareBuffers();
  const small = buffers.allocate(64 * 1024);
  buffers.giveBack(small);
  expect(buffers.allocate(64 * 1024) === small).toBe(false);
  const given = Array.from({ length: 6 }, () => buffers.allocate(MIB));
  for (const one of given) buffers.giveBack(one);
  const again = new Set(Array.from({ length: 6 }, () => buffers.allocate(MIB)));
  expect(given.map((one) => again.has(one))).toEqual([false, false, true, true, true, true]);
  const huge = buffers.allocate(5 * MIB);
  buffers.giveBack(huge);
  expect(buffers.allocate(5 * MIB) === huge).toBe(false);
});
