import { describe, expect, test } from 'vitest';
import type { BlockDevice } from '../../lun/block-device.ts';
import type { BlockRange, Blocks, Lba } from '../../lun/units.ts';
import { seededRandom } from './random.ts';

/** What a device under the contract may be asked for. */
export interface ContractDevice {
  readonly device: BlockDevice;
  close?(): Promise<void> | void;
}

const cached = { fua: false };
const durable = { fua: true };

export function range(lba: number, blocks: number): BlockRange {
  return { lba: lba as Lba, blocks: blocks as Blocks };
}

function filled(device: BlockDevice, blocks: number, byte: number): Uint8Array {
  return new Uint8Array(blocks * device.geometry.blockBytes).fill(byte);
}

async function readBack(device: BlockDevice, lba: number, blocks: number): Promise<Uint8Array> {
  const into = filled(device, blocks, 0xee);
  await device.read(range(lba, blocks), into);
  return into;
}

async function mappedBlocks(device: BlockDevice, lba: number, blocks: number): Promise<number[]> {
  const found: number[] = [];
  let at = lba;
  while (at < lba + blocks) {
    const runs = await device.allocation(range(at, lba + blocks - at), 8);
    expect(runs.length).toBeGreaterThan(0);
    for (const run of runs) {
      expect(run.lba).toBe(at);
      expect(run.blocks).toBeGreaterThan(0);
      if (run.mapped) for (let i = 0; i < run.blocks; i += 1) found.push(at + i);
      at += run.blocks;
    }
  }
  expect(at).toBe(lba + blocks);
  return found;
}

/**
 * What every block device does, whatever stores it. `open` gives a new, empty, thin device of at
 * least 1,024 logical blocks; run it once per logical block size the device offers.
 */
