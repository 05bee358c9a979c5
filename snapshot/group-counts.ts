/**
 * How many places of each allocator group are referenced, and how many can be given away: always in memory,
 * so that no group is loaded to learn that it is full. A chunk stands for 1,024 groups (64 GiB of data).
 *
 * Stored form, little-endian: u32 checksum of everything behind it, u8 version (1), 3 zero, u32 chunk, 4
 * zero, then 1,024 × u16 count of references.
 */
import { StoreError } from '../lun/errors.ts';
import type { Checksum } from './checksum.ts';
import type { TrackedItem } from './copy-on-change.ts';

/** Groups of one chunk. */
export const CHUNK_GROUPS = 1024;
const HEADER_BYTES = 16;
const VERSION = 1;

export class GroupCounts implements TrackedItem {
  readonly chunk: number;
  readonly referenced = new Uint16Array(CHUNK_GROUPS);
  /** Places neither referenced nor busy. Not stored. */
  readonly free = new Uint16Array(CHUNK_GROUPS);
  /** The sum of `free`. */
  freeBlocks = 0;
  changedIn = 0;
  encodedIn = 0;

  constructor(chunk: number) {
    this.chunk = chunk;
  }

  /** What a checkpoint needs of the chunk. */
  copy(): GroupCounts {
    const copy = new GroupCounts(this.chunk);
    copy.referenced.set(this.referenced);
    return copy;
  }

  /** The stored form; undefined when no place is referenced. */
  encode(checksum: Checksum): Uint8Array | undefined {
    if (this.referenced.every((count) => count === 0)) return undefined;
    const bytes = new Uint8Array(HEADER_BYTES + CHUNK_GROUPS * 2);
    const view = new DataView(bytes.buffer);
    view.setUint8(4, VERSION);
    view.setUint32(8, this.chunk, true);
    for (let at = 0; at < CHUNK_GROUPS; at += 1) {
      view.setUint16(HEADER_BYTES + at * 2, this.referenced[at] as number, true);
    }
    view.setUint32(0, checksum(bytes.subarray(4)), true);
    return bytes;
  }

  /** The chunk stored under this number; anything else in `bytes` is the store error CORRUPT. */
  static decode(bytes: Uint8Array, chunk: number, checksum: Checksum): GroupCounts {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const sound =
      bytes.byteLength === HEADER_BYTES + CHUNK_GROUPS * 2 &&
      checksum(bytes.subarray(4)) === view.getUint32(0, true) &&
      view.getUint8(4) === VERSION &&
      view.getUint32(8, true) === chunk;
    if (!sound) throw new StoreError('CORRUPT', `Chunk ${chunk} of the allocator's counts is damaged.`);
    const counts = new GroupCounts(chunk);
    for (let at = 0; at < CHUNK_GROUPS; at += 1) {
      counts.referenced[at] = view.getUint16(HEADER_BYTES + at * 2, true);
    }
    return counts;
  }
}
