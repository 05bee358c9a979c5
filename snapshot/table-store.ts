/**
 * The redirect tables of all images of a pool: for every block stored in an image, its place. Tables are cut
 * into pages (`table-page.ts`), kept in the medium's ordered values and paged into memory under a bound
 * (`page-cache.ts`). A summary per image (`summary.ts`) is always in memory, so nobody loads a page to learn
 * that it is empty.
 *
 * Everything is changed in memory only, by `put` and `remove`, in journal order; a checkpoint stores what was
 * changed (`copy-on-change.ts`). What is stored plus the journal behind it is always the whole truth.
 *
 * Nothing changes a page that is not resident, and a page that is being loaded is loaded once; so what a load
 * brings is never older than what is in memory.
 */
import assert from 'node:assert';
import type { MaybePromise } from '../lun/units.ts';
import type { Checksum } from './checksum.ts';
import { ChangeTracker, type StructureCheckpoint } from './copy-on-change.ts';
import { ImageStats, ImageTable } from './image-table.ts';
import { tableKey, tableOfKey } from './keys.ts';
import type { MetaSpace } from './medium/medium.ts';
import { PageCache } from './page-cache.ts';
import { PageWatchers } from './page-watchers.ts';
import type { SummaryChunk } from './summary.ts';
import { TableCheckpoint } from './table-checkpoint.ts';
import { loadImageTables } from './table-load.ts';
import {
  ABSENT,
  corruptPage,
  decodePage,
  FIRST_DATA_PLACE,
  HOLE,
  PAGE_BLOCKS,
  PAGE_RESIDENT_BYTES,
  TablePage,
} from './table-page.ts';
import { type RunContents, storeRun, type TableRun } from './table-run.ts';

export interface TableStoreOptions {
  readonly meta: MetaSpace;
  readonly checksum: Checksum;
  /** Clean pages are evicted while the resident ones exceed this. */
  readonly cacheBytes: number;
}

/** From this many missing pages on, one scan over the images of a page is cheaper than single gets. */
const SCAN_PAGES_MIN = 4;

const NO_STATS = { entries: 0, data: 0 } as const;

export class TableStore {
  readonly watchers = new PageWatchers();
  readonly #meta: MetaSpace;
  readonly #checksum: Checksum;
  readonly #images: Map<number, ImageTable>;
  readonly #cache: PageCache;
  readonly #pages: ChangeTracker<TablePage>;
  readonly #chunks: ChangeTracker<SummaryChunk>;
  readonly #stats: ChangeTracker<ImageStats>;
  /** Pages that were not in memory and were read. */
  pageLoads = 0;
  /** The page of the last change, since changes come in runs. */
  #last: TablePage | undefined;

