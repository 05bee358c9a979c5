/**
 * What a WRITE record means, for the running pool and for recovery alike. The image is the VLUN's live
 * image at that place of the journal.
 *
 *   write        whole blocks: put into the live image; every tracker below loses its entry (P5, P10)
 *   hole         the same for blocks that read as zeroes from now on
 *   patch        a block merged for a write of part of it: put; trackers keep their entries, whose own
 *                patched contents stand as further patches of the same record (P11)
 *   patch-hole   the same for zeroes
 *   move         as patch, with nothing to follow: the bytes are those that the live image has already
 *   share        as write, but what the places hold was stored before: each has one entry more, from the
 *                begin of the record on
 *   reclaim      a page of a dropped image: its blocks are given back
 *   merge, sweep a page of a hidden image (apply-merge.ts)
 *
 * A hole is stored only where something below may have data, for this VLUN or for one that tracks it;
 * elsewhere the entry is removed.
 *
 * A place that loses an entry is free when that was its last (reference-counts.ts).
 *
 * Applying is synchronous: `pages` makes resident what is looked into (apply-pages.ts).
 */
import assert from 'node:assert';
import type { Allocator } from './allocator.ts';
import { HiddenImages } from './apply-merge.ts';
import { PagesToApply } from './apply-pages.ts';
import type { Catalogue } from './catalogue.ts';
import type { FreedPlaces } from './free.ts';
import { type Extent, ofImage } from './journal-record.ts';
import type { PendingRecord } from './journal-writer.ts';
import type { ReferenceCounts } from './reference-counts.ts';
import type { Resolver } from './resolve.ts';
import { ABSENT, FIRST_DATA_PLACE, HOLE, PAGE_BLOCKS } from './table-page.ts';
import type { TableStore } from './table-store.ts';
import type { Views, VlunNode } from './views.ts';

export interface ApplierOptions {
  readonly catalogue: Catalogue;
  readonly tables: TableStore;
  readonly allocator: Allocator;
  readonly references: ReferenceCounts;
  readonly views: Views;
  readonly resolver: Resolver;
  readonly freed: FreedPlaces;
}

const NOTHING = { place: ABSENT, sum: 0 } as const;

export class Applier {
  readonly hidden: HiddenImages;
  readonly pages: PagesToApply;
  readonly #tables: TableStore;
  readonly #allocator: Allocator;
  readonly #references: ReferenceCounts;
  readonly #views: Views;
  readonly #resolver: Resolver;
  readonly #freed: FreedPlaces;
  /** The record being applied. */
  #sequence = 0;
  /** The run of places that lose an entry, as far as it has come. */
  #freePlace = 0;
  #freeBlocks = 0;
  /** Places that work of the background frees are gathered, since they lie all over the data space. */
  #gathering = false;
  #gathered: number[] = [];
  readonly #lostLast = (place: number, blocks: number): void => {
    if (!this.#gathering) this.#freeRun(place, blocks);
    else for (let i = 0; i < blocks; i += 1) this.#gathered.push(place + i);
  };

  constructor(options: ApplierOptions) {
    this.#tables = options.tables;
    this.#allocator = options.allocator;
    this.#references = options.references;
    this.#views = options.views;
    this.#resolver = options.resolver;
    this.#freed = options.freed;
    const { catalogue, tables } = options;
    this.hidden = new HiddenImages({ catalogue, tables, free: (place) => this.#free(place) });
    this.pages = new PagesToApply({ ...options, hidden: this.hidden });
  }

  /** Everything prepared so far was applied, or will not be. */
  ended(): void {
    this.#references.trim();
  }

  /** Changes the tables as the record of this sequence says. */
  apply({ sequence, extents, sums, lent }: PendingRecord): void {
    this.#sequence = sequence;
    // What the record shares may be what it takes an entry from: no place goes that still gets one.
    for (const { kind, place, blocks } of extents)
      if (kind === 'share') this.#references.share(place, blocks);
    let sumAt = 0;
    for (const extent of extents) {
      if (ofImage(extent)) {
        this.#gathering = true;
        this.#resolver.touching(extent.block);
        if (extent.kind === 'reclaim') this.#dropPage(extent.vlun, extent.block);
        else this.hidden.apply(extent);
        continue;
      }
      const node = this.#views.node(extent.vlun);
      assert(node, `record ${sequence} changes VLUN ${extent.vlun}, which exists`);
      if (extent.kind === 'hole' || extent.kind === 'patch-hole') {
        this.#clear(node, extent);
        continue;
      }
      if (extent.kind === 'share') this.#share(node, extent, { sums, from: sumAt, lent });
      else this.#store(node, extent, { sums, from: sumAt });
      sumAt += extent.blocks;
    }
    this.#endFreeing();
    if (this.#gathering) this.#freeGathered();
  }

  #store(
    node: VlunNode,
    extent: Extent,
    data: { readonly sums: ArrayLike<number>; readonly from: number },
  ): void {
    const { live } = node.vlun;
    this.#allocator.reference(extent.place, extent.blocks);
    const followers = node.below.length > 0;
    for (let i = 0; i < extent.blocks; i += 1) {
      const block = extent.block + i;
      const entry = { place: extent.place + i, sum: data.sums[data.from + i] as number };
      if (i === 0 || block % PAGE_BLOCKS === 0) this.#resolver.touching(Math.floor(block / PAGE_BLOCKS));
      this.#free(this.#tables.put(live, block, entry.place, entry.sum));
      this.#resolver.changed(node, block, entry);
      if (followers) this.#follow(node, { block, entry, whole: extent.kind === 'write' });
    }
  }

  /** Page by page, since copies are long: 38 ns a block would already be 100 ms for ten gibibytes. */
  #share(
    node: VlunNode,
    extent: Extent,
    data: Pick<PendingRecord, 'sums' | 'lent'> & { readonly from: number },
  ): void {
    const { live } = node.vlun;
    const free = (place: number): void => this.#free(place);
    const sums = data.sums instanceof Uint32Array ? data.sums : Uint32Array.from(data.sums);
    for (let done = 0; done < extent.blocks; ) {
      const block = extent.block + done;
      const page = Math.floor(block / PAGE_BLOCKS);
      const blocks = Math.min(extent.blocks - done, (page + 1) * PAGE_BLOCKS - block);
      this.#resolver.touching(page);
      const run = { block, blocks, place: extent.place + done };
      const lent = blocks === PAGE_BLOCKS ? data.lent?.get(page) : undefined;
      this.#tables.putRun(live, run, { sums, from: data.from + done, lent, free });
      this.#resolver.drop(node, page);
      for (const tracker of node.below) this.#forgetRun(tracker, run);
      done += blocks;
    }
  }

  /** P5 and P10, for blocks of one page that were changed whole above. */
  #forgetRun(tracker: VlunNode, run: { readonly block: number; readonly blocks: number }): void {
    const { live } = tracker.vlun;
    const page = Math.floor(run.block / PAGE_BLOCKS);
    if (run.blocks === PAGE_BLOCKS) this.#dropPage(live, page);
    for (let i = 0; i < run.blocks && this.#tables.hasEntries(live, page); i += 1) {
      this.#free(this.#tables.remove(live, run.block + i));
    }
    this.#resolver.drop(tracker, page);
  }

