// Differences between snapshots, against a plain comparison of what was written: no change is missed, ever;
// and a block that nobody wrote is never named.
import { expect, test } from 'vitest';
import { fill, newPool, range, readBytes } from '../support/pool-world.ts';
import { seededRandom } from '../support/random.ts';

const BLOCKS = 700;
const SECTORS = BLOCKS * 8;

function blocksOf(ranges: ReadonlyArray<{ offsetBytes: number; lengthBytes: number }>): Set<number> {
  const blocks = new Set<number>();
  let last = -1;
  for (const { offsetBytes, lengthBytes } of ranges) {
    expect(offsetBytes).toBeGreaterThan(last);
    last = offsetBytes + lengthBytes;
    for (let at = offsetBytes; at < last; at += 4096) blocks.add(Math.floor(at / 4096));
  }
  return blocks;
}

for (let seed = 1; seed <= 8; seed += 1) {
  test(`seed ${seed}: every pair of snapshots`, async () => {
    const random = seededRandom(seed);
    const { pool, environment } = await newPool({ tableCacheBytes: random.pick([0, 1 << 20]) });
    await pool.createVlun({ name: 'V', sizeBytes: BLOCKS * 4096 });
    const { device } = pool.unit('V');
    const names: string[] = [];
    const contents = new Map<string, Uint8Array>();
    const touched: Array<Set<number>> = [];
    for (let i = 0; i < 6; i += 1) {
      const blocks = new Set<number>();
      for (let write = 0; write < 12; write += 1) {
        const block = random.below(BLOCKS - 30);
        const count = random.between(1, 30);
        const at = range(block * 8, count * 8);
        if (random.chance(0.3)) await device.unmap([at], { fua: false });
        else await fill(device, at, random.between(1, 255));
        for (let n = 0; n < count; n += 1) blocks.add(block + n);
      }
      touched.push(blocks);
      names.push(`V@s${i}`);
      await pool.createSnapshots([{ vlun: 'V', snapshot: `s${i}` }]);
      contents.set(`V@s${i}`, await readBytes(device, 0, SECTORS));
      if (i === 3) await pool.deleteSnapshot({ vlun: 'V', snapshot: 's2' });
      if (random.chance(0.5)) await environment.advance(100);
      if (random.chance(0.3)) await pool.checkpoint();
    }
    names.splice(2, 1);
    for (const from of names) {
      for (const to of names) {
        const { ranges } = await pool.diff({ from, to });
        const found = blocksOf(ranges);
        const [a, b] = [contents.get(from) as Uint8Array, contents.get(to) as Uint8Array];
        const between = touched
          .slice(...[Number(from.slice(3)) + 1, Number(to.slice(3)) + 1].sort())
          .flatMap((one) => [...one]);
        for (let block = 0; block < BLOCKS; block += 1) {
          const changed =
            Buffer.compare(
              a.subarray(block * 4096, (block + 1) * 4096),
              b.subarray(block * 4096, (block + 1) * 4096),
            ) !== 0;
          if (changed) expect(found.has(block), `${from} ${to} block ${block}`).toBe(true);
        }
        if (Number(from.slice(3)) <= Number(to.slice(3)))
          for (const block of found) expect(between).toContain(block);
        if (from === to) expect(ranges).toEqual([]);
      }
    }
  });
}

test('comes in portions, ends inside the last block, and works against the LUN as it is', async () => {
  const { pool } = await newPool();
  await pool.createVlun({ name: 'V', sizeBytes: BLOCKS * 4096 + 512 });
  const { device } = pool.unit('V');
  await pool.createSnapshots([{ vlun: 'V', snapshot: 'a' }]);
  for (const block of [3, 4, 300, 301, 600]) await fill(device, range(block * 8, 8), 1);
  await fill(device, range(SECTORS, 1), 2);
  const all = await pool.diff({ from: 'V@a', to: 'V' });
  expect(all).toEqual({
    ranges: [
      { offsetBytes: 3 * 4096, lengthBytes: 8192 },
      { offsetBytes: 300 * 4096, lengthBytes: 8192 },
      { offsetBytes: 600 * 4096, lengthBytes: 4096 },
      { offsetBytes: 700 * 4096, lengthBytes: 512 },
    ],
  });
  const first = await pool.diff({ from: 'V@a', to: 'V', rangesMax: 2 });
  expect(first).toEqual({ ranges: all.ranges.slice(0, 2), nextOffsetBytes: 600 * 4096 });
  const rest = await pool.diff({ from: 'V@a', to: 'V', offsetBytes: 600 * 4096 });
  expect(rest.ranges).toEqual(all.ranges.slice(2));
  expect((await pool.diff({ to: 'V' })).ranges).toEqual(all.ranges);
});
