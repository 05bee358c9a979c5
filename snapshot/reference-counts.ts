/**
 * How many table entries point at a place, over all images. Nearly all have one, and of those nothing is
 * stored: absent means one. A copy by reference gives a place another entry, and a place that loses an entry
 * is free only when that was its last.
 *
 * Counts are kept in pages of 512 places (`reference-page.ts`), paged like tables: which pages there are is
 * always in memory, in the same form as an image's summary (`summary.ts`), so that nobody loads a page to
 * learn that a place is not shared. Pages are changed in memory in journal order, and stored by a checkpoint.
 *
 * Who changes counts makes the pages resident first (`load`), and nothing is evicted before `trim`, which the
 * pipeline calls when no batch is under way.
 */
import assert from 'node:assert';
import type { MaybePromise } from '../lun/units.ts';
import type { Checksum } from './checksum.ts';
import { ChangeTracker, type StructureCheckpoint } from './copy-on-change.ts';
import { KEYS, numberOfKey, referenceKey } from './keys.ts';
import type { MetaSpace } from './medium/medium.ts';
import { ReferenceCheckpoint } from './reference-checkpoint.ts';
import {
  corruptReferences,
  decodeReferences,
  REFERENCE_PLACES,
  REFERENCE_RESIDENT_BYTES,
  ReferencePage,
} from './reference-page.ts';
import { CHUNK_PAGES, SummaryChunk } from './summary.ts';
import { scanAll } from './table-load.ts';

export interface ReferenceCountsOptions {
  readonly meta: MetaSpace;
  readonly checksum: Checksum;
  /** Clean pages are evicted while the resident ones exceed this; 32 MiB unless told. */
  readonly cacheBytes?: number;
}

const CACHE_BYTES = 32 * 1024 * 1024;
/** The image that the summary names; no image has the number. */
const NO_IMAGE = 0;

export class ReferenceCounts {
  readonly #meta: MetaSpace;
  readonly #checksum: Checksum;
  readonly #cacheBytes: number;
  /** Resident pages, the first loaded first. One that shares nothing stays until its removal is stored. */
  readonly #pages = new Map<number, ReferencePage>();
  readonly #chunks = new Map<number, SummaryChunk>();
  readonly #pageChanges: ChangeTracker<ReferencePage>;
  readonly #chunkChanges: ChangeTracker<SummaryChunk>;
  /** How often a place became shared, or is shared no longer. */
  changes = 0;
  /** Pages in which a place is shared. */
  #count = 0;
  /** The page of the last change, since changes come in runs. */
  #last: ReferencePage | undefined;

