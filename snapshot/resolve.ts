/**
 * From a page of a view to the places it is read from. A view of one layer reads straight from that image's
 * table page. With more layers the first entry found wins; the merged page is kept, so that depth costs
 * nothing once a page is warm. The tables' summaries say which layers need not be loaded.
 *
 * A merged page is built only from a state that is whole: no apply may have touched the page between the
 * loading of its layers and the merging. `changes` counts the applies of a page (by its number modulo a power
 * of two), and a build that was overtaken begins again. Applying a record updates the merged pages in place.
 *
 * Kept pages are bounded by bytes, the least recently used going first.
 */
import type { MaybePromise } from '../lun/units.ts';
import type { Layers } from './layers.ts';
import { FIRST_DATA_PLACE, PAGE_BLOCKS, type PageContent, type TablePage } from './table-page.ts';
import type { TableStore } from './table-store.ts';
import type { ResolvedPage, View } from './views.ts';

/** Views with at most this many layers do not keep pages of which one layer alone has entries. */
const SHALLOW_LAYERS = 4;
const RESOLVED_PAGE_BYTES = PAGE_BLOCKS * 12 + 200;
const EMPTY_PAGE_BYTES = 150;
const CHANGE_COUNTERS = 4096;
const PAST_EVERY_BLOCK = Number.POSITIVE_INFINITY;

export class Resolver {
  readonly #tables: TableStore;
  readonly #bytesMax: number;
  readonly #changes = new Uint32Array(CHANGE_COUNTERS);
  #newest: ResolvedPage | undefined;
  #oldest: ResolvedPage | undefined;
  #bytes = 0;

  constructor(tables: TableStore, options: { readonly bytesMax: number }) {
    this.#tables = tables;
    this.#bytesMax = options.bytesMax;
  }

  get residentBytes(): number {
    return this.#bytes;
  }

  /** What the view reads on this page; undefined: zeroes only. To be used before the loop turns. */
  page(view: View, page: number): MaybePromise<PageContent | undefined> {
    const { images } = view.layers;
    if (images.length === 1) return this.#tables.page(images[0] as number, page);
    const kept = view.resolved.get(page);
    if (kept !== undefined) {
      this.#touch(kept);
      return kept.content;
    }
    return images.length <= SHALLOW_LAYERS ? this.#shallow(view, page) : this.#build(view, page);
  }

  /** A record changed this block for the view; every view it changed for is told. */
  changed(view: View, block: number, entry: { readonly place: number; readonly sum: number }): void {
    if (view.resolved.size === 0) return;
    const kept = view.resolved.get(Math.floor(block / PAGE_BLOCKS));
    if (kept === undefined) return;
    if (kept.content === undefined) {
      this.#drop(kept);
      return;
    }
    kept.content.places[block % PAGE_BLOCKS] = entry.place;
    kept.content.sums[block % PAGE_BLOCKS] = entry.sum;
  }

  /** A record changed blocks of this page for the view, too many to tell one by one. */
  drop(view: View, page: number): void {
    const kept = view.resolved.size === 0 ? undefined : view.resolved.get(page);
    if (kept !== undefined) this.#drop(kept);
  }

  /** Differs from what it was when a record has changed tables of this page since, or may. */
  changesOf(page: number): number {
    return this.#changes[page % CHANGE_COUNTERS] as number;
  }

  /** A record changes tables of this page: builds under way begin again. */
  touching(page: number): void {
    const counter = page % CHANGE_COUNTERS;
    this.#changes[counter] = (this.#changes[counter] as number) + 1;
  }

  /** Nothing stays kept for this view. */
  forget(view: View): void {
    for (const kept of view.resolved.values()) this.#drop(kept);
  }

