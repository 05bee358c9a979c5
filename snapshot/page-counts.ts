/**
 * What was counted of each page of an image that is still written to, and which pages have changed since.
 * Marking a page is all that a write pays. Memory: 64 KiB for each 16 GiB of the VLUN that has entries.
 */
import type { PageWatcher } from './page-watchers.ts';
import { CHUNK_PAGES } from './summary.ts';

/** Blocks of a page, 256 at most each. */
export interface PageCount {
  /** By how many more blocks of data are read with the layer than without it; may be negative. */
  readonly gained: number;
  /** Blocks of data of the layer right below that this one hides. */
  readonly hidden: number;
  /** Blocks of data that are read from this layer. */
  readonly own: number;
}

const MARK = 1 << 30;

interface Chunk {
  /** `gained` in 10 bits with its sign, `hidden` and `own` in 10 bits each, and the mark. */
  readonly values: Int32Array;
  marked: number;
}

export const NO_COUNT: PageCount = { gained: 0, hidden: 0, own: 0 };

export class PageCounts implements PageWatcher {
  readonly #chunks = new Map<number, Chunk>();
  #marked = 0;

  /** Pages that have to be counted anew. */
  get marked(): number {
    return this.#marked;
  }

  changed(page: number): void {
    const chunk = this.#chunk(Math.floor(page / CHUNK_PAGES));
    const at = page % CHUNK_PAGES;
    const value = chunk.values[at] as number;
    if ((value & MARK) !== 0) return;
    chunk.values[at] = value | MARK;
    chunk.marked += 1;
    this.#marked += 1;
  }

  unmark(page: number): void {
    const chunk = this.#chunk(Math.floor(page / CHUNK_PAGES));
    const at = page % CHUNK_PAGES;
    const value = chunk.values[at] as number;
    if ((value & MARK) === 0) return;
    chunk.values[at] = value & ~MARK;
    chunk.marked -= 1;
    this.#marked -= 1;
  }

  /** Marked pages, at most so many. */
  markedPages(limit: number): number[] {
    const pages: number[] = [];
    for (const [number, { values, marked }] of this.#chunks) {
      if (marked === 0) continue;
      for (let at = 0; at < CHUNK_PAGES; at += 1) {
        if (((values[at] as number) & MARK) === 0) continue;
        pages.push(number * CHUNK_PAGES + at);
        if (pages.length === limit) return pages;
      }
    }
    return pages;
  }

  of(page: number): PageCount {
    const value = this.#chunks.get(Math.floor(page / CHUNK_PAGES))?.values[page % CHUNK_PAGES] ?? 0;
    return { gained: (value << 22) >> 22, hidden: (value >>> 10) & 0x3ff, own: (value >>> 20) & 0x3ff };
  }

  /** The mark of the page stays as it is. */
  put(page: number, { gained, hidden, own }: PageCount): void {
    const { values } = this.#chunk(Math.floor(page / CHUNK_PAGES));
    const at = page % CHUNK_PAGES;
    const mark = (values[at] as number) & MARK;
    values[at] = (gained & 0x3ff) | (hidden << 10) | (own << 20) | mark;
  }

  #chunk(number: number): Chunk {
    let chunk = this.#chunks.get(number);
    if (chunk === undefined) {
      chunk = { values: new Int32Array(CHUNK_PAGES), marked: 0 };
      this.#chunks.set(number, chunk);
    }
    return chunk;
  }
}
