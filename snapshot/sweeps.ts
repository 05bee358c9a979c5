/**
 * Which hidden images with several children are worth a sweep, and how far each sweep has come. An image is
 * swept once after each opening, and again when the images over it have gained a good part of what it holds
 * itself: only then can there be much that all of them override. Nothing of this is stored.
 */
import type { HiddenImage } from './image-relations.ts';
import { PAGE_BLOCKS } from './table-page.ts';
import type { TableStore } from './table-store.ts';

/** Pages of an image that one step looks at; the summaries are in memory. */
const LOOK_PAGES = 4096;
/** A sweep is worth it when the children gained this part of the image's entries. */
const WORTH_SHARE = 1 / 16;

interface Progress {
  /** The images over it when the sweep began. */
  children: string;
  /** What they stored then. */
  stored: number;
  /** The next page to look at; undefined: the sweep is complete. */
  at: number | undefined;
}

export class Sweeps {
  readonly #tables: TableStore;
  readonly #progress = new Map<number, Progress>();

  constructor(tables: TableStore) {
    this.#tables = tables;
  }

  next(sweeps: ReadonlyMap<number, HiddenImage>, but: ReadonlySet<number>): HiddenImage | undefined {
    for (const id of this.#progress.keys()) if (!sweeps.has(id)) this.#progress.delete(id);
    for (const hidden of sweeps.values()) {
      if (!but.has(hidden.image.id) && this.#due(hidden)) return hidden;
    }
    return undefined;
  }

  /** The next pages, at most so many, in which every child may override something. */
  pages(hidden: HiddenImage, pagesMax: number): number[] {
    const { image } = hidden;
    const progress = this.#progress.get(image.id);
    if (progress?.at === undefined) return [];
    const seen = this.#tables.pagesOf(image.id, progress.at, LOOK_PAGES);
    const found: number[] = [];
    for (const page of seen) {
      if (found.length === pagesMax) return found;
      progress.at = page + 1;
      if (this.#overridden(hidden, page)) found.push(page);
    }
    if (seen.length < LOOK_PAGES) progress.at = undefined;
    return found;
  }

  #due({ image, children }: HiddenImage): boolean {
    const { entries } = this.#tables.imageStats(image.id);
    if (entries === 0) return false;
    const names = children.map(({ id }) => id).join();
    let stored = 0;
    for (const { id } of children) stored += this.#tables.imageStats(id).entries;
    const progress = this.#progress.get(image.id);
    if (progress?.children === names) {
      if (progress.at !== undefined) return true;
      if (stored - progress.stored < Math.max(PAGE_BLOCKS, entries * WORTH_SHARE)) return false;
    }
    this.#progress.set(image.id, { children: names, stored, at: 0 });
    return true;
  }

  #overridden({ children }: HiddenImage, page: number): boolean {
    return children.every(
      ({ id, baseEnd = Number.POSITIVE_INFINITY }) =>
        baseEnd < (page + 1) * PAGE_BLOCKS || this.#tables.hasEntries(id, page),
    );
  }
}