  private constructor(options: ReferenceCountsOptions) {
    this.#meta = options.meta;
    this.#checksum = options.checksum;
    this.#cacheBytes = options.cacheBytes ?? CACHE_BYTES;
    this.#pageChanges = new ChangeTracker<ReferencePage>({
      copy: (page) => page.copy(),
      becameClean: (page) => {
        if (page.shared === 0) this.#forget(page);
      },
    });
    this.#chunkChanges = new ChangeTracker<SummaryChunk>({
      copy: (chunk) => chunk.copy(),
      becameClean: (chunk) => {
        if (chunk.count === 0) this.#chunks.delete(chunk.chunk);
      },
    });
  }

  /** Reads which pages there are; they are loaded when they are needed. */
  static async load(options: ReferenceCountsOptions): Promise<ReferenceCounts> {
    const counts = new ReferenceCounts(options);
    await scanAll(options.meta, KEYS.referenceSummary, (key, value) => {
      const name = { image: NO_IMAGE, chunk: numberOfKey(key) };
      const chunk = SummaryChunk.decode(value, name, options.checksum);
      counts.#chunks.set(chunk.chunk, chunk);
      counts.#count += chunk.count;
    });
    return counts;
  }

  /** No place is shared. */
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Pages changed since the last checkpoint began. */
  get dirtyPages(): number {
    return this.#pageChanges.changedCount;
  }

  get residentBytes(): number {
    return this.#pages.size * REFERENCE_RESIDENT_BYTES;
  }

  /** Nothing has to be loaded to change the count of this place. */
  isReady(place: number): boolean {
    const page = Math.floor(place / REFERENCE_PLACES);
    return this.#pages.has(page) || !this.#isStored(page);
  }

  /** Whether the place has several entries. To be asked where it is ready. */
  isShared(place: number): boolean {
    const page = this.#pages.get(Math.floor(place / REFERENCE_PLACES));
    return page !== undefined && page.beyondAt(place % REFERENCE_PLACES) !== 0;
  }

  /** The stored page of a place that is not ready, for looking at it only; none stays resident for it. */
  peek(place: number): MaybePromise<ReferencePage> {
    const number = Math.floor(place / REFERENCE_PLACES);
    const decode = (bytes: Uint8Array | undefined): ReferencePage => {
      const resident = this.#pages.get(number);
      if (resident !== undefined) return resident;
      if (bytes !== undefined) return decodeReferences(bytes, number, this.#checksum);
      if (this.#isStored(number)) throw corruptReferences(number, 'it is missing');
      return new ReferencePage(number);
    };
    const found = this.#meta.get(referenceKey(number));
    return found instanceof Promise ? found.then(decode) : decode(found);
  }

  /** Makes the page of this place resident. Fails with the store errors CORRUPT and IO. */
  load(place: number): MaybePromise<void> {
    const number = Math.floor(place / REFERENCE_PLACES);
    if (this.isReady(place)) return undefined;
    const found = this.#meta.get(referenceKey(number));
    if (found instanceof Promise) return found.then((bytes) => this.#loaded(number, bytes));
    return this.#loaded(number, found);
  }

  /** Each of these places has one entry more. Their pages are resident. */
  share(place: number, blocks: number): void {
    const end = place + blocks;
    for (let at = place; at < end; ) {
      const page = this.#pageToChange(Math.floor(at / REFERENCE_PLACES));
      const base = page.number * REFERENCE_PLACES;
      const pageEnd = Math.min(end, base + REFERENCE_PLACES);
      const { shared } = page;
      page.add(at - base, pageEnd - base, 1);
      at = pageEnd;
      if (shared === 0) this.#added(page);
      if (page.shared !== shared) this.changes += 1;
    }
  }

  /**
   * Each of these places loses an entry; `last` is told those for which it was the last. Their pages are
   * resident.
   */
  release(place: number, blocks: number, last: (place: number, blocks: number) => void): void {
    const end = place + blocks;
    for (let at = place; at < end; ) {
      const number = Math.floor(at / REFERENCE_PLACES);
      const base = number * REFERENCE_PLACES;
      const pageEnd = Math.min(end, base + REFERENCE_PLACES);
      const page = this.#last?.number === number ? this.#last : this.#pages.get(number);
      if (page === undefined) {
        assert(!this.#isStored(number), 'counts are resident when they are changed');
        last(at, pageEnd - at);
        at = pageEnd;
        continue;
      }
      const alikeEnd = base + page.alikeUntil(at - base, pageEnd - base);
      if (page.beyondAt(at - base) === 0) last(at, alikeEnd - at);
      else this.#take(page, at - base, alikeEnd - base);
      at = alikeEnd;
    }
  }

  /** Evicts clean pages until the rest fits the bound. Not between a load and what it was for. */
  trim(): void {
    if (this.residentBytes <= this.#cacheBytes) return;
    for (const page of this.#pages.values()) {
      if (page.changedIn !== 0) continue;
      this.#forget(page);
      if (this.residentBytes <= this.#cacheBytes) return;
    }
  }

  /** Freezes the counts of now; later changes do not show in it. */
  beginCheckpoint(): StructureCheckpoint {
    return new ReferenceCheckpoint({
      pages: this.#pageChanges,
      chunks: this.#chunkChanges,
      checksum: this.#checksum,
    });
  }

  #isStored(page: number): boolean {
    return this.#chunks.get(Math.floor(page / CHUNK_PAGES))?.has(page % CHUNK_PAGES) ?? false;
  }

  #loaded(number: number, bytes: Uint8Array | undefined): void {
    if (this.#pages.has(number)) return;
    if (bytes === undefined) throw corruptReferences(number, 'it is missing');
    this.#pages.set(number, decodeReferences(bytes, number, this.#checksum));
  }

  #pageToChange(number: number): ReferencePage {
    let page = this.#last?.number === number ? this.#last : this.#pages.get(number);
    if (page === undefined) {
      assert(!this.#isStored(number), 'counts are resident when they are changed');
      page = new ReferencePage(number);
      this.#pages.set(number, page);
    }
    this.#last = page;
    this.#pageChanges.changing(page);
    return page;
  }

  #take(page: ReferencePage, first: number, end: number): void {
    this.#last = page;
    this.#pageChanges.changing(page);
    const { shared } = page;
    page.take(first, end);
    if (page.shared !== shared) this.changes += 1;
    if (page.shared === 0) this.#removed(page);
  }

  #added(page: ReferencePage): void {
    const number = Math.floor(page.number / CHUNK_PAGES);
    let chunk = this.#chunks.get(number);
    if (chunk === undefined) {
      chunk = new SummaryChunk({ image: NO_IMAGE, chunk: number });
      this.#chunks.set(number, chunk);
    }
    this.#chunkChanges.changing(chunk);
    chunk.add(page.number % CHUNK_PAGES);
    this.#count += 1;
  }

  #removed(page: ReferencePage): void {
    const chunk = this.#chunks.get(Math.floor(page.number / CHUNK_PAGES)) as SummaryChunk;
    this.#chunkChanges.changing(chunk);
    chunk.delete(page.number % CHUNK_PAGES);
    this.#count -= 1;
  }

  #forget(page: ReferencePage): void {
    if (this.#last === page) this.#last = undefined;
    this.#pages.delete(page.number);
  }
}
