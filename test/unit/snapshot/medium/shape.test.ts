/** The shape medium keeps journal and tables, and of the data nothing but its bounds. */
import { expect, test } from 'vitest';
import { MemoryStore } from '../../../../snapshot/medium/memory.ts';
import { openShapeMedium } from '../../../../snapshot/medium/shape.ts';
import { blockOf, filled, readRun } from '../../../support/medium-contract.ts';

test('data takes no memory and reads as zeroes; tables survive reopening', async () => {
  const store = new MemoryStore({ capacityBlocks: 2 ** 40 });
  const medium = openShapeMedium(store);
  await medium.data.write([{ place: 2 ** 40 - 4, bytes: blockOf(0, 4) }]);
  expect(store.blocks.size).toBe(0);
  expect(await readRun(medium, 2 ** 40 - 1, 1)).toEqual(blockOf(0));
  expect(() => medium.data.write([{ place: 0, bytes: blockOf(1) }])).toThrow('writes zeroes');
  expect(() => medium.data.read(2 ** 40, blockOf(0))).toThrow('inside the space');
  await medium.meta.commit([{ key: Uint8Array.of(1), value: filled(3, 1) }]);
  await medium.close();
  const again = openShapeMedium(store);
  expect(await again.meta.get(Uint8Array.of(1))).toEqual(filled(3, 1));
});
