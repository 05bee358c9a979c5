/**
 * The records of the journal. Each proves itself by a checksum and names its predecessor by that one's, so a
 * journal is a chain: what stands behind a wrong record is not part of it, and the remains of an older life
 * never fit on. Sequences ascend by one for the whole life of a pool; epochs say which opening of the pool
 * wrote the record.
 *
 * Header, little-endian, 32 bytes:
 *
 *     0  u32  magic, "SLJR"
 *     4  u32  checksum of everything behind it, padding included
 *     8  u32  bytes of the whole record, a multiple of 8
 *    12  u32  checksum of the predecessor
 *    16  u64  sequence
 *    24  u32  epoch
 *    28  u16  kind
 *    30  u16  flags, zero
 *
 * Payloads, padded with zeroes to 8 bytes:
 *
 *     WRITE       u32 count of extents, u32 count of sums; the extents, 32 bytes; the sums, u32 each, one
 *                 for every block of the `write`, `patch`, `share` and `move` extents in their order
 *                 extent: u8 kind, 3 zero, u32 vlun, u64 block, u64 place, u32 blocks, 4 zero
 *     STRUCTURE   u32 bytes of the text, 4 zero; the text, JSON in UTF-8
 *     MARK        u64 sequence: every record up to it, and the data of those, is flushed
 *     SEGMENT     16 bytes, identity of the pool: the first record of an opening's journal
 *     CHECKPOINT  u64 sequence that a checkpoint covers
 */
import assert from 'node:assert';
import type { Checksum } from './checksum.ts';

/** "SLJR" as the bytes stand. */
export const RECORD_MAGIC = 0x524a4c53;
export const RECORD_HEADER_BYTES = 32;
export const EXTENT_BYTES = 32;
/** A record is at most this long; a length above is damage. */
export const RECORD_BYTES_MAX = 0x4000_0000;

export const RECORD_KINDS = { write: 1, structure: 2, mark: 3, segment: 4, checkpoint: 5 } as const;

/**
 * `write`, `hole`: whole blocks changed through that VLUN; trackers below lose their entries (SYSTEM.md P5).
 * `patch`, `patch-hole`: a block merged for a partial write; trackers keep theirs (P11).
 * `reclaim`: page `block` of the dropped image `vlun` was released; no blocks, no place.
 * `merge`: page `block` of the hidden image `vlun` went into its only child, image `place`; no blocks.
 * `share`: as `write`, but the places have entries already, and each gets one more.
 * `sweep`: page `block` of the hidden image `vlun` lost what all its children override; no blocks, no place.
 * `move`: the same bytes, which the live image of `vlun` has already, at other places; nobody reads anything else.
 */
export const EXTENT_KINDS = {
  write: 1,
  patch: 2,
  hole: 3,
  'patch-hole': 4,
  reclaim: 5,
  merge: 6,
  sweep: 7,
  share: 8,
  move: 9,
} as const;
export type ExtentKind = keyof typeof EXTENT_KINDS;

export interface Extent {
  readonly kind: ExtentKind;
  readonly vlun: number;
  /** First pool block within the VLUN. */
  readonly block: number;
  readonly blocks: number;
  /** Place of the first block; 0 where the kind has none. */
  readonly place: number;
}

export interface WriteBody {
  readonly kind: 'write';
  readonly extents: readonly Extent[];
  /** The checksum of each block, in the order of the extents that have sums. */
  readonly sums: Uint32Array;
}

export type RecordBody =
  | WriteBody
  | { readonly kind: 'structure'; readonly json: unknown }
  | { readonly kind: 'mark'; readonly flushedSequence: number }
  | { readonly kind: 'segment' /** 32 hexadecimal digits. */; readonly pool: string }
  | { readonly kind: 'checkpoint'; readonly sequence: number };

/** Work of the background on a page of an image, not on blocks of a VLUN. */
export function ofImage({ kind }: Extent): boolean {
  return kind === 'reclaim' || kind === 'merge' || kind === 'sweep';
}

/** Whether extents of this kind have a place, and a sum for each block. */
export function hasSums(kind: ExtentKind): boolean {
  return kind === 'share' || hasData(kind);
}

/** Whether their record came with data of its own, written before it. */
export function hasData(kind: ExtentKind): boolean {
  return kind === 'write' || kind === 'patch' || kind === 'move';
}

/** Bytes of a record with a payload of so many. */
export function recordBytes(payloadBytes: number): number {
  return RECORD_HEADER_BYTES + Math.ceil(payloadBytes / 8) * 8;
}

/** Bytes of a WRITE record. */
export function writeRecordBytes(extentCount: number, sumCount: number): number {
  return recordBytes(8 + extentCount * EXTENT_BYTES + sumCount * 4);
}

const BUFFER_BEGIN_BYTES = 64 * 1024;
const TWO_32 = 2 ** 32;
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

export interface EncoderStart {
  readonly checksum: Checksum;
  /** Sequence and checksum of the last record that stands; both 0 for the first of a pool. */
  readonly sequence: number;
  readonly previous: number;
  /** The present opening of the pool. */
  readonly epoch: number;
}

/**
 * Writes records one behind the other into one buffer that is used again and again, so that a batch of
 * commands is one append. Nothing is allocated for a record but where the buffer must grow.
 */
