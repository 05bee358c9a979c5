/**
 * What has to be in memory before records are applied, which is synchronous: pages of tables, and pages of
 * the counts of entries where any place has several. Those of tables are pinned where that takes time; counts
 * stay until the end of the batch.
 */
import assert from 'node:assert';
import type { MaybePromise } from '../lun/units.ts';
import type { HiddenImages } from './apply-merge.ts';
import { type Extent, ofImage } from './journal-record.ts';
import type { ReferenceCounts } from './reference-counts.ts';
import { REFERENCE_PLACES } from './reference-page.ts';
import { FIRST_DATA_PLACE, PAGE_BLOCKS, type TablePage } from './table-page.ts';
import type { TableStore } from './table-store.ts';
import type { Views } from './views.ts';

export interface PagesToApplyOptions {
  readonly tables: TableStore;
  readonly references: ReferenceCounts;
  readonly views: Views;
  readonly hidden: HiddenImages;
}

export class PagesToApply {
  readonly #tables: TableStore;
  readonly #references: ReferenceCounts;
  readonly #views: Views;
  readonly #hidden: HiddenImages;

  constructor({ tables, references, views, hidden }: PagesToApplyOptions) {
    this.#tables = tables;
    this.#references = references;
    this.#views = views;
    this.#hidden = hidden;
  }

  /** Pages that are not resident are loaded; those of a batch that had to wait are pinned into `pins`. */
  prepare(extents: readonly Extent[], pins: Set<TablePage>): MaybePromise<void> {
    return this.isReady(extents) ? undefined : this.#load(extents, pins);
  }

  /** Nothing has to be loaded to apply these. */
  isReady(extents: readonly Extent[]): boolean {
    for (const extent of extents) if (!this.#isResident(extent)) return false;
    return this.#references.isEmpty || !extents.some((extent) => this.#countsMissing(extent) !== undefined);
  }

  /** The pages stay until `unpin`, whatever the cache does meanwhile. All must be resident. */
  pin(extents: readonly Extent[], pins: Set<TablePage>): void {
    for (const extent of extents) {
      this.#everyPage(extent, (image, page) => this.#pinOne(this.#tables.resident(image, page), pins));
    }
  }

  unpin(pins: Set<TablePage>): void {
    for (const page of pins) this.#tables.unpin(page);
    pins.clear();
  }

  #isResident(extent: Extent): boolean {
    let all = true;
    this.#everyPage(extent, (image, page) => {
      if (all && this.#tables.resident(image, page) === undefined) all = false;
    });
    return all;
  }

  /** A place whose count may change by applying the extent, and cannot yet. The tables are resident. */
  #countsMissing(extent: Extent): number | undefined {
    const references = this.#references;
    if (extent.kind === 'share') {
      for (
        let at = extent.place;
        at < extent.place + extent.blocks;
        at += REFERENCE_PLACES - (at % REFERENCE_PLACES)
      )
        if (!references.isReady(at)) return at;
    }
    let missing: number | undefined;
    // Neighbours mostly lie in neighbouring places, whose counts are in one page.
    let readyFrom = 0;
    let readyEnd = 0;
    this.#everyPage(extent, (image, page) => {
      // What a merge or a sweep takes entries from is the hidden image; those over it lose none.
      if (missing !== undefined || (ofImage(extent) && image !== extent.vlun)) return;
      const places = this.#tables.resident(image, page)?.places;
      const [first, end] = blocksOf(extent, page);
      for (let at = first; places !== undefined && at < end; at += 1) {
        const place = places[at] as number;
        if (place < FIRST_DATA_PLACE || (place >= readyFrom && place < readyEnd)) continue;
        if (!references.isReady(place)) {
          missing = place;
          return;
        }
        readyFrom = place - (place % REFERENCE_PLACES);
        readyEnd = readyFrom + REFERENCE_PLACES;
      }
    });
    return missing;
  }

  async #loadCounts(extents: readonly Extent[]): Promise<void> {
    for (const extent of extents) {
      for (let at = this.#countsMissing(extent); at !== undefined; at = this.#countsMissing(extent)) {
        await this.#references.load(at);
      }
    }
  }

  /** Loads page by page; each is pinned before the next, which might push it out. */
  async #load(extents: readonly Extent[], pins: Set<TablePage>): Promise<void> {
    for (const extent of extents) {
      const missing: Array<{ image: number; page: number }> = [];
      this.#everyPage(extent, (image, page) => {
        const resident = this.#tables.resident(image, page);
        if (resident === undefined) missing.push({ image, page });
        else this.#pinOne(resident, pins);
      });
      for (const name of missing) await this.#loadOne(name, pins);
    }
    if (!this.#references.isEmpty) await this.#loadCounts(extents);
  }

  /** Between its load and this function's turn another load may have pushed the page out again. */
  async #loadOne(
    name: { readonly image: number; readonly page: number },
    pins: Set<TablePage>,
  ): Promise<void> {
    const { image, page } = name;
    for (;;) {
      const loaded = await this.#tables.page(image, page);
      if (loaded !== undefined && this.#tables.resident(image, page) !== loaded) continue;
      this.#pinOne(loaded, pins);
      return;
    }
  }

  #pinOne(page: TablePage | undefined, pins: Set<TablePage>): void {
    if (page === undefined || pins.has(page)) return;
    this.#tables.pin(page);
    pins.add(page);
  }

  /** Every table page with entries that applying the extent looks into. */
  #everyPage(extent: Extent, visit: (image: number, page: number) => void): void {
    if (extent.kind === 'reclaim') {
      if (this.#tables.hasEntries(extent.vlun, extent.block)) visit(extent.vlun, extent.block);
      return;
    }
    if (ofImage(extent)) {
      this.#hidden.everyPage(extent, visit);
      return;
    }
    const node = this.#views.node(extent.vlun);
    assert(node, `VLUN ${extent.vlun} exists`);
    const last = Math.floor((extent.block + extent.blocks - 1) / PAGE_BLOCKS);
    for (let page = Math.floor(extent.block / PAGE_BLOCKS); page <= last; page += 1) {
      if (this.#tables.hasEntries(node.vlun.live, page)) visit(node.vlun.live, page);
      for (const tracker of node.below) {
        if (this.#tables.hasEntries(tracker.vlun.live, page)) visit(tracker.vlun.live, page);
      }
    }
  }
}

/** Which blocks of a page the extent is about, up to but without the second; for an image all of them. */
function blocksOf(extent: Extent, page: number): readonly [first: number, end: number] {
  if (ofImage(extent)) return [0, PAGE_BLOCKS];
  const base = page * PAGE_BLOCKS;
  const end = Math.min(extent.block + extent.blocks - base, PAGE_BLOCKS);
  return [Math.max(0, extent.block - base), end];
}
