/**
 * Walks the pages in which some of many images have entries, in ascending order, in windows of one chunk of
 * the summaries, so that thousands of images cost one look each at a window and not one at every page.
 */
import type { MaybePromise } from '../lun/units.ts';
import { nextPageOf } from './holes.ts';
import type { Resolver } from './resolve.ts';
import { CHUNK_PAGES } from './summary.ts';
import type { TablePage } from './table-page.ts';
import type { TableStore } from './table-store.ts';

/** Table pages between two pauses: about two milliseconds. */
const PAGES_PER_TURN = 128;

/** The pages; what is written behind the walk is not in it. */
export function* pagesWithEntries(tables: TableStore, images: readonly number[]): Generator<number> {
  for (let from = nextPageOf(tables, images, 0); from !== undefined; ) {
    const end = (Math.floor(from / CHUNK_PAGES) + 1) * CHUNK_PAGES;
    const first = end - CHUNK_PAGES;
    const present = new Uint8Array(CHUNK_PAGES);
    for (const image of images) {
      for (const page of tables.pagesOf(image, from, CHUNK_PAGES)) {
        if (page >= end) break;
        present[page - first] = 1;
      }
    }
    for (let at = 0; at < CHUNK_PAGES; at += 1) if (present[at] === 1) yield first + at;
    from = nextPageOf(tables, images, end);
  }
}

/**
 * The pages of this number, in the order of `images`, as they all are at one moment: where one was changed
 * while another was loaded, they are looked at again. `begin` is called before each look.
 */
export function pagesAtOnce(
  from: { readonly tables: TableStore; readonly resolver: Resolver },
  look: { readonly page: number; readonly images: readonly number[]; readonly begin: () => void },
): MaybePromise<TablePage[]> {
  const { tables, resolver } = from;
  const { page, images, begin } = look;
  begin();
  const before = resolver.changesOf(page);
  const found = tables.imagesWithEntries(page, images).map((image) => tables.peek(image, page));
  if (!found.some((one) => one instanceof Promise)) return present(found as TablePage[]);
  return Promise.all(found).then((pages) => {
    return resolver.changesOf(page) === before ? present(pages) : pagesAtOnce(from, look);
  });
}

function present(pages: ReadonlyArray<TablePage | undefined>): TablePage[] {
  return pages.filter((page) => page !== undefined);
}

/** Lets others have their turn after every so many table pages. */
export class Turns {
  readonly #pause: () => Promise<void>;
  #looked = 0;

  constructor(pause: () => Promise<void>) {
    this.#pause = pause;
  }

  pagesDone(count: number): MaybePromise<void> {
    this.#looked += count;
    if (this.#looked < PAGES_PER_TURN) return undefined;
    this.#looked = 0;
    return this.#pause();
  }
}
