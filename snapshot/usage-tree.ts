/**
 * Space in a family that is no chain: clones, rolled back and tracking VLUNs; and in any family while a place
 * of the pool has several entries, which count as shared whoever has them. Every page of every image is
 * looked at: of each reader what it reads there, and of each image which blocks one reader alone reads. What
 * was counted holds until a write changes what is stored in one of the live images, or what is shared.
 */
import { bitsOf, countBits, noBits, overlay, type PageBits, ReadBits } from './page-bits.ts';
import { pagesAtOnce, pagesWithEntries, type Turns } from './page-walk.ts';
import type { PageWatcher } from './page-watchers.ts';
import type { ReferenceCounts } from './reference-counts.ts';
import type { Resolver } from './resolve.ts';
import { SharedPlaces } from './shared-places.ts';
import { PAGE_BLOCKS, type TablePage } from './table-page.ts';
import type { TableStore } from './table-store.ts';
import type { Figures } from './usage-chain.ts';
import type { Family } from './usage-families.ts';

interface Source {
  readonly tables: TableStore;
  readonly references: ReferenceCounts;
  readonly resolver: Resolver;
}

export interface TreeFigures {
  readonly figures: ReadonlyMap<string, Figures>;
  /** Nothing was stored or removed since the counting began. */
  readonly isCurrent: () => boolean;
  /** Nobody is going to ask any more. */
  readonly end: () => void;
}

export async function countTree(from: Source, family: Family, turns: Turns): Promise<TreeFigures> {
  const { tables, references } = from;
  const watch = new Watch();
  const { changes } = references;
  const end = (): void => {
    for (const image of family.liveImages) tables.watchers.delete(image, watch);
  };
  for (const image of family.liveImages) tables.watchers.add(image, watch);
  const pages = new TreePages(from, family);
  try {
    for (const page of pagesWithEntries(tables, family.images)) {
      await turns.pagesDone(await pages.count(page));
    }
  } catch (cause) {
    end();
    throw cause;
  }
  const isCurrent = (): boolean => !watch.isChanged && references.changes === changes;
  return { figures: pages.figures, isCurrent, end };
}

class Watch implements PageWatcher {
  isChanged = false;

  changed(): void {
    this.isChanged = true;
  }
}

/** Combinations of images that are remembered. */
const ALIKE_MAX = 4096;

/** An image as one reader reads it: which layer it is, and the block at which it ends. */
interface Layer {
  readonly reader: number;
  readonly position: number;
  readonly endBlock: number;
}

/** An image of which a reader reads this many blocks of the page. */
interface PageLayer {
  readonly image: number;
  readonly position: number;
  readonly end: number;
}

/** Readers that read the same layers of a page. */
interface Alike {
  readonly layers: readonly PageLayer[];
  readonly readers: number[];
}

class TreePages {
  readonly #from: Source;
  readonly #family: Family;
  readonly #shared: SharedPlaces;
  readonly #layersOf = new Map<number, Layer[]>();
  /** By the images that have entries, for pages in which nothing ends. */
  readonly #alikeOf = new Map<string, readonly Alike[]>();
  #firstEnd = Number.POSITIVE_INFINITY;
  readonly #referenced: number[];
  readonly #exclusive: number[];

  constructor(from: Source, family: Family) {
    this.#from = from;
    this.#family = family;
    this.#shared = new SharedPlaces(from.references);
    this.#referenced = family.readers.map(() => 0);
    this.#exclusive = family.readers.map(() => 0);
    for (const image of family.images) this.#layersOf.set(image, []);
    for (const [reader, { layers, endBlock }] of family.readers.entries()) {
      const { images, ends } = layers();
      for (const [position, image] of images.entries()) {
        const end = Math.min(endBlock, ends?.[position] ?? Number.POSITIVE_INFINITY);
        this.#firstEnd = Math.min(this.#firstEnd, end);
        this.#layersOf.get(image)?.push({ reader, position, endBlock: end });
      }
    }
  }

  get figures(): Map<string, Figures> {
    return new Map(
      this.#family.readers.map(({ key }, at) => [
        key,
        { referenced: this.#referenced[at] as number, exclusive: this.#exclusive[at] as number },
      ]),
    );
  }

  /** Returns the table pages seen. */
  async count(page: number): Promise<number> {
    const { images } = this.#family;
    this.#shared.trim();
    for (;;) {
      const found = pagesAtOnce(this.#from, { page, images, begin: () => undefined });
      const pages = found instanceof Promise ? await found : found;
      const missing = this.#shared.missing(pages);
      if (missing === undefined) {
        this.#count(page, new Map(pages.map((one) => [one.image, one])));
        return pages.length;
      }
      await this.#shared.load(missing);
    }
  }

  #count(page: number, pages: ReadonlyMap<number, TablePage>): void {
    const reads = new Map([...pages].map(([image, one]) => [image, new ReadBits(this.#shared.bitsOf(one))]));
    const seen = this.#alike(page, [...pages.keys()]).map(({ layers, readers }) => {
      const own = ownBits(layers, pages);
      for (const [image, bits] of own) reads.get(image)?.add(bits.data, readers.length);
      return { own, readers };
    });
    for (const { own, readers } of seen) {
      for (const [image, { data }] of own) {
        const blocks = countBits(data);
        for (const reader of readers)
          this.#referenced[reader] = (this.#referenced[reader] as number) + blocks;
        const [only] = readers;
        if (only === undefined) continue;
        const single = reads.get(image)?.countSingle(data) ?? 0;
        this.#exclusive[only] = (this.#exclusive[only] as number) + single;
      }
    }
  }

  /** Readers by what they read of the page, so that a thousand snapshots of which few differ cost few. */
  #alike(page: number, images: readonly number[]): readonly Alike[] {
    if ((page + 1) * PAGE_BLOCKS > this.#firstEnd) return this.#findAlike(page, images);
    const name = images.join();
    const found = this.#alikeOf.get(name) ?? this.#findAlike(page, images);
    if (this.#alikeOf.size < ALIKE_MAX) this.#alikeOf.set(name, found);
    return found;
  }

  #findAlike(page: number, images: readonly number[]): readonly Alike[] {
    const lists = new Map<number, PageLayer[]>();
    for (const image of images) {
      for (const { reader, position, endBlock } of this.#layersOf.get(image) ?? []) {
        const end = Math.min(PAGE_BLOCKS, endBlock - page * PAGE_BLOCKS);
        if (end <= 0) continue;
        const list = lists.get(reader);
        if (list === undefined) lists.set(reader, [{ image, position, end }]);
        else list.push({ image, position, end });
      }
    }
    const found = new Map<string, Alike>();
    for (const [reader, list] of lists) {
      const layers = list.sort((one, other) => one.position - other.position);
      const name = layers.map(({ image, end }) => `${image}:${end}`).join();
      const alike = found.get(name);
      if (alike === undefined) found.set(name, { layers, readers: [reader] });
      else alike.readers.push(reader);
    }
    return [...found.values()];
  }
}

/** Of each layer, the upper first, what no layer above it covers. */
function ownBits(
  layers: readonly PageLayer[],
  pages: ReadonlyMap<number, TablePage>,
): Array<readonly [number, PageBits]> {
  const covered: PageBits = { entries: noBits(), data: noBits() };
  const found: Array<readonly [number, PageBits]> = [];
  for (const { image, end } of layers) {
    const bits = bitsOf(pages.get(image) as TablePage, end);
    const own: PageBits = { entries: noBits(), data: bits.data };
    overlay(own, { entries: covered.entries, data: noBits() });
    found.push([image, own]);
    overlay(covered, bits);
  }
  return found;
}