  #shallow(view: View, page: number): MaybePromise<PageContent | undefined> {
    const { images, ends } = view.layers;
    let only = -1;
    for (const image of images) {
      if (!this.#tables.hasEntries(image, page)) continue;
      if (only >= 0 || ends !== undefined) return this.#build(view, page);
      only = image;
    }
    if (only < 0) return undefined;
    const found = this.#tables.page(only, page);
    if (!(found instanceof Promise)) return found;
    // The page may have gone into another image by the time it is there; so it is built like any other.
    return this.#buildLater(view, { page, pages: found.then((one) => (one === undefined ? [] : [one])) });
  }

  #build(view: View, page: number): MaybePromise<PageContent | undefined> {
    const images = this.#tables.imagesWithEntries(page, view.layers.images);
    if (images.length === 0) return this.#keep(view, page, undefined);
    const pages = this.#tables.scanPage(page, images);
    if (!(pages instanceof Promise)) return this.#keep(view, page, merge(pages, view.layers));
    return this.#buildLater(view, { page, pages });
  }

  async #buildLater(
    view: View,
    build: { readonly page: number; readonly pages: Promise<readonly TablePage[]> },
  ): Promise<PageContent | undefined> {
    const { page } = build;
    const { layers } = view;
    const before = this.#changes[page % CHANGE_COUNTERS];
    const pages = await build.pages;
    const whole = view.layers === layers && this.#changes[page % CHANGE_COUNTERS] === before;
    return whole ? this.#keep(view, page, merge(pages, layers)) : this.page(view, page);
  }

  #keep(view: View, page: number, content: PageContent | undefined): PageContent | undefined {
    if (view.gone) return content;
    const present = view.resolved.get(page);
    if (present !== undefined) this.#drop(present);
    const kept: ResolvedPage = { view, page, content, newer: undefined, older: undefined };
    view.resolved.set(page, kept);
    this.#bytes += bytesOf(kept);
    this.#pushNewest(kept);
    while (this.#bytes > this.#bytesMax && this.#oldest !== undefined && this.#oldest !== kept) {
      this.#drop(this.#oldest);
    }
    return content;
  }

  #drop(kept: ResolvedPage): void {
    kept.view.resolved.delete(kept.page);
    this.#bytes -= bytesOf(kept);
    this.#unlink(kept);
  }

  #touch(kept: ResolvedPage): void {
    if (this.#newest === kept) return;
    this.#unlink(kept);
    this.#pushNewest(kept);
  }

  #pushNewest(kept: ResolvedPage): void {
    kept.older = this.#newest;
    if (this.#newest !== undefined) this.#newest.newer = kept;
    this.#newest = kept;
    this.#oldest ??= kept;
  }

  #unlink(kept: ResolvedPage): void {
    if (kept.newer === undefined) this.#newest = kept.older;
    else kept.newer.older = kept.older;
    if (kept.older === undefined) this.#oldest = kept.newer;
    else kept.older.newer = kept.newer;
    kept.newer = undefined;
    kept.older = undefined;
  }
}

function bytesOf(kept: ResolvedPage): number {
  return kept.content === undefined ? EMPTY_PAGE_BYTES : RESOLVED_PAGE_BYTES;
}

/**
 * The first entry of each block, in the order of the pages; past the end of a layer the ones below it count.
 */
function merge(pages: readonly TablePage[], layers: Layers): PageContent {
  const places = new Float64Array(PAGE_BLOCKS);
  const sums = new Uint32Array(PAGE_BLOCKS);
  for (let i = pages.length - 1; i >= 0; i -= 1) {
    const from = pages[i] as TablePage;
    const end = Math.min(PAGE_BLOCKS, endOf(layers, from.image) - from.page * PAGE_BLOCKS);
    from.each((at, place, sum) => {
      if (at >= end) return;
      places[at] = place;
      if (place >= FIRST_DATA_PLACE) sums[at] = sum;
    });
  }
  return { places, sums };
}

function endOf(layers: Layers, image: number): number {
  return layers.ends === undefined ? PAST_EVERY_BLOCK : (layers.ends[layers.images.indexOf(image)] as number);
}
