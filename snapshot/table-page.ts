/**
 * A page of a redirect table: where the 256 blocks of one mebibyte of an image are stored. In memory a page
 * is two typed arrays, whole whatever is in it, so that resolving a block is one read of each. Stored, it
 * holds only what is there: a bitmap of the blocks present and nine bytes for each of them, so that a page
 * with one entry takes 58 bytes and a full one 2,353, well under what the medium stores in one piece.
 *
 * Stored form, little-endian:
 *
 *     0  u32  checksum of everything behind it
 *     4  u8   version, 1
 *     5  u8   zero
 *     6  u16  count of entries, 1 … 256
 *     8  u32  image
 *    12  u40  page
 *    17  32 bytes  bitmap: bit b of byte i stands for block 8 i + b
 *    49  count × { u40 place, u32 sum }, ascending by block
 */
import { StoreError } from '../lun/errors.ts';
import type { Checksum } from './checksum.ts';
import type { TrackedItem } from './copy-on-change.ts';

/** Pool blocks that one page covers. */
export const PAGE_BLOCKS = 256;
/** A value of `places`: the block is not stored in this image. */
export const ABSENT = 0;
/** A value of `places`: zeroes here, although something below may have data. */
export const HOLE = 1;
/** Places of the data space from here on hold data; the two below are never allocated. */
export const FIRST_DATA_PLACE = 2;

const VERSION = 1;
const BITMAP_OFFSET = 17;
const BITMAP_BYTES = PAGE_BLOCKS / 8;
const ENTRIES_OFFSET = BITMAP_OFFSET + BITMAP_BYTES;
const ENTRY_BYTES = 9;
const TWO_32 = 2 ** 32;

/** Bytes of the longest stored page. */
export const PAGE_BYTES_MAX = ENTRIES_OFFSET + PAGE_BLOCKS * ENTRY_BYTES;

/** What a resident page is reckoned to take: its arrays (3,072 bytes) and the objects around them. */
export const PAGE_RESIDENT_BYTES = 3584;

export interface PageName {
  readonly image: number;
  /** Number of the page: pool block / 256. */
  readonly page: number;
}

export class TablePage implements TrackedItem {
  readonly image: number;
  readonly page: number;
  /** ABSENT, HOLE or the place of the data, for each block. Changed by the `TableStore` alone. */
  readonly places: Float64Array;
  /** The checksum of the stored block, where there is one. */
  readonly sums: Uint32Array;
  /** Blocks that are not absent. */
  entries = 0;
  /** Blocks that have a place. */
  data = 0;
  changedIn = 0;
  encodedIn = 0;
  /** While above 0 the page is not evicted. */
  pins = 0;
  /** Neighbours in the cache's list of clean pages; undefined while in none. */
  newer: TablePage | undefined = undefined;
  older: TablePage | undefined = undefined;

  constructor(name: PageName) {
    this.image = name.image;
    this.page = name.page;
    const memory = new ArrayBuffer(PAGE_BLOCKS * 12);
    this.places = new Float64Array(memory, 0, PAGE_BLOCKS);
    this.sums = new Uint32Array(memory, PAGE_BLOCKS * 8, PAGE_BLOCKS);
  }

  /** The same entries in a page of its own. */
  copy(): TablePage {
    const copy = new TablePage(this);
    copy.places.set(this.places);
    copy.sums.set(this.sums);
    copy.entries = this.entries;
    copy.data = this.data;
    return copy;
  }
}

/** Bytes that many stored forms share: an allocation for each of them would cost more than to write it. */
const SLAB_BYTES = 128 * 1024;

let slab = new Uint8Array(0);
let slabUsedBytes = 0;

/** The stored form. It may share its memory with that of other pages. */
export function encodePage(page: TablePage, checksum: Checksum): Uint8Array {
  const byteCount = ENTRIES_OFFSET + page.entries * ENTRY_BYTES;
  if (slabUsedBytes + byteCount > slab.byteLength) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsedBytes = 0;
  }
  const bytes = slab.subarray(slabUsedBytes, slabUsedBytes + byteCount);
  slabUsedBytes += byteCount;
  writeHeader(bytes, page);
  writeEntries(bytes, page);
  putU32(bytes, 0, checksum(bytes.subarray(4)));
  return bytes;
}