export class RecordEncoder {
  readonly #checksum: Checksum;
  readonly #epoch: number;
  #sequence: number;
  #previous: number;
  #bytes = new Uint8Array(BUFFER_BEGIN_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  constructor(start: EncoderStart) {
    this.#checksum = start.checksum;
    this.#sequence = start.sequence;
    this.#previous = start.previous;
    this.#epoch = start.epoch;
  }

  /** Sequence of the last record written. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Checksum of the last record written. */
  get previous(): number {
    return this.#previous;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Bytes written since the last `clear`. */
  get byteLength(): number {
    return this.#at;
  }

  /** The records written since the last `clear`, which also ends the life of this view. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /** Begins a new batch in the same buffer. */
  clear(): void {
    this.#at = 0;
  }

  /**
   * A WRITE; `sums` has one for every block of the extents with sums. Returns its sequence, as all of these
   * do.
   */
  write(extents: readonly Extent[], sums: ArrayLike<number>): number {
    const begin = this.#begin(writeRecordBytes(extents.length, sums.length));
    const view = this.#view;
    let at = begin + RECORD_HEADER_BYTES;
    view.setUint32(at, extents.length, true);
    view.setUint32(at + 4, sums.length, true);
    at += 8;
    let blocks = 0;
    for (const extent of extents) {
      if (hasSums(extent.kind)) blocks += extent.blocks;
      this.#putExtent(at, extent);
      at += EXTENT_BYTES;
    }
    if (blocks !== sums.length) assert.fail('a record has one sum for each block with a place');
    at = this.#putSums(at, sums);
    return this.#end(begin, at, RECORD_KINDS.write);
  }

  /** A STRUCTURE: after-images of catalogue objects and documents, as JSON. */
  structure(json: unknown): number {
    const text = new TextEncoder().encode(JSON.stringify(json));
    const begin = this.#begin(recordBytes(8 + text.byteLength));
    this.#view.setUint32(begin + RECORD_HEADER_BYTES, text.byteLength, true);
    this.#view.setUint32(begin + RECORD_HEADER_BYTES + 4, 0, true);
    this.#bytes.set(text, begin + RECORD_HEADER_BYTES + 8);
    return this.#end(begin, begin + RECORD_HEADER_BYTES + 8 + text.byteLength, RECORD_KINDS.structure);
  }

  /** A MARK: every record up to `flushedSequence`, and its data, is flushed. */
  mark(flushedSequence: number): number {
    return this.#numbered(RECORD_KINDS.mark, flushedSequence);
  }

  /** A CHECKPOINT note: what is stored elsewhere covers every record up to `sequence`. */
  checkpoint(sequence: number): number {
    return this.#numbered(RECORD_KINDS.checkpoint, sequence);
  }

  /** A SEGMENT: the journal of an opening begins; `pool` is the pool's identity, 32 hexadecimal digits. */
  segment(pool: string): number {
    assert(/^[0-9a-f]{32}$/.test(pool), 'the identity of a pool is 32 hexadecimal digits');
    const begin = this.#begin(recordBytes(16));
    const at = begin + RECORD_HEADER_BYTES;
    for (let index = 0; index < 16; index += 1) {
      this.#bytes[at + index] = Number.parseInt(pool.slice(index * 2, index * 2 + 2), 16);
    }
    return this.#end(begin, at + 16, RECORD_KINDS.segment);
  }

  #numbered(kind: number, value: number): number {
    const begin = this.#begin(recordBytes(8));
    this.#putU64(begin + RECORD_HEADER_BYTES, value);
    return this.#end(begin, begin + RECORD_HEADER_BYTES + 8, kind);
  }

  #putExtent(at: number, extent: Extent): void {
    const view = this.#view;
    view.setUint32(at, EXTENT_KINDS[extent.kind], true);
    view.setUint32(at + 4, extent.vlun, true);
    this.#putU64(at + 8, extent.block);
    this.#putU64(at + 16, extent.place);
    view.setUint32(at + 24, extent.blocks, true);
    view.setUint32(at + 28, 0, true);
  }

  /** Returns where they end. Copies are long, so their sums go as one piece where the form allows it. */
  #putSums(at: number, sums: ArrayLike<number>): number {
    if (sums instanceof Uint32Array && LITTLE_ENDIAN) {
      new Uint32Array(this.#bytes.buffer, at, sums.length).set(sums);
      return at + sums.length * 4;
    }
    for (let index = 0; index < sums.length; index += 1) {
      this.#view.setUint32(at + index * 4, sums[index] as number, true);
    }
    return at + sums.length * 4;
  }

  #putU64(at: number, value: number): void {
    this.#view.setUint32(at, value % TWO_32, true);
    this.#view.setUint32(at + 4, value / TWO_32, true);
  }

  /** Room for a record; returns where it begins. */
  #begin(whole: number): number {
    assert(whole <= RECORD_BYTES_MAX);
    const begin = this.#at;
    if (begin + whole > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.max(this.#bytes.byteLength * 2, begin + whole));
      larger.set(this.#bytes.subarray(0, begin));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#at = begin + whole;
    return begin;
  }

  /** Pads from `payloadEnd` on, writes the header and links the record. */
  #end(begin: number, payloadEnd: number, kind: number): number {
    const view = this.#view;
    this.#bytes.fill(0, payloadEnd, this.#at);
    this.#sequence += 1;
    view.setUint32(begin, RECORD_MAGIC, true);
    view.setUint32(begin + 8, this.#at - begin, true);
    view.setUint32(begin + 12, this.#previous, true);
    this.#putU64(begin + 16, this.#sequence);
    view.setUint32(begin + 24, this.#epoch, true);
    view.setUint32(begin + 28, kind, true);
    this.#previous = this.#checksum(this.#bytes.subarray(begin + 8, this.#at));
    view.setUint32(begin + 4, this.#previous, true);
    return this.#sequence;
  }
}
