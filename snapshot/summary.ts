/**
 * Which pages of an image's redirect table have entries, all in memory: the answer "nothing here" costs no
 * load, for resolving through a thousand images and for finding the trackers a write concerns. A chunk stands
 * for 16,384 pages (16 GiB of a VLUN): a sorted list of 16-bit numbers while few pages have entries, a bitmap
 * of 2 KiB from 512 on.
 *
 * Stored form of a chunk, little-endian:
 *
 *     0  u32  checksum of everything behind it
 *     4  u8   version, 1
 *     5  u8   0 list, 1 bitmap
 *     6  u16  count of pages, 1 … 16,384
 *     8  u32  image
 *    12  u32  chunk
 *    16  count × u16 ascending, or 2,048 bytes: bit b of byte i stands for page 8 i + b
 */
import { StoreError } from '../lun/errors.ts';
import type { Checksum } from './checksum.ts';
import type { TrackedItem } from './copy-on-change.ts';

/** Pages that one chunk covers. */
export const CHUNK_PAGES = 16_384;
const BITMAP_BYTES = CHUNK_PAGES / 8;
/** A list grows into a bitmap at this count, and shrinks back to a list at half of it. */
const LIST_PAGES_MAX = 512;
const LIST_BEGIN = 4;
const VERSION = 1;
const HEADER_BYTES = 16;
const FORM_LIST = 0;
const FORM_BITMAP = 1;

export interface ChunkName {
  readonly image: number;
  readonly chunk: number;
}

export class SummaryChunk implements TrackedItem {
  readonly image: number;
  readonly chunk: number;
  /** Pages that have entries. */
  count = 0;
  changedIn = 0;
  encodedIn = 0;
  #list: Uint16Array | undefined = new Uint16Array(LIST_BEGIN);
  #bitmap: Uint8Array | undefined;

  constructor(name: ChunkName) {
    this.image = name.image;
    this.chunk = name.chunk;
  }

