/**
 * Space in a chain of images, exact and current. A snapshot adds what it gained over the one below it, so
 * what a reader refers to is a sum along the chain; what of its own data the next group hides is read by it
 * alone.
 *
 *   gained   blocks of data read with the group, less those read without it
 *   hidden   blocks of data of the group right below that have an entry in this one
 *   own      blocks of data that are read from this group
 *
 * Of the lowest image all three follow from its own counters. What else is frozen is counted once: as merging
 * takes place inside a group, it changes none of the three. Of the live image each page is counted by itself;
 * a write marks its page, and marked pages are counted anew before anybody is told. When a snapshot goes, the
 * groups around it are counted again.
 */
import { bitsOf, countBits, countCommon, noBits, overlay, type PageBits } from './page-bits.ts';
import { NO_COUNT, type PageCount, PageCounts } from './page-counts.ts';
import { pagesAtOnce, pagesWithEntries, type Turns } from './page-walk.ts';
import type { Resolver } from './resolve.ts';
import type { TablePage } from './table-page.ts';
import type { TableStore } from './table-store.ts';
import type { Group } from './usage-families.ts';

/** Blocks that a reader refers to, and those among them that nobody else does. */
export interface Figures {
  readonly referenced: number;
  readonly exclusive: number;
}

interface Counted {
  /** Of two countings of a group the one that began later counts. */
  readonly number: number;
  /** The last images of the two groups below when it was counted. */
  readonly below: readonly [number | undefined, number | undefined];
  gained: number;
  hidden: number;
  own: number;
  /** Of an image that is written to, or was not counted yet as it was when it was frozen. */
  pages: PageCounts | undefined;
}

/** Pages of one group that are counted before marks are looked for again. */
const MARKED_AT_ONCE = 4096;
/** How often new marks are followed before the figures are said to be of a moment ago. */
const ROUNDS_MAX = 8;

export class ChainCounts {
  readonly #from: { readonly tables: TableStore; readonly resolver: Resolver };
  /** By the last image of the group. */
  readonly #counted = new Map<number, Counted>();
  #countings = 0;

  constructor(from: { readonly tables: TableStore; readonly resolver: Resolver }) {
    this.#from = from;
  }

  /** Counts what is missing or marked. False where writes were faster. */
  async bring(chain: readonly Group[], turns: Turns): Promise<boolean> {
    const missing = chain.map((_, at) => at).filter((at) => !this.#isCounted(chain, at));
    const page = new ChainPage(this.#from, chain);
    if (missing.length > 0) await this.#countAll(page, missing, turns);
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      if (!(await this.#countMarked(page, turns))) return true;
    }
    return false;
  }

  figures(chain: readonly Group[]): Map<string, Figures> {
    const found = new Map<string, Figures>();
    let referenced = 0;
    for (const [at, group] of chain.entries()) {
      const counted = this.#ofCounters(chain, at) ?? this.#of(group);
      const over = chain[at + 1];
      referenced += counted?.gained ?? 0;
      const exclusive = (over === undefined ? counted?.own : this.#of(over)?.hidden) ?? 0;
      found.set(group.reader.key, { referenced, exclusive });
    }
    return found;
  }

  /** Of images that are gone, or no longer part of a chain. */
  forget(still: (image: number) => boolean): void {
    for (const image of this.#counted.keys()) {
      if (!still(image)) this.#drop(image);
    }
  }

  #drop(image: number): void {
    this.#unwatch(image, this.#counted.get(image));
    this.#counted.delete(image);
  }

  #unwatch(image: number, counted: Counted | undefined): void {
    if (counted?.pages !== undefined) this.#from.tables.watchers.delete(image, counted.pages);
  }

  #of(group: Group): Counted | undefined {
    return this.#counted.get(lastOf(group));
  }

  #isCounted(chain: readonly Group[], at: number): boolean {
    if (chain[at]?.live === true && this.#ofCounters(chain, at) !== undefined) return true;
    const group = chain[at] as Group;
    const counted = this.#of(group);
    if (counted === undefined) return false;
    const [below, further] = belowOf(chain, at);
    return counted.below[0] === below && counted.below[1] === further;
  }

  async #countAll(page: ChainPage, missing: readonly number[], turns: Turns): Promise<void> {
    const { tables } = this.#from;
    this.#countings += 1;
    const known = new Map<number, Counted>();
    const targets = new Map<number, Counted>();
    for (const at of missing) {
      const found = this.#ofCounters(page.chain, at) ?? this.#fused(page.chain, at);
      if (found !== undefined) known.set(at, found);
      else targets.set(at, this.#begun(page.chain, at));
    }
    for (const at of missing) this.#drop(lastOf(page.chain[at] as Group));
    const images = [...targets.keys()].flatMap((at) => page.chain[at]?.images ?? []);
    try {
      for (const number of pagesWithEntries(tables, images)) {
        await turns.pagesDone(await page.count(number, targets));
      }
    } catch (cause) {
      for (const [at, counted] of targets) this.#unwatch(lastOf(page.chain[at] as Group), counted);
      throw cause;
    }
    for (const [at, counted] of [...known, ...targets]) this.#keep(lastOf(page.chain[at] as Group), counted);
  }

  #keep(image: number, counted: Counted): void {
    const present = this.#counted.get(image);
    if (present !== undefined && present.number > counted.number) {
      this.#unwatch(image, counted);
      return;
    }
    this.#drop(image);
    this.#counted.set(image, counted);
  }