  #clear(node: VlunNode, extent: Extent): void {
    const whole = extent.kind === 'hole';
    const end = extent.block + extent.blocks;
    for (let block = extent.block; block < end; ) {
      const page = Math.floor(block / PAGE_BLOCKS);
      const pageEnd = Math.min(end, (page + 1) * PAGE_BLOCKS);
      this.#resolver.touching(page);
      const covers = this.#somethingBelow(node, page);
      const stored = this.#tables.hasEntries(node.vlun.live, page);
      for (; block < pageEnd; block += 1) {
        if (covers) this.#free(this.#tables.put(node.vlun.live, block, HOLE, 0));
        else if (stored) this.#free(this.#tables.remove(node.vlun.live, block));
        this.#resolver.changed(node, block, NOTHING);
        if (node.below.length > 0) this.#follow(node, { block, entry: NOTHING, whole });
      }
    }
  }

  /** Some list in which the live image occurs has entries of this page after it. */
  #somethingBelow(node: VlunNode, page: number): boolean {
    if (this.#anyAfter(node.layers.images, { image: node.vlun.live, page })) return true;
    for (const tracker of node.below) {
      if (this.#anyAfter(tracker.layers.images, { image: node.vlun.live, page })) return true;
    }
    return false;
  }

  #anyAfter(layers: Int32Array, from: { readonly image: number; readonly page: number }): boolean {
    const first = layers.indexOf(from.image);
    for (let at = layers.length - 1; at > first; at -= 1) {
      if (this.#tables.hasEntries(layers[at] as number, from.page)) return true;
    }
    return false;
  }

  /** P5 and P10: what the trackers below have and read once this block changed above them. */
  #follow(
    node: VlunNode,
    change: { block: number; entry: { place: number; sum: number }; whole: boolean },
  ): void {
    const { block, entry, whole } = change;
    const page = Math.floor(block / PAGE_BLOCKS);
    for (const tracker of node.children) {
      const { live } = tracker.vlun;
      if (this.#tables.hasEntries(live, page)) {
        if (whole) this.#free(this.#tables.remove(live, block));
        else if (this.#hasEntry(live, block)) continue;
      }
      this.#resolver.changed(tracker, block, entry);
      if (tracker.children.length > 0) this.#follow(tracker, change);
    }
  }

  #hasEntry(image: number, block: number): boolean {
    const page = this.#tables.resident(image, Math.floor(block / PAGE_BLOCKS));
    return page !== undefined && page.at(block % PAGE_BLOCKS) !== ABSENT;
  }

  /** Every entry of the page goes. */
  #dropPage(image: number, page: number): void {
    if (!this.#tables.hasEntries(image, page)) return;
    const resident = this.#tables.resident(image, page);
    assert(resident, 'a page that is dropped was made resident');
    resident.each((_, place) => this.#free(place));
    this.#tables.dropPage(image, page);
  }

  /** The place loses an entry. Neighbours mostly do so together, and are looked up together. */
  #free(place: number): void {
    if (place < FIRST_DATA_PLACE) return;
    if (place === this.#freePlace + this.#freeBlocks) {
      this.#freeBlocks += 1;
      return;
    }
    this.#endFreeing();
    this.#freePlace = place;
    this.#freeBlocks = 1;
  }

  #endFreeing(): void {
    const [place, blocks] = [this.#freePlace, this.#freeBlocks];
    if (blocks === 0) return;
    this.#freePlace = 0;
    this.#freeBlocks = 0;
    if (this.#references.isEmpty) this.#lostLast(place, blocks);
    else this.#references.release(place, blocks, this.#lostLast);
  }

  /** In order: the allocator is at one group of places after the other, and not at another for each. */
  #freeGathered(): void {
    const places = Float64Array.from(this.#gathered).sort();
    this.#gathering = false;
    this.#gathered = [];
    for (let at = 0; at < places.length; ) {
      const first = places[at] as number;
      let blocks = 1;
      while (places[at + blocks] === first + blocks) blocks += 1;
      this.#freeRun(first, blocks);
      at += blocks;
    }
  }

  #freeRun(place: number, blocks: number): void {
    this.#allocator.release(place, blocks);
    this.#freed.add({ place, blocks }, this.#sequence);
  }
}