  /** `page` counts from the chunk's first: 0 … 16,383, here and below. */
  has(page: number): boolean {
    if (this.#bitmap !== undefined) return ((this.#bitmap[page >>> 3] as number) & (1 << (page & 7))) !== 0;
    const at = this.#position(page);
    return at < this.count && this.#list?.[at] === page;
  }

  /** A page that was not in the chunk. */
  add(page: number): void {
    if (this.#bitmap === undefined && this.count >= LIST_PAGES_MAX) this.#toBitmap();
    if (this.#bitmap !== undefined) {
      const at = page >>> 3;
      this.#bitmap[at] = (this.#bitmap[at] as number) | (1 << (page & 7));
    } else {
      this.#insert(page);
    }
    this.count += 1;
  }

  /** A page that was in the chunk. */
  delete(page: number): void {
    this.count -= 1;
    if (this.#bitmap !== undefined) {
      const at = page >>> 3;
      this.#bitmap[at] = (this.#bitmap[at] as number) & ~(1 << (page & 7));
      if (this.count <= LIST_PAGES_MAX / 2) this.#toList();
      return;
    }
    const list = this.#list as Uint16Array;
    list.copyWithin(this.#position(page), this.#position(page) + 1, this.count + 1);
  }

  /** Adds the pages from `from` on to `into`, ascending, until that has `limit`; each counted from `base`. */
  collect(into: number[], options: { from: number; limit: number; base: number }): void {
    const bitmap = this.#bitmap;
    if (bitmap === undefined) {
      for (let at = this.#position(options.from); at < this.count && into.length < options.limit; at += 1) {
        into.push(options.base + (this.#list?.[at] as number));
      }
      return;
    }
    for (let page = options.from; page < CHUNK_PAGES && into.length < options.limit; page += 1) {
      const bits = bitmap[page >>> 3] as number;
      if (bits === 0) page |= 7;
      else if ((bits & (1 << (page & 7))) !== 0) into.push(options.base + page);
    }
  }

  copy(): SummaryChunk {
    const copy = new SummaryChunk(this);
    copy.count = this.count;
    copy.#list = this.#list?.slice();
    copy.#bitmap = this.#bitmap?.slice();
    return copy;
  }

  encode(checksum: Checksum): Uint8Array {
    const bodyBytes = this.#bitmap === undefined ? this.count * 2 : BITMAP_BYTES;
    const bytes = new Uint8Array(HEADER_BYTES + bodyBytes);
    const view = new DataView(bytes.buffer);
    view.setUint8(4, VERSION);
    view.setUint8(5, this.#bitmap === undefined ? FORM_LIST : FORM_BITMAP);
    view.setUint16(6, this.count, true);
    view.setUint32(8, this.image, true);
    view.setUint32(12, this.chunk, true);
    if (this.#bitmap !== undefined) bytes.set(this.#bitmap, HEADER_BYTES);
    for (let at = 0; this.#bitmap === undefined && at < this.count; at += 1) {
      view.setUint16(HEADER_BYTES + at * 2, this.#list?.[at] as number, true);
    }
    view.setUint32(0, checksum(bytes.subarray(4)), true);
    return bytes;
  }

  /** The chunk stored under `name`; anything else in `bytes` is the store error CORRUPT. */
  static decode(bytes: Uint8Array, name: ChunkName, checksum: Checksum): SummaryChunk {
    const chunk = new SummaryChunk(name);
    const fault = chunk.#decode(bytes, checksum);
    if (fault === undefined) return chunk;
    const what = `Summary chunk ${name.chunk} of image ${name.image}`;
    throw new StoreError('CORRUPT', `${what} is damaged: ${fault}.`);
  }

  #decode(bytes: Uint8Array, checksum: Checksum): string | undefined {
    if (bytes.byteLength < HEADER_BYTES) return `it has ${bytes.byteLength} bytes`;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (checksum(bytes.subarray(4)) !== view.getUint32(0, true)) return 'its checksum is wrong';
    if (view.getUint8(4) !== VERSION) return `its version is ${view.getUint8(4)}`;
    if (view.getUint32(8, true) !== this.image || view.getUint32(12, true) !== this.chunk)
      return 'it is another';
    const count = view.getUint16(6, true);
    if (view.getUint8(5) === FORM_BITMAP) return this.#decodeBitmap(bytes.subarray(HEADER_BYTES), count);
    if (view.getUint8(5) !== FORM_LIST) return 'its form is unknown';
    if (bytes.byteLength !== HEADER_BYTES + count * 2 || count > LIST_PAGES_MAX) return 'its count is wrong';
    this.#list = new Uint16Array(Math.max(count, LIST_BEGIN));
    for (let at = 0; at < count; at += 1) {
      const page = view.getUint16(HEADER_BYTES + at * 2, true);
      if (page >= CHUNK_PAGES || (at > 0 && page <= (this.#list[at - 1] as number)))
        return 'its list is out of order';
      this.#list[at] = page;
    }
    this.count = count;
    return undefined;
  }

  #decodeBitmap(bitmap: Uint8Array, count: number): string | undefined {
    if (bitmap.byteLength !== BITMAP_BYTES) return 'its bitmap is cut short';
    let found = 0;
    for (const byte of bitmap) for (let bits = byte; bits !== 0; bits &= bits - 1) found += 1;
    if (found !== count) return 'its count is wrong';
    this.#list = undefined;
    this.#bitmap = bitmap.slice();
    this.count = count;
    return undefined;
  }

  /** Where `page` is in the list, or would be. */
  #position(page: number): number {
    const list = this.#list as Uint16Array;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((list[middle] as number) < page) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #insert(page: number): void {
    let list = this.#list as Uint16Array;
    if (this.count === list.length) {
      const longer = new Uint16Array(list.length * 2);
      longer.set(list);
      this.#list = longer;
      list = longer;
    }
    const at = this.#position(page);
    list.copyWithin(at + 1, at, this.count);
    list[at] = page;
  }

  #toBitmap(): void {
    const bitmap = new Uint8Array(BITMAP_BYTES);
    for (let at = 0; at < this.count; at += 1) {
      const page = this.#list?.[at] as number;
      bitmap[page >>> 3] = (bitmap[page >>> 3] as number) | (1 << (page & 7));
    }
    this.#bitmap = bitmap;
    this.#list = undefined;
  }

  #toList(): void {
    const pages: number[] = [];
    this.collect(pages, { from: 0, limit: CHUNK_PAGES, base: 0 });
    this.#list = Uint16Array.from(
      { length: Math.max(LIST_PAGES_MAX, pages.length) },
      (_, at) => pages[at] ?? 0,
    );
    this.#bitmap = undefined;
  }
}
