// SANITIZE (SBC-3 §4.11) of a disk in a pool: what only this disk had is on the medium no more, however
// small the pieces it was given back in and whenever that was. A snapshot has what it had, and the log says
// so.
import { expect, test } from 'vitest';
import type { BlockRange } from '../../../lun/units.ts';
import { filled, Host, wholeTarget } from '../../protocol-scripts/hosts/host.ts';

const BLOCK_ERASE = [0x48, 0x02, 0, 0, 0, 0, 0, 0, 0, 0];
const PLACE_BYTES = 4096;

test('nothing is left on the medium but what a snapshot keeps', async () => {
  const target = await wholeTarget();
  const { world } = target;
  const host = await Host.open(target, 'a');
  /** How many places of the data space hold this byte all over. */
  const places = async (byte: number): Promise<number> => {
    const bytes = new Uint8Array(PLACE_BYTES);
    let count = 0;
    for (let place = 2; place < 1000; place += 1) {
      await world.medium.data.read(place, bytes);
      if (bytes.every((one) => one === byte)) count += 1;
    }
    return count;
  };
  expect(await host.write(0, filled(16, 0x11))).toBe('good');
  await world.pool.createSnapshots([{ vlun: 'disk0', snapshot: 'before' }]);
  expect(await host.write(0, filled(64, 0x22))).toBe('good');
  // Overwritten block by block, so that what is freed lies in pieces too short to be discarded by the way.
  for (let lba = 0; lba < 64; lba += 16) expect(await host.write(lba, filled(8, 0x33))).toBe('good');
  expect([await places(0x11), await places(0x22), await places(0x33)]).toEqual([2, 8, 4]);

  const erasing = host.say(BLOCK_ERASE);
  for (let i = 0; i < 20; i += 1) await target.advance(10);
  expect(await erasing).toBe('good');
  expect([await places(0x11), await places(0x22), await places(0x33)]).toEqual([2, 0, 0]);
  expect((await host.read(0, 64)).dataIn).toEqual(filled(64, 0));
  const kept = filled(16, 0);
  await world.pool.snapshotUnit('disk0', 'before').device.read({ lba: 0, blocks: 16 } as BlockRange, kept);
  expect(kept).toEqual(filled(16, 0x11));
  expect(world.pool.status().usedBytes).toBe(2 * PLACE_BYTES);
  expect((await world.pool.check({ data: true })).errors).toEqual([]);
  const said = world.environment.facts.filter(({ type }) => type === 'purged');
  expect(said).toEqual([{ type: 'purged', unit: 'disk0', keptBytes: 2 * PLACE_BYTES }]);
});

test('P7: SANITIZE of V1 is an UNMAP of every block, and what V2 had of its own goes with it', async () => {
  const target = await wholeTarget();
  const { world } = target;
  const host = await Host.open(target, 'a');
  const side = async (): Promise<Uint8Array> => {
    const bytes = filled(24, 0x77);
    await world.pool.unit('side').device.read({ lba: 0, blocks: 24 } as BlockRange, bytes);
    return bytes;
  };
  const sanitize = async (): Promise<void> => {
    const erasing = host.say(BLOCK_ERASE);
    for (let i = 0; i < 20; i += 1) await target.advance(10);
    expect(await erasing).toBe('good');
  };
  expect(await host.write(0, filled(16, 0x11))).toBe('good');
  await world.pool.preserve({ name: 'disk0', newName: 'side' });
  const own = { lba: 4, blocks: 12 } as BlockRange;
  await world.pool.unit('side').device.write(own, filled(12, 0x22), { fua: false });
  await sanitize();
  expect(await side()).toEqual(filled(24, 0));

  expect((await world.pool.check({ data: true })).errors).toEqual([]);
});
