/** Redirect tables as the check reads them: pages, summaries and counters, decoded from FORMAT.md alone. */
import { Fields, hasBit } from './check-bytes.ts';
import type { Checksum } from './checksum.ts';

export const BLOCKS_PER_PAGE = 256;
export const HOLE_PLACE = 1;
const PAGE_HEADER_BYTES = 49;
const ENTRY_BYTES = 9;
const SUMMARY_HEADER_BYTES = 16;
const PAGES_PER_CHUNK = 16_384;
const STATS_BYTES = 32;

/** Where the blocks of a page are stored: 0 absent, 1 hole, else a place. */
export interface CheckedPage {
  readonly places: Float64Array;
  readonly sums: Uint32Array;
}

export function emptyPage(): CheckedPage {
  return { places: new Float64Array(BLOCKS_PER_PAGE), sums: new Uint32Array(BLOCKS_PER_PAGE) };
}

export function entriesOf(page: CheckedPage): { entries: number; data: number } {
  let entries = 0;
  let data = 0;
  for (const place of page.places) {
    if (place !== 0) entries += 1;
    if (place > HOLE_PLACE) data += 1;
  }
  return { entries, data };
}

/** The page, or why it is none. */
export function readPage(
  bytes: Uint8Array,
  name: { readonly image: number; readonly page: number },
  checksum: Checksum,
): CheckedPage | string {
  const fields = new Fields(bytes);
  if (bytes.byteLength < PAGE_HEADER_BYTES) return 'is cut short';
  if (!fields.sealed(checksum)) return 'has a wrong checksum';
  if (fields.u8(4) !== 1) return `has version ${fields.u8(4)}`;
  if (fields.u32(8) !== name.image || fields.u40(12) !== name.page) return 'names another page';
  const bitmap = bytes.subarray(17, PAGE_HEADER_BYTES);
  const page = emptyPage();
  let at = PAGE_HEADER_BYTES;
  for (let block = 0; block < BLOCKS_PER_PAGE; block += 1) {
    if (!hasBit(bitmap, block)) continue;
    if (at + ENTRY_BYTES > bytes.byteLength) return 'has fewer entries than its bitmap';
    page.places[block] = fields.u40(at);
    page.sums[block] = fields.u32(at + 5);
    if (page.places[block] === 0) return `has an entry of block ${block} that is absent`;
    at += ENTRY_BYTES;
  }
  if (at !== bytes.byteLength) return 'has more entries than its bitmap';
  return entriesOf(page).entries === fields.u16(6) ? page : 'has a wrong count of entries';
}

/** The numbers of the pages that a summary chunk names, or why it is none. */
export function readSummary(
  bytes: Uint8Array,
  name: { readonly image: number; readonly chunk: number },
  checksum: Checksum,
): number[] | string {
  const fields = new Fields(bytes);
  if (bytes.byteLength < SUMMARY_HEADER_BYTES) return 'is cut short';
  if (!fields.sealed(checksum)) return 'has a wrong checksum';
  if (fields.u8(4) !== 1) return `has version ${fields.u8(4)}`;
  if (fields.u32(8) !== name.image || fields.u32(12) !== name.chunk) return 'names another chunk';
  const pages = fields.u8(5) === 1 ? bitmapPages(bytes) : listPages(fields);
  if (pages === undefined) return 'has a wrong form';
  if (pages.length !== fields.u16(6)) return 'has a wrong count of pages';
  return pages.map((page) => name.chunk * PAGES_PER_CHUNK + page);
}

function bitmapPages(bytes: Uint8Array): number[] | undefined {
  const bitmap = bytes.subarray(SUMMARY_HEADER_BYTES);
  if (bitmap.byteLength !== PAGES_PER_CHUNK / 8) return undefined;
  const pages: number[] = [];
  for (let page = 0; page < PAGES_PER_CHUNK; page += 1) if (hasBit(bitmap, page)) pages.push(page);
  return pages;
}

function listPages(fields: Fields): number[] | undefined {
  const listBytes = fields.bytes.byteLength - SUMMARY_HEADER_BYTES;
  if (fields.u8(5) !== 0 || listBytes % 2 !== 0) return undefined;
  const pages: number[] = [];
  for (let at = 0; at < listBytes; at += 2) pages.push(fields.u16(SUMMARY_HEADER_BYTES + at));
  const ascending = pages.every(
    (page, i) => page < PAGES_PER_CHUNK && (i === 0 || page > (pages[i - 1] ?? 0)),
  );
  return ascending ? pages : undefined;
}

/** The counters of an image, or why they are none. */
export function readStats(
  bytes: Uint8Array,
  image: number,
  checksum: Checksum,
): { entries: number; data: number } | string {
  const fields = new Fields(bytes);
  if (bytes.byteLength !== STATS_BYTES) return 'are cut short';
  if (!fields.sealed(checksum)) return 'have a wrong checksum';
  if (fields.u8(4) !== 1) return `have version ${fields.u8(4)}`;
  if (fields.u32(8) !== image) return 'name another image';
  return { entries: fields.u64(16), data: fields.u64(24) };
}