  private constructor(options: TableStoreOptions, images: Map<number, ImageTable>) {
    this.#meta = options.meta;
    this.#checksum = options.checksum;
    this.#images = images;
    this.#cache = new PageCache({ cacheBytes: options.cacheBytes, evicted: (page) => this.#forget(page) });
    this.#pages = new ChangeTracker<TablePage>({
      copy: (page) => page.copy(),
      becameDirty: (page) => this.#cache.becameDirty(page),
      becameClean: (page) => this.#pageStored(page),
    });
    this.#chunks = new ChangeTracker<SummaryChunk>({
      copy: (chunk) => chunk.copy(),
      becameClean: (chunk) => {
        if (chunk.count === 0) this.#images.get(chunk.image)?.deleteChunk(chunk);
      },
    });
    this.#stats = new ChangeTracker<ImageStats>({
      copy: (stats) => stats.copy(),
      becameClean: (stats) => {
        if (stats.entries === 0 && this.#images.get(stats.image)?.pages.size === 0)
          this.#images.delete(stats.image);
      },
    });
  }

  /** Reads summaries and counters; pages are loaded when they are needed. */
  static async load(options: TableStoreOptions): Promise<TableStore> {
    return new TableStore(options, await loadImageTables(options));
  }

  /** Pages changed since the last checkpoint began. */
  get dirtyPages(): number {
    return this.#pages.changedCount;
  }

  /** Memory of pages that a checkpoint has not stored yet. */
  get dirtyBytes(): number {
    return this.#cache.dirtyBytes;
  }

  /** Memory of all pages. */
  get residentBytes(): number {
    return this.#cache.residentBytes;
  }

  /** Whether any block of the page is stored in the image. Never loads. */
  hasEntries(image: number, page: number): boolean {
    return this.#images.get(image)?.has(page) ?? false;
  }

  /** Those of `images` that have entries in the page, in the same order. */
  imagesWithEntries(page: number, images: ArrayLike<number>): number[] {
    const found: number[] = [];
    for (let at = 0; at < images.length; at += 1) {
      if (this.hasEntries(images[at] as number, page)) found.push(images[at] as number);
    }
    return found;
  }

  /** Every image that has entries, ascending. */
  images(): number[] {
    const found: number[] = [];
    for (const table of this.#images.values()) if (table.stats.entries > 0) found.push(table.image);
    return found.sort((one, other) => one - other);
  }

  /** Pages of the image with entries from `fromPage` on, ascending, at most `limit`. */
  pagesOf(image: number, fromPage: number, limit: number): number[] {
    return this.#images.get(image)?.pagesFrom(fromPage, limit) ?? [];
  }

  /** Blocks stored in the image, and those of them that have a place. To be read at once, not kept. */
  imageStats(image: number): { readonly entries: number; readonly data: number } {
    return this.#images.get(image)?.stats ?? NO_STATS;
  }

  /** The page if it is in memory and has entries. Never loads. */
  resident(image: number, page: number): TablePage | undefined {
    const found = this.#images.get(image)?.pages.get(page);
    if (found === undefined || found.entries === 0) return undefined;
    this.#cache.touch(found);
    return found;
  }

  /**
   * The page, or undefined when it has no entries. It stays resident until another load; where anything is
   * awaited before it is used, pin it. Fails with the store errors CORRUPT and IO.
   */
  page(image: number, page: number): MaybePromise<TablePage | undefined> {
    const resident = this.resident(image, page);
    if (resident !== undefined) return resident;
    const table = this.#images.get(image);
    if (table === undefined || !table.has(page)) return undefined;
    const underWay = table.loading.get(page);
    if (underWay !== undefined) return underWay.then(() => this.page(image, page));
    const found = this.#meta.get(tableKey(page, image));
    if (!(found instanceof Promise)) return this.#loaded(table, page, found);
    const load = found
      .then((bytes) => this.#loaded(table, page, bytes))
      .finally(() => table.loading.delete(page));
    table.loading.set(page, load);
    return load;
  }

  /** As `page`, and the cache stays as it is; to be read only, and before the loop turns. */
  peek(image: number, page: number): MaybePromise<TablePage | undefined> {
    const table = this.#images.get(image);
    if (table === undefined || !table.has(page)) return undefined;
    const present = table.pages.get(page);
    if (present !== undefined) return present;
    const name = { image, page };
    const decode = (bytes: Uint8Array | undefined): TablePage | undefined => {
      if (!table.has(page)) return undefined;
      if (bytes === undefined) throw corruptPage(name, 'it is missing');
      return table.pages.get(page) ?? decodePage(bytes, name, this.#checksum);
    };
    const found = this.#meta.get(tableKey(page, image));
    return found instanceof Promise ? found.then(decode) : decode(found);
  }

  /**
   * The pages of this number that have entries in `images`, in the order of `images`; what is missing is
   * loaded with one scan. To be used before the loop turns, or pinned.
   */
  scanPage(page: number, images: ArrayLike<number>): MaybePromise<TablePage[]> {
    const wanted = this.imagesWithEntries(page, images);
    const missing = wanted.filter((image) => this.resident(image, page) === undefined);
    const underWay = missing.find((image) => this.#table(image).loading.has(page));
    if (underWay !== undefined) {
      const load = this.#table(underWay).loading.get(page) as Promise<unknown>;
      return load.then(() => this.scanPage(page, images));
    }
    if (missing.length >= SCAN_PAGES_MIN) return this.#scan(page, wanted, missing);
    const pages = wanted.map((image) => this.page(image, page));
    if (!pages.some((found) => found instanceof Promise)) return present(pages as TablePage[]);
    return Promise.all(pages).then(present);
  }

  /** Keeps the page resident until `unpin`. Counted. */
  pin(page: TablePage): void {
    page.pins += 1;
  }

  unpin(page: TablePage): void {
    assert(page.pins > 0, 'a page is unpinned as often as pinned');
    page.pins -= 1;
  }

  /**
   * Block `block` of the VLUN is stored in `image` at `place` (HOLE or a place of data) with checksum `sum`.
   * Its page is resident or has no entries. Returns what was there before: ABSENT, HOLE or a place.
   */
  put(image: number, block: number, place: number, sum: number): number {
    if (!(place >= HOLE)) assert.fail('an entry has a place or is a hole');
    const page = this.#pageToChange(image, Math.floor(block / PAGE_BLOCKS));
    this.#pages.changing(page);
    const before = page.put(block & (PAGE_BLOCKS - 1), place, sum);
    const entries = before === ABSENT ? 1 : 0;
    const data = (place >= FIRST_DATA_PLACE ? 1 : 0) - (before >= FIRST_DATA_PLACE ? 1 : 0);
    if (entries !== 0 || data !== 0) this.#count(page, entries, data);
    return before;
  }

  /** `put` for blocks of one page, at neighbouring places; `free` is told every place that was there before. */
  putRun(image: number, run: TableRun, contents: RunContents): void {
    const page = this.#pageToChange(image, Math.floor(run.block / PAGE_BLOCKS));
    this.#pages.changing(page);
    const { entries, data } = storeRun(page, run, contents);
    if (entries !== 0 || data !== 0) this.#count(page, entries, data);
  }

  /** The block is no longer stored in the image. Returns what was there before: ABSENT, HOLE or a place. */
  remove(image: number, block: number): number {
    const number = Math.floor(block / PAGE_BLOCKS);
    if (!this.hasEntries(image, number)) return ABSENT;
    const page = this.#pageToChange(image, number);
    const index = block & (PAGE_BLOCKS - 1);
    const before = page.at(index);
    if (before === ABSENT) return ABSENT;
    this.#pages.changing(page);
    page.put(index, ABSENT, 0);
    this.#count(page, -1, before >= FIRST_DATA_PLACE ? -1 : 0);
    return before;
  }

  /**
   * No block of the page is stored in the image any more. Resident, or without entries. The places are the
   * caller's.
   */
  dropPage(image: number, page: number): void {
    if (!this.hasEntries(image, page)) return;
    const found = this.#pageToChange(image, page);
    this.#pages.changing(found);
    found.clear();
    this.#count(found, -found.entries, -found.data);
  }

  /**
   * Nothing is stored in the image any more, whatever was. Pages that were not dropped before are removed
   * unseen, at the cost of a page of memory each until the next checkpoint.
   */
  dropImage(image: number): void {
    const table = this.#images.get(image);
    if (table === undefined) return;
    for (const page of table.pagesFrom(0, Number.POSITIVE_INFINITY)) {
      if (table.pages.has(page)) {
        this.dropPage(image, page);
        continue;
      }
      this.#pages.changing(this.#insert(table, new TablePage({ image, page })));
      table.deletePage(page, this.#chunks);
    }
    this.#stats.changing(table.stats);
    table.stats.entries = 0;
    table.stats.data = 0;
  }

  /** Freezes the state of now; later changes do not show in it. */
  beginCheckpoint(): StructureCheckpoint {
    return new TableCheckpoint({
      frozen: { stats: this.#stats.begin(), chunks: this.#chunks.begin(), pages: this.#pages.begin() },
      checksum: this.#checksum,
      committed: () => {
        this.#pages.committed();
        this.#chunks.committed();
        this.#stats.committed();
        this.#cache.trim(0);
      },
      failed: () => {
        this.#pages.failed();
        this.#chunks.failed();
        this.#stats.failed();
      },
    });
  }

  #table(image: number): ImageTable {
    let table = this.#images.get(image);
    if (table === undefined) {
      table = new ImageTable(new ImageStats(image));
      this.#images.set(image, table);
    }
    return table;
  }

  #pageToChange(image: number, number: number): TablePage {
    const last = this.#last;
    if (last !== undefined && last.page === number && last.image === image) return last;
    const table = this.#table(image);
    let page = table.pages.get(number);
    if (page === undefined) {
      assert(!table.has(number), 'a page is resident when it is changed');
      page = this.#insert(table, new TablePage({ image, page: number }));
    }
    this.#last = page;
    return page;
  }

  /** Corrects the counters by a change of the page, which is dirty already. */
  #count(page: TablePage, entries: number, data: number): void {
    const table = this.#table(page.image);
    const before = page.entries;
    page.entries += entries;
    page.data += data;
    if (before === 0) table.addPage(page.page, this.#chunks);
    else if (page.entries === 0) table.deletePage(page.page, this.#chunks);
    this.watchers.changed(page.image, page.page);
    this.#stats.changing(table.stats);
    table.stats.entries += entries;
    table.stats.data += data;
  }

  #insert(table: ImageTable, page: TablePage): TablePage {
    table.pages.set(page.page, page);
    this.#cache.insert(page);
    return page;
  }

  #loaded(table: ImageTable, number: number, bytes: Uint8Array | undefined): TablePage | undefined {
    if (!table.has(number)) return undefined;
    const resident = table.pages.get(number);
    if (resident !== undefined) return resident;
    const name = { image: table.image, page: number };
    if (bytes === undefined) throw corruptPage(name, 'it is missing');
    const page = decodePage(bytes, name, this.#checksum);
    this.pageLoads += 1;
    this.#cache.trim(PAGE_RESIDENT_BYTES);
    return this.#insert(table, page);
  }

  #scan(page: number, wanted: readonly number[], missing: readonly number[]): MaybePromise<TablePage[]> {
    const from = tableKey(page, Math.min(...missing));
    const last = tableKey(page, Math.max(...missing));
    const to = Uint8Array.of(...last, 0);
    const keep = wanted.map((image) => this.resident(image, page));
    const take = (
      found: ReadonlyArray<{ readonly key: Uint8Array; readonly value: Uint8Array }>,
    ): TablePage[] => {
      const loaded = new Map<number, TablePage | undefined>();
      for (const { key, value } of found) {
        const { image } = tableOfKey(key);
        if (missing.includes(image)) loaded.set(image, this.#loaded(this.#table(image), page, value));
      }
      return present(wanted.map((image, at) => keep[at] ?? loaded.get(image)));
    };
    const found = this.#meta.scan({ from, to });
    if (!(found instanceof Promise)) return take(found);
    const load = found.then(take).finally(() => {
      for (const image of missing) this.#table(image).loading.delete(page);
    });
    for (const image of missing) this.#table(image).loading.set(page, load);
    return load;
  }

  #pageStored(page: TablePage): void {
    if (page.entries > 0) {
      this.#cache.becameClean(page);
      return;
    }
    this.#cache.forgetDirty();
    this.#forget(page);
  }

  #forget(page: TablePage): void {
    if (this.#last === page) this.#last = undefined;
    this.#images.get(page.image)?.pages.delete(page.page);
  }
}

function present(pages: ReadonlyArray<TablePage | undefined>): TablePage[] {
  return pages.filter((page) => page !== undefined);
}