  #begun(chain: readonly Group[], at: number): Counted {
    const group = chain[at] as Group;
    const pages = group.live ? new PageCounts() : undefined;
    if (pages !== undefined) this.#from.tables.watchers.add(lastOf(group), pages);
    return { number: this.#countings, below: belowOf(chain, at), ...NO_COUNT, pages };
  }

  /** One image with nothing below it. */
  #ofCounters(chain: readonly Group[], at: number): Counted | undefined {
    const [image, more] = chain[at]?.images ?? [];
    if (at > 0 || image === undefined || more !== undefined) return undefined;
    const { data } = this.#from.tables.imageStats(image);
    const counted = { gained: data, hidden: 0, own: data, pages: undefined };
    return { number: this.#countings, below: belowOf(chain, at), ...counted };
  }

  /** The lowest snapshot went, as retention has it: what was counted of the two groups tells about both. */
  #fused(chain: readonly Group[], at: number): Counted | undefined {
    const group = chain[at] as Group;
    const upper = this.#of(group);
    const below = upper?.below[0];
    const lower = below === undefined ? undefined : this.#counted.get(below);
    if (at > 0 || upper === undefined || lower === undefined || lower.below[0] !== undefined)
      return undefined;
    if (group.live || upper.pages !== undefined || lower.pages !== undefined) return undefined;
    if (!group.images.includes(below as number)) return undefined;
    return {
      number: this.#countings,
      below: [undefined, undefined],
      gained: lower.gained + upper.gained,
      hidden: 0,
      own: lower.own + upper.own - upper.hidden,
      pages: undefined,
    };
  }

  /** Whether anything was marked. */
  async #countMarked(page: ChainPage, turns: Turns): Promise<boolean> {
    let any = false;
    for (const [at, group] of page.chain.entries()) {
      const counted = this.#of(group);
      if (counted?.pages === undefined) continue;
      const targets = new Map([[at, counted]]);
      for (const number of counted.pages.markedPages(MARKED_AT_ONCE)) {
        any = true;
        await turns.pagesDone(await page.count(number, targets));
      }
      if (group.live || counted.pages.marked > 0) continue;
      this.#unwatch(lastOf(group), counted);
      counted.pages = undefined;
    }
    return any;
  }
}

/** One chain, and how one page of it is counted. */
class ChainPage {
  readonly chain: readonly Group[];
  readonly #from: { readonly tables: TableStore; readonly resolver: Resolver };
  /** The lowest first. */
  readonly #images: readonly number[];
  readonly #groupOf = new Map<number, number>();

  constructor(from: { readonly tables: TableStore; readonly resolver: Resolver }, chain: readonly Group[]) {
    this.#from = from;
    this.chain = chain;
    this.#images = chain.flatMap(({ images }) => images);
    for (const [at, { images }] of chain.entries()) for (const image of images) this.#groupOf.set(image, at);
  }

  /**
   * Corrects what was counted of these groups by what they have in the page now. Returns the table pages
   * seen.
   */
  async count(page: number, targets: ReadonlyMap<number, Counted>): Promise<number> {
    const begin = (): void => {
      for (const { pages } of targets.values()) pages?.unmark(page);
    };
    const found = pagesAtOnce(this.#from, { page, images: this.#images, begin });
    const pages = found instanceof Promise ? await found : found;
    const counts = this.#countsOf(pages, targets);
    for (const [at, counted] of targets) correct(counted, page, counts.get(at) ?? NO_COUNT);
    return pages.length;
  }

  #countsOf(
    pages: readonly TablePage[],
    targets: ReadonlyMap<number, Counted>,
  ): ReadonlyMap<number, PageCount> {
    const counts = new Map<number, PageCount>();
    const read: PageBits = { entries: noBits(), data: noBits() };
    let below = { at: -2, data: noBits() };
    for (let i = 0; i < pages.length; ) {
      const at = this.#groupOf.get((pages[i] as TablePage).image) as number;
      const bits: PageBits = { entries: noBits(), data: noBits() };
      for (; i < pages.length && this.#groupOf.get((pages[i] as TablePage).image) === at; i += 1) {
        overlay(bits, bitsOf(pages[i] as TablePage));
      }
      if (targets.has(at)) {
        const own = countBits(bits.data);
        const gained = own - countCommon(bits.entries, read.data);
        const hidden = below.at === at - 1 ? countCommon(bits.entries, below.data) : 0;
        counts.set(at, { gained, hidden, own });
      }
      overlay(read, bits);
      below = { at, data: bits.data };
    }
    return counts;
  }
}

function correct(counted: Counted, page: number, now: PageCount): void {
  const before = counted.pages?.of(page) ?? NO_COUNT;
  counted.gained += now.gained - before.gained;
  counted.hidden += now.hidden - before.hidden;
  counted.own += now.own - before.own;
  counted.pages?.put(page, now);
}

function lastOf({ images }: Group): number {
  return images.at(-1) as number;
}

function belowOf(chain: readonly Group[], at: number): readonly [number | undefined, number | undefined] {
  const last = (group: Group | undefined): number | undefined => group?.images.at(-1);
  return at === 0
    ? [undefined, undefined]
    : [last(chain[at - 1]), at === 1 ? undefined : last(chain[at - 2])];
}
