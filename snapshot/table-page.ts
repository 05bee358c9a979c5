/**
 * A page of a redirect table: where the 256 blocks of one mebibyte of an image are stored. In memory a page
 * is two typed arrays, whole whatever is in it, so that resolving a block is one read of each; but one with
 * few entries is a short list until somebody asks for the arrays, for to allocate and to clear these costs
 * more than all else that is done to a page when it is merged, or is one of a thousand layers. Stored, it
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

/** A page with at most this many entries is a list. */
const LIST_ENTRIES_MAX = 16;
/** Numbers in the list for each entry. */
const LIST_STEP = 3;
const NO_PLACES = new Float64Array(0);
const NO_SUMS = new Uint32Array(0);

/** What a resident page is reckoned to take: its arrays (3,072 bytes) and the objects around them. */
export const PAGE_RESIDENT_BYTES = 3584;

export interface PageName {
  readonly image: number;
  /** Number of the page: pool block / 256. */
  readonly page: number;
}

/** Places (below FIRST_DATA_PLACE: zeroes) and sums of the 256 blocks of a page. */
export interface PageContent {
  readonly places: Float64Array;
  readonly sums: Uint32Array;
}

export class TablePage implements TrackedItem {
  readonly image: number;
  readonly page: number;
  /** Block, place and sum of each entry, blocks ascending; undefined once there are arrays. */
  #list: number[] | undefined = [];
  #places: Float64Array = NO_PLACES;
  #sums: Uint32Array = NO_SUMS;
  /** Others have the arrays too: they are copied before they are changed. */
  #lent = false;
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
  }

  /** ABSENT, HOLE or the place of the data, for each block. To be read only. */
  get places(): Float64Array {
    this.widen();
    return this.#places;
  }

  /** The checksum of the stored block, where there is one. To be read only. */
  get sums(): Uint32Array {
    this.widen();
    return this.#sums;
  }

  /** ABSENT, HOLE or the place of a block of the page, 0 … 255. */
  at(block: number): number {
    const list = this.#list;
    if (list === undefined) return this.#places[block] as number;
    for (let at = 0; at < list.length; at += LIST_STEP) if (list[at] === block) return list[at + 1] as number;
    return ABSENT;
  }

  /** Gives the block this place, or ABSENT; returns the one before. The counts are the caller's. */
  put(block: number, place: number, sum: number): number {
    const list = this.#list;
    if (list !== undefined) {
      let at = 0;
      while (at < list.length && (list[at] as number) < block) at += LIST_STEP;
      if (list[at] === block) return replaceInList(list, at, { place, sum });
      if (place === ABSENT) return ABSENT;
      if (list.length < LIST_STEP * LIST_ENTRIES_MAX) {
        insertIntoList(list, at, { block, place, sum });
        return ABSENT;
      }
    }
    this.toChange();
    const before = this.#places[block] as number;
    this.#places[block] = place;
    this.#sums[block] = sum;
    return before;
  }

  /** No block has an entry any more. The counts are the caller's. */
  clear(): void {
    this.#list = [];
    this.#places = NO_PLACES;
    this.#sums = NO_SUMS;
    this.#lent = false;
  }

  /** Every entry, blocks ascending. The page must not be changed meanwhile. */
  each(visit: (block: number, place: number, sum: number) => void): void {
    const list = this.#list;
    if (list !== undefined) {
      for (let at = 0; at < list.length; at += LIST_STEP) {
        visit(list[at] as number, list[at + 1] as number, list[at + 2] as number);
      }
      return;
    }
    for (let block = 0; block < PAGE_BLOCKS; block += 1) {
      const place = this.#places[block] as number;
      if (place !== ABSENT) visit(block, place, this.#sums[block] as number);
    }
  }

  /** Makes the arrays, if there are none yet. */
  widen(): void {
    const list = this.#list;
    if (list === undefined) return;
    const memory = new ArrayBuffer(PAGE_BLOCKS * 12);
    this.#places = new Float64Array(memory, 0, PAGE_BLOCKS);
    this.#sums = new Uint32Array(memory, PAGE_BLOCKS * 8, PAGE_BLOCKS);
    for (let at = 0; at < list.length; at += LIST_STEP) {
      this.#places[list[at] as number] = list[at + 1] as number;
      this.#sums[list[at] as number] = list[at + 2] as number;
    }
    this.#list = undefined;
  }

  /** The arrays, of this page alone. The `TableStore` changes them, and nobody else. */
  toChange(): PageContent {
    this.widen();
    if (this.#lent) {
      this.#places = this.#places.slice();
      this.#sums = this.#sums.slice();
      this.#lent = false;
    }
    return this;
  }

  /** The arrays as they are now, for good: this page changes copies from now on. */
  lend(): PageContent {
    this.widen();
    this.#lent = true;
    return { places: this.#places, sums: this.#sums };
  }

  /** Every entry is that of arrays which were lent. The counts are the caller's. */
  adopt({ places, sums }: PageContent): void {
    this.#list = undefined;
    this.#places = places;
    this.#sums = sums;
    this.#lent = true;
  }

  /** The same entries in a page of its own. */
  copy(): TablePage {
    const copy = new TablePage(this);
    if (this.#list !== undefined) copy.#list = this.#list.slice();
    else copy.adopt(this.lend());
    copy.entries = this.entries;
    copy.data = this.data;
    return copy;
  }
}

interface Entry {
  readonly place: number;
  readonly sum: number;
}

function replaceInList(list: number[], at: number, { place, sum }: Entry): number {
  const before = list[at + 1] as number;
  if (place === ABSENT) {
    list.splice(at, LIST_STEP);
    return before;
  }
  list[at + 1] = place;
  list[at + 2] = sum;
  return before;
}

/** By hand: `splice` makes an array of what it removes, and this is done for every first write to a page. */
function insertIntoList(list: number[], at: number, entry: Entry & { readonly block: number }): void {
  for (let to = list.length; to > at; to -= 1) list[to + LIST_STEP - 1] = list[to - 1] as number;
  list[at] = entry.block;
  list[at + 1] = entry.place;
  list[at + 2] = entry.sum;
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
  let at = ENTRIES_OFFSET;
  page.each((block, place, sum) => {
    const bitmapAt = BITMAP_OFFSET + (block >>> 3);
    bytes[bitmapAt] = (bytes[bitmapAt] as number) | (1 << (block & 7));
    putU32(bytes, at, place >>> 0);
    bytes[at + 4] = place / TWO_32;
    putU32(bytes, at + 5, sum);
    at += ENTRY_BYTES;
  });
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
  if (bytes.byteLength > ENTRIES_OFFSET + LIST_ENTRIES_MAX * ENTRY_BYTES) page.widen();
  for (let block = 0; block < PAGE_BLOCKS; block += 1) {
    if (((bytes[BITMAP_OFFSET + (block >>> 3)] as number) & (1 << (block & 7))) === 0) continue;
    if (at + ENTRY_BYTES > bytes.byteLength)
      throw corruptPage(name, 'it holds fewer entries than its bitmap');
    const place = u40At(bytes, at);
    if (place === ABSENT) throw corruptPage(name, `its entry of block ${block} is absent`);
    page.put(block, place, u32At(bytes, at + 5));
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
