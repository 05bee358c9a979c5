/** The little-endian numbers of FORMAT.md, and where they cannot be read. */
import type { Checksum } from './checksum.ts';

const TWO_32 = 2 ** 32;

export class Fields {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(at: number): number {
    return this.#view.getUint8(at);
  }

  u16(at: number): number {
    return this.#view.getUint16(at, true);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  u40(at: number): number {
    return this.u32(at) + this.u8(at + 4) * TWO_32;
  }

  /** Exact up to 2^53. */
  u64(at: number): number {
    return this.u32(at) + this.u32(at + 4) * TWO_32;
  }

  /** Is the first word the checksum of everything behind it? */
  sealed(checksum: Checksum): boolean {
    return this.bytes.byteLength >= 5 && this.u32(0) === checksum(this.bytes.subarray(4));
  }
}

/** A big-endian number in a key. */
export function keyNumber(key: Uint8Array, at: number, byteCount: number): number {
  let value = 0;
  for (let i = 0; i < byteCount; i += 1) value = value * 256 + (key[at + i] ?? 0);
  return value;
}

export function hasBit(bitmap: Uint8Array, bit: number): boolean {
  return ((bitmap[bit >>> 3] ?? 0) & (1 << (bit & 7))) !== 0;
}
