// FORMAT UNIT (SBC-3 §5.4) of a disk in a pool: it and its session go on empty, and a snapshot keeps what
// it has.
import { expect, test } from 'vitest';
import type { BlockRange } from '../../../lun/units.ts';
import { Initiator } from '../../support/initiator/index.ts';
import { WholeTarget } from '../../support/whole-target.ts';

const TARGET = 'iqn.2026-11.io.snaplun:format';
const BLOCK_BYTES = 512;

test('a formatted disk reads as zeroes, stores nothing, and its snapshot has what it had', async () => {
  const target = await WholeTarget.open({ defaultTarget: TARGET });
  await target.createLun({ name: 'disk', sizeBytes: 1 << 20, blockBytes: BLOCK_BYTES });
  const initiator = new Initiator(target.connect());
  await initiator.login({ targetName: TARGET });
  const run = async (
    cdb: readonly number[],
    options: { dataOut?: Uint8Array; dataInBytes?: number } = {},
  ) => {
    const padded = new Uint8Array(16);
    padded.set(cdb);
    return await initiator.command({ cdb: padded, ...options });
  };
  const read = async (): Promise<Uint8Array> =>
    (await run([0x28, 0, 0, 0, 0, 0, 0, 0, 16, 0], { dataInBytes: 16 * BLOCK_BYTES })).dataIn;
  await run([0]);
  const data = new Uint8Array(16 * BLOCK_BYTES).fill(0x5a);
  expect((await run([0x2a, 0, 0, 0, 0, 0, 0, 0, 16, 0], { dataOut: data })).status).toBe(0);
  const { pool } = target.world;
  await pool.createSnapshots([{ vlun: 'disk', snapshot: 'before' }]);
  expect((await run([0x04])).status).toBe(0);
  expect(await read()).toEqual(new Uint8Array(16 * BLOCK_BYTES));
  const status = await run([0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24], { dataInBytes: 24 });
  // One run over all of the disk, deallocated.
  expect([...status.dataIn.subarray(16)]).toEqual([0, 0, 0x08, 0, 1, 0, 0, 0]);
  const kept = new Uint8Array(data.length);
  await pool.snapshotUnit('disk', 'before').device.read({ lba: 0, blocks: 16 } as BlockRange, kept);
  expect(kept).toEqual(data);
  expect((await pool.check({ data: true })).errors).toEqual([]);
});
