import type { DeviceRange, WriteOptions } from './block-device.ts';
import type { BlockRange } from './units.ts';

/** Bytes read and written at once: a multiple of every logical block. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Makes `to` hold what `from` holds, which is as long in bytes: by reference where the devices can, else by
 * reading and writing, piece by piece. Where both are one device and overlap, the result is as if all had
 * been read first. Fails with the `StoreError` of either side.
 */
export async function copyBlocks(to: DeviceRange, from: DeviceRange, options: WriteOptions): Promise<void> {
  const shared = to.device.copyFrom?.(to.range, from, options);
  if ((await shared) === true) return;
  const { blockBytes } = to.device.geometry;
  const bytes = to.range.blocks * blockBytes;
  const backwards = to.device === from.device && from.range.lba < to.range.lba;
  for (let done = 0; done < bytes; ) {
    const count = Math.min(CHUNK_BYTES, bytes - done);
    const at = backwards ? bytes - done - count : done;
    const contents = new Uint8Array(count);
    await from.device.read(portion(from, at, count), contents);
    await to.device.write(portion(to, at, count), contents, options);
    done += count;
  }
}

function portion({ device, range }: DeviceRange, offsetBytes: number, bytes: number): BlockRange {
  const { blockBytes } = device.geometry;
  return { lba: range.lba + offsetBytes / blockBytes, blocks: bytes / blockBytes } as BlockRange;
}
