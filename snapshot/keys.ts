/**
 * The keys of the pool's ordered values (FORMAT.md). One letter names the kind; numbers follow big-endian, so
 * that bytewise order is their order. Table pages are keyed page first, image second: all images' tables of
 * one page lie side by side, and one scan reads what a cold read at any depth needs.
 */
import assert from 'node:assert';
import type { MetaKey } from './medium/medium.ts';

const LETTERS = {
  counts: 'B',
  referenceSummary: 'R',
  state: 'S',
  allocator: 'b',
  catalogue: 'c',
  document: 'd',
  image: 'i',
  reference: 'r',
  summary: 's',
  table: 't',
} as const;

/** A medium takes keys of 64 bytes at most; the letter is one of them. */
export const DOCUMENT_NAME_BYTES_MAX = 63;

export interface KeyRange {
  readonly from: MetaKey;
  readonly to: MetaKey;
}

function rangeOf(letter: string): KeyRange {
  const code = letter.charCodeAt(0);
  return { from: Uint8Array.of(code), to: Uint8Array.of(code + 1) };
}

/** Every key of one kind, as a range to scan. */
export const KEYS = {
  counts: rangeOf(LETTERS.counts),
  allocator: rangeOf(LETTERS.allocator),
  catalogue: rangeOf(LETTERS.catalogue),
  document: rangeOf(LETTERS.document),
  image: rangeOf(LETTERS.image),
  referenceSummary: rangeOf(LETTERS.referenceSummary),
  summary: rangeOf(LETTERS.summary),
  table: rangeOf(LETTERS.table),
} as const satisfies Record<string, KeyRange>;

/** The state of the last checkpoint. */
export const STATE_KEY: MetaKey = Uint8Array.of(LETTERS.state.charCodeAt(0));

/** Writes `value` big-endian into `byteCount` bytes, at most 5, at `offset`. */
function putNumber(key: Uint8Array, field: { offset: number; byteCount: number; value: number }): void {
  const { offset, byteCount, value } = field;
  if (!(Number.isInteger(value) && value >= 0 && value < 256 ** byteCount))
    assert.fail('a number fits its key');
  let low = value >>> 0;
  if (byteCount === 5) key[offset] = value / 2 ** 32;
  for (let at = offset + byteCount - 1; at >= offset + byteCount - Math.min(byteCount, 4); at -= 1) {
    key[at] = low;
    low >>>= 8;
  }
}

function numberAt(key: Uint8Array, field: { offset: number; byteCount: number }): number {
  let value = 0;
  for (let at = field.offset; at < field.offset + field.byteCount; at += 1) {
    value = value * 256 + (key[at] as number);
  }
  return value;
}

function keyOf(letter: string, byteCount: number): Uint8Array {
  const key = new Uint8Array(1 + byteCount);
  key[0] = letter.charCodeAt(0);
  return key;
}

/** 't' + page u40 + image u32: a redirect-table page. */
export function tableKey(page: number, image: number): MetaKey {
  const key = keyOf(LETTERS.table, 9);
  putNumber(key, { offset: 1, byteCount: 5, value: page });
  putNumber(key, { offset: 6, byteCount: 4, value: image });
  return key;
}

export function tableOfKey(key: MetaKey): { readonly page: number; readonly image: number } {
  return {
    page: numberAt(key, { offset: 1, byteCount: 5 }),
    image: numberAt(key, { offset: 6, byteCount: 4 }),
  };
}

/** 's' + image u32 + chunk u24: which of 16,384 pages have entries. */
export function summaryKey(image: number, chunk: number): MetaKey {
  const key = keyOf(LETTERS.summary, 7);
  putNumber(key, { offset: 1, byteCount: 4, value: image });
  putNumber(key, { offset: 5, byteCount: 3, value: chunk });
  return key;
}

export function summaryOfKey(key: MetaKey): { readonly image: number; readonly chunk: number } {
  return {
    image: numberAt(key, { offset: 1, byteCount: 4 }),
    chunk: numberAt(key, { offset: 5, byteCount: 3 }),
  };
}

function shortKey(letter: string, value: number): MetaKey {
  const key = keyOf(letter, 4);
  putNumber(key, { offset: 1, byteCount: 4, value });
  return key;
}

/** 'i' + image u32: the counters of an image. */
export function imageKey(image: number): MetaKey {
  return shortKey(LETTERS.image, image);
}

/** 'b' + group u32: the bitmap of 16,384 places. */
export function allocatorKey(group: number): MetaKey {
  return shortKey(LETTERS.allocator, group);
}

/** 'B' + chunk u32: how many places of each of 1,024 groups are referenced. */
export function countsKey(chunk: number): MetaKey {
  return shortKey(LETTERS.counts, chunk);
}

/** 'r' + page u32: how many entries each of 512 places has, where that is more than one. */
export function referenceKey(page: number): MetaKey {
  return shortKey(LETTERS.reference, page);
}

/** 'R' + chunk u32: which of 16,384 pages of those counts are stored. */
export function referenceSummaryKey(chunk: number): MetaKey {
  return shortKey(LETTERS.referenceSummary, chunk);
}

/** The number behind the letter of an image, allocator, counts or references key. */
export function numberOfKey(key: MetaKey): number {
  return numberAt(key, { offset: 1, byteCount: 4 });
}

/** 'c' + kind u8 + id u32: an object of the catalogue. */
export function catalogueKey(kind: number, id: number): MetaKey {
  const key = keyOf(LETTERS.catalogue, 5);
  putNumber(key, { offset: 1, byteCount: 1, value: kind });
  putNumber(key, { offset: 2, byteCount: 4, value: id });
  return key;
}

export function catalogueOfKey(key: MetaKey): { readonly kind: number; readonly id: number } {
  return {
    kind: numberAt(key, { offset: 1, byteCount: 1 }),
    id: numberAt(key, { offset: 2, byteCount: 4 }),
  };
}

/** 'd' + name in UTF-8, at most 63 bytes: a document. */
export function documentKey(name: string): MetaKey {
  const encoded = new TextEncoder().encode(name);
  assert(
    encoded.byteLength > 0 && encoded.byteLength <= DOCUMENT_NAME_BYTES_MAX,
    'a document name fits a key',
  );
  const key = keyOf(LETTERS.document, encoded.byteLength);
  key.set(encoded, 1);
  return key;
}

export function documentOfKey(key: MetaKey): string {
  return new TextDecoder().decode(key.subarray(1));
}