export function blockDeviceContract(
  name: string,
  open: () => Promise<ContractDevice> | ContractDevice,
): void {
  const withDevice = (title: string, body: (device: BlockDevice) => Promise<void>): void => {
    test(title, async () => {
      const opened = await open();
      try {
        await body(opened.device);
      } finally {
        await opened.close?.();
      }
    });
  };

  describe(`${name} keeps the block device contract`, () => {
    withDevice('blocks never written read as zeroes', async (device) => {
      expect(await readBack(device, 7, 3)).toEqual(filled(device, 3, 0));
    });

    withDevice('what was written is read, and its neighbours stay', async (device) => {
      await device.write(range(10, 5), filled(device, 5, 0xa5), cached);
      await device.write(range(12, 1), filled(device, 1, 0x5a), durable);
      expect(await readBack(device, 9, 1)).toEqual(filled(device, 1, 0));
      expect(await readBack(device, 10, 2)).toEqual(filled(device, 2, 0xa5));
      expect(await readBack(device, 12, 1)).toEqual(filled(device, 1, 0x5a));
      expect(await readBack(device, 13, 2)).toEqual(filled(device, 2, 0xa5));
      expect(await readBack(device, 15, 1)).toEqual(filled(device, 1, 0));
    });

    withDevice('the first and the last block can be written', async (device) => {
      const last = device.geometry.capacityBlocks - 1;
      await device.write(range(0, 1), filled(device, 1, 1), cached);
      await device.write(range(last, 1), filled(device, 1, 2), cached);
      expect(await readBack(device, 0, 1)).toEqual(filled(device, 1, 1));
      expect(await readBack(device, last, 1)).toEqual(filled(device, 1, 2));
    });

    withDevice('a written buffer is free to change once the write completed', async (device) => {
      const from = filled(device, 2, 3);
      await device.write(range(0, 2), from, cached);
      from.fill(0x77);
      expect(await readBack(device, 0, 2)).toEqual(filled(device, 2, 3));
    });

    withDevice('ranges of zero blocks do nothing', async (device) => {
      await device.read(range(device.geometry.capacityBlocks, 0), new Uint8Array(0));
      await device.write(range(0, 0), new Uint8Array(0), cached);
      await device.unmap([], cached);
      await device.unmap([range(4, 0)], cached);
      expect(await mappedBlocks(device, 0, 16)).toEqual([]);
    });

    withDevice('unmapped blocks read as zeroes, all ranges of one call', async (device) => {
      await device.write(range(0, 64), filled(device, 64, 9), cached);
      await device.unmap([range(1, 1), range(8, 16), range(63, 1)], cached);
      expect(await readBack(device, 0, 1)).toEqual(filled(device, 1, 9));
      expect(await readBack(device, 1, 1)).toEqual(filled(device, 1, 0));
      expect(await readBack(device, 2, 6)).toEqual(filled(device, 6, 9));
      expect(await readBack(device, 8, 16)).toEqual(filled(device, 16, 0));
      expect(await readBack(device, 24, 39)).toEqual(filled(device, 39, 9));
      expect(await readBack(device, 63, 1)).toEqual(filled(device, 1, 0));
    });

    withDevice('write same stores its pattern in every block, zeroes too', async (device) => {
      const pattern = seededRandom(5).bytes(device.geometry.blockBytes);
      await device.writeSame(range(3, 20), pattern, cached);
      for (const lba of [3, 11, 22]) expect(await readBack(device, lba, 1)).toEqual(pattern);
      expect(await readBack(device, 2, 1)).toEqual(filled(device, 1, 0));
      expect(await readBack(device, 23, 1)).toEqual(filled(device, 1, 0));
      await device.writeSame(range(4, 2), filled(device, 1, 0), durable);
      expect(await readBack(device, 3, 1)).toEqual(pattern);
      expect(await readBack(device, 4, 2)).toEqual(filled(device, 2, 0));
      expect(await readBack(device, 6, 1)).toEqual(pattern);
    });

    withDevice('compare and write stores on equality and names the first difference', async (device) => {
      await device.write(range(5, 2), filled(device, 2, 1), cached);
      const { blockBytes } = device.geometry;
      const wrong = filled(device, 2, 1);
      wrong[blockBytes + 3] = 0;
      const first = await device.compareAndWrite(range(5, 2), wrong, filled(device, 2, 2), cached);
      expect(first).toBe(blockBytes + 3);
      expect(await readBack(device, 5, 2)).toEqual(filled(device, 2, 1));
      const second = await device.compareAndWrite(
        range(5, 2),
        filled(device, 2, 1),
        filled(device, 2, 2),
        durable,
      );
      expect(second).toBeUndefined();
      expect(await readBack(device, 5, 2)).toEqual(filled(device, 2, 2));
    });

    withDevice('allocation runs cover the range in order and tell written blocks', async (device) => {
      const unit = 4096 / device.geometry.blockBytes;
      await device.write(range(2 * unit, unit), filled(device, unit, 1), cached);
      await device.write(range(8 * unit, 2 * unit), filled(device, 2 * unit, 1), cached);
      const expected: number[] = [];
      for (const pool of [2, 8, 9]) for (let i = 0; i < unit; i += 1) expected.push(pool * unit + i);
      expect(await mappedBlocks(device, 0, 16 * unit)).toEqual(expected);
      await device.unmap([range(8 * unit, unit)], cached);
      expect(await mappedBlocks(device, 8 * unit, unit)).toEqual([]);
    });

    withDevice('a flush completes', async (device) => {
      await device.write(range(0, 1), filled(device, 1, 1), cached);
      await device.flush();
      expect(await readBack(device, 0, 1)).toEqual(filled(device, 1, 1));
    });

    withDevice('a random history reads as a plain model does', (device) => randomHistory(device, 0x5eed));
  });
}

const MODEL_BLOCKS = 256;

async function randomHistory(device: BlockDevice, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const { blockBytes } = device.geometry;
  const model = new Uint8Array(MODEL_BLOCKS * blockBytes);
  for (let step = 0; step < 300; step += 1) {
    const lba = random.below(MODEL_BLOCKS);
    const blocks = random.between(1, Math.min(24, MODEL_BLOCKS - lba));
    const place = model.subarray(lba * blockBytes, (lba + blocks) * blockBytes);
    const options = random.chance(0.1) ? durable : cached;
    switch (random.below(4)) {
      case 0: {
        const from = random.bytes(blocks * blockBytes);
        await device.write(range(lba, blocks), from, options);
        place.set(from);
        break;
      }
      case 1:
        await device.unmap([range(lba, blocks)], options);
        place.fill(0);
        break;
      case 2: {
        const byte = random.below(256);
        await device.writeSame(range(lba, blocks), filled(device, 1, byte), options);
        place.fill(byte);
        break;
      }
      default: {
        const read = await readBack(device, lba, blocks);
        expect(Buffer.compare(read, place), `seed ${seed} step ${step} lba ${lba}`).toBe(0);
      }
    }
  }
  const all = await readBack(device, 0, MODEL_BLOCKS);
  expect(Buffer.compare(all, model), `seed ${seed} at the end`).toBe(0);
}