function writeEntries(bytes: Uint8Array, page: TablePage): void {
  const { places, sums } = page;
  let at = ENTRIES_OFFSET;
  for (let block = 0; block < PAGE_BLOCKS; block += 1) {
    const place = places[block] as number;
    if (place === ABSENT) continue;
    const bitmapAt = BITMAP_OFFSET + (block >>> 3);
    bytes[bitmapAt] = (bytes[bitmapAt] as number) | (1 << (block & 7));
    putU32(bytes, at, place >>> 0);
    bytes[at + 4] = place / TWO_32;
    putU32(bytes, at + 5, sums[block] as number);
    at += ENTRY_BYTES;
  }
}

function writeHeader(bytes: Uint8Array, page: TablePage): void {
  bytes[4] = VERSION;
  bytes[6] = page.entries & 0xff;
  bytes[7] = page.entries >>> 8;
  putU32(bytes, 8, page.image);
  putU32(bytes, 12, page.page >>> 0);
  bytes[16] = page.page / TWO_32;
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function u32At(bytes: Uint8Array, at: number): number {
  const high = (bytes[at + 3] as number) * 0x1000000;
  return (
    high + (((bytes[at + 2] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at] as number))
  );
}

function u40At(bytes: Uint8Array, at: number): number {
  return u32At(bytes, at) + (bytes[at + 4] as number) * TWO_32;
}

/**
 * The page that was stored under `name`. Anything else in `bytes` is the store error CORRUPT, naming image
 * and page.
 */
export function decodePage(bytes: Uint8Array, name: PageName, checksum: Checksum): TablePage {
  const fault = headerFault(bytes, name, checksum);
  if (fault !== undefined) throw corruptPage(name, fault);
  const page = new TablePage(name);
  let at = ENTRIES_OFFSET;
  for (let block = 0; block < PAGE_BLOCKS; block += 1) {
    if (((bytes[BITMAP_OFFSET + (block >>> 3)] as number) & (1 << (block & 7))) === 0) continue;
    if (at + ENTRY_BYTES > bytes.byteLength)
      throw corruptPage(name, 'it holds fewer entries than its bitmap');
    const place = u40At(bytes, at);
    if (place === ABSENT) throw corruptPage(name, `its entry of block ${block} is absent`);
    page.places[block] = place;
    page.sums[block] = u32At(bytes, at + 5);
    page.entries += 1;
    if (place >= FIRST_DATA_PLACE) page.data += 1;
    at += ENTRY_BYTES;
  }
  if (at !== bytes.byteLength) throw corruptPage(name, 'it holds more entries than its bitmap');
  return page;
}

function headerFault(bytes: Uint8Array, name: PageName, checksum: Checksum): string | undefined {
  if (bytes.byteLength <= ENTRIES_OFFSET) return `it has ${bytes.byteLength} bytes`;
  if (checksum(bytes.subarray(4)) !== u32At(bytes, 0)) return 'its checksum is wrong';
  if (bytes[4] !== VERSION) return `its version is ${bytes[4]}`;
  const image = u32At(bytes, 8);
  const page = u40At(bytes, 12);
  if (image !== name.image || page !== name.page) return `it is page ${page} of image ${image}`;
  const count = (bytes[6] as number) | ((bytes[7] as number) << 8);
  if (bytes.byteLength !== ENTRIES_OFFSET + count * ENTRY_BYTES) return `it does not hold ${count} entries`;
  return undefined;
}

/** A table page that is not what was stored there. */
export function corruptPage(name: PageName, why: string): StoreError {
  return new StoreError('CORRUPT', `Table page ${name.page} of image ${name.image} is damaged: ${why}.`);
}
