// Pooled buffers never overlap while in use, and only whole cells that came from here are used again.
import { expect, test } from 'vitest';
import { BufferPool } from '../../../src/shell/buffer-pool.ts';
import { seededRandom } from '../../support/random.ts';

const CELL_BYTES = 4096;

test.each([1, 2, 3])('buffers in use keep what was put into them (seed %d)', (seed) => {
  const random = seededRandom(seed);
  const buffers = new BufferPool();
  const used: Array<{ bytes: Uint8Array; mark: number }> = [];
  for (let step = 0; step < 5000; step += 1) {
    if (used.length > 0 && random.chance(0.48)) {
      const at = random.below(used.length);
      const [{ bytes, mark }] = used.splice(at, 1) as [{ bytes: Uint8Array; mark: number }];
      expect(bytes[0], `seed ${seed} step ${step}`).toBe(mark);
      expect(bytes[bytes.byteLength - 1], `seed ${seed} step ${step}`).toBe(mark);
      buffers.giveBack(bytes);
      continue;
    }
    const size = random.pick([CELL_BYTES, CELL_BYTES, 512, 8192, 100_000]);
    const bytes = buffers.allocate(size);
    expect(bytes.byteLength).toBe(size);
    const mark = random.below(256);
    bytes.fill(mark);
    used.push({ bytes, mark });
  }
});

test('a cell given back is the next one handed out', () => {
  const buffers = new BufferPool();
  const cell = buffers.allocate(CELL_BYTES);
  const other = buffers.allocate(CELL_BYTES);
  expect(other).not.toBe(cell);
  buffers.giveBack(cell);
  expect(buffers.allocate(CELL_BYTES)).toBe(cell);
});

test('bytes from elsewhere, and parts of larger buffers, are not handed out', () => {
  const buffers = new BufferPool();
  const strangers = [
    new Uint8Array(CELL_BYTES),
    buffers.allocate(2 * CELL_BYTES).subarray(0, CELL_BYTES),
    buffers.allocate(CELL_BYTES).subarray(0, 100),
  ];
  for (const stranger of strangers) buffers.giveBack(stranger);
  const given = Array.from({ length: 300 }, () => buffers.allocate(CELL_BYTES));
  for (const stranger of strangers.slice(0, 2)) {
    for (const bytes of given) {
      const apart = bytes.buffer !== stranger.buffer || bytes.byteOffset !== stranger.byteOffset;
      expect(apart).toBe(true);
    }
  }
});
