/**
 * Applying what the background does to hidden images (image-relations.ts), for the running pool and for
 * recovery alike:
 *
 *   merge   a page of a hidden image: its entries go to the only child, whose own entries win
 *   sweep   a page of a hidden image: the entries that every child overrides are given back
 *
 * No place moves on the medium, and nobody reads anything else afterwards.
 */
import type { Catalogue } from './catalogue.ts';
import { type HiddenImage, ImageRelations } from './image-relations.ts';
import type { Extent } from './journal-record.ts';
import { ABSENT, HOLE, PAGE_BLOCKS, type TablePage } from './table-page.ts';
import type { TableStore } from './table-store.ts';

export interface HiddenImagesOptions {
  readonly catalogue: Catalogue;
  readonly tables: TableStore;
  /** A place lost its entry. */
  readonly free: (place: number) => void;
}

export class HiddenImages {
  readonly #options: HiddenImagesOptions;
  #relations: ImageRelations | undefined;
  /** The version of the catalogue that `#relations` was found for. */
  #version = -1;

  constructor(options: HiddenImagesOptions) {
    this.#options = options;
  }

  /** As the catalogue is now. */
  get relations(): ImageRelations {
    const { catalogue } = this.#options;
    if (this.#relations === undefined || this.#version !== catalogue.version) {
      this.#version = catalogue.version;
      this.#relations = new ImageRelations({
        images: () => catalogue.images.values(),
        vluns: () => catalogue.vluns.values(),
        snapshots: () => catalogue.snapshots.values(),
      });
    }
    return this.#relations;
  }

  /** The extent still means something: no verb has come before it that dropped the image. */
  stands({ kind, vlun: image, place }: Extent): boolean {
    if (kind === 'merge') return this.relations.mergesInto(image, place);
    return kind !== 'sweep' || this.relations.sweeps.has(image);
  }

  /** The table pages that applying looks into. */
  everyPage(extent: Extent, visit: (image: number, page: number) => void): void {
    const { tables } = this.#options;
    const { vlun: image, block: page } = extent;
    if (!tables.hasEntries(image, page)) return;
    visit(image, page);
    for (const { id } of this.#hidden(extent)?.children ?? []) {
      if (tables.hasEntries(id, page)) visit(id, page);
    }
  }

  apply(extent: Extent): void {
    const { tables } = this.#options;
    const hidden = this.#hidden(extent);
    const page = tables.resident(extent.vlun, extent.block);
    if (hidden === undefined || page === undefined) return;
    if (extent.kind === 'merge') this.#merge(hidden, page);
    else this.#sweep(hidden, page);
  }

  #hidden({ kind, vlun: image }: Extent): HiddenImage | undefined {
    return (kind === 'merge' ? this.relations.merges : this.relations.sweeps).get(image);
  }

  #merge({ image, children }: HiddenImage, page: TablePage): void {
    const { tables, free } = this.#options;
    const [child] = children;
    if (child === undefined) return;
    const into = tables.resident(child.id, page.page);
    const end = (child.baseEnd ?? Number.POSITIVE_INFINITY) - page.page * PAGE_BLOCKS;
    const holes = image.base !== undefined || this.relations.following;
    page.each((at, place, sum) => {
      const hidden = at >= end || (into !== undefined && into.at(at) !== ABSENT);
      if (hidden) free(place);
      else if (place !== HOLE || holes) tables.put(child.id, page.page * PAGE_BLOCKS + at, place, sum);
    });
    tables.dropPage(image.id, page.page);
  }

  #sweep({ image, children }: HiddenImage, page: TablePage): void {
    const { tables, free } = this.#options;
    const over = children.map(({ id, baseEnd = Number.POSITIVE_INFINITY }) => ({
      page: tables.resident(id, page.page),
      end: baseEnd - page.page * PAGE_BLOCKS,
    }));
    const hidden: number[] = [];
    page.each((at, place) => {
      if (!over.every((one) => at >= one.end || (one.page !== undefined && one.page.at(at) !== ABSENT)))
        return;
      free(place);
      hidden.push(at);
    });
    for (const at of hidden) tables.remove(image.id, page.page * PAGE_BLOCKS + at);
  }
}
