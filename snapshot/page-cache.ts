/**
 * Which table pages stay in memory. All dirty pages do; clean ones are kept in a list by their last use, and
 * the longest unused go once the resident pages exceed the bound. A page is dirty until the commit that holds
 * it has succeeded, so a page under commit is never evicted. Pinned pages are passed over.
 *
 * Nothing is evicted in the midst of a change: only `trim` evicts, and only loads and the end of a checkpoint
 * call it.
 */
import assert from 'node:assert';
import { PAGE_RESIDENT_BYTES, type TablePage } from './table-page.ts';

export class PageCache {
  readonly #cacheBytes: number;
  readonly #evicted: (page: TablePage) => void;
  #newest: TablePage | undefined;
  #oldest: TablePage | undefined;
  #residentPages = 0;
  #cleanPages = 0;

  constructor(options: { readonly cacheBytes: number; readonly evicted: (page: TablePage) => void }) {
    this.#cacheBytes = options.cacheBytes;
    this.#evicted = options.evicted;
  }

  get residentBytes(): number {
    return this.#residentPages * PAGE_RESIDENT_BYTES;
  }

  /** Bytes of pages that cannot be evicted, because they were changed or are under commit. */
  get dirtyBytes(): number {
    return (this.#residentPages - this.#cleanPages) * PAGE_RESIDENT_BYTES;
  }

  /** A page enters memory, clean. */
  insert(page: TablePage): void {
    this.#residentPages += 1;
    this.#link(page);
  }

  /** A page leaves memory that is dirty. */
  forgetDirty(): void {
    this.#residentPages -= 1;
  }

  becameDirty(page: TablePage): void {
    this.#unlink(page);
  }

  becameClean(page: TablePage): void {
    this.#link(page);
  }

  /** The page was used. */
  touch(page: TablePage): void {
    if (page.changedIn !== 0 || page === this.#newest) return;
    this.#unlink(page);
    this.#link(page);
  }

  /**
   * Evicts clean pages, the longest unused first, until the rest and `roomBytes` fit the bound or none is
   * left.
   */
  trim(roomBytes: number): void {
    let page = this.#oldest;
    while (page !== undefined && this.residentBytes + roomBytes > this.#cacheBytes) {
      const next = page.newer;
      if (page.pins === 0) {
        this.#unlink(page);
        this.#residentPages -= 1;
        this.#evicted(page);
      }
      page = next;
    }
  }

  #link(page: TablePage): void {
    page.older = this.#newest;
    page.newer = undefined;
    if (this.#newest === undefined) this.#oldest = page;
    else this.#newest.newer = page;
    this.#newest = page;
    this.#cleanPages += 1;
  }

  #unlink(page: TablePage): void {
    const { older, newer } = page;
    if (older === undefined) {
      assert(this.#oldest === page, 'a clean page is in the list');
      this.#oldest = newer;
    } else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    page.older = undefined;
    page.newer = undefined;
    this.#cleanPages -= 1;
  }
}
