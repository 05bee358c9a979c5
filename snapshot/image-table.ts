/**
 * What the table store keeps in memory of one image: its resident pages, its summary (which pages have
 * entries) and its counters.
 *
 * Stored form of the counters, little-endian, 32 bytes:
 *
 *     0  u32  checksum of everything behind it
 *     4  u8   version, 1
 *     5  3 bytes zero
 *     8  u32  image
 *    12  u32  zero
 *    16  u64  entries: blocks stored in this image, holes included
 *    24  u64  data: those with a place
 */
import { StoreError } from '../lun/errors.ts';
import type { Checksum } from './checksum.ts';
import type { ChangeTracker, TrackedItem } from './copy-on-change.ts';
import { CHUNK_PAGES, SummaryChunk } from './summary.ts';
import type { TablePage } from './table-page.ts';

const VERSION = 1;
const STATS_BYTES = 32;

export class ImageStats implements TrackedItem {
  readonly image: number;
  entries = 0;
  data = 0;
  changedIn = 0;
  encodedIn = 0;

  constructor(image: number) {
    this.image = image;
  }

  copy(): ImageStats {
    const copy = new ImageStats(this.image);
    copy.entries = this.entries;
    copy.data = this.data;
    return copy;
  }

  encode(checksum: Checksum): Uint8Array {
    const bytes = new Uint8Array(STATS_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint8(4, VERSION);
    view.setUint32(8, this.image, true);
    view.setBigUint64(16, BigInt(this.entries), true);
    view.setBigUint64(24, BigInt(this.data), true);
    view.setUint32(0, checksum(bytes.subarray(4)), true);
    return bytes;
  }

  /** The counters stored for `image`; anything else in `bytes` is the store error CORRUPT. */
  static decode(bytes: Uint8Array, image: number, checksum: Checksum): ImageStats {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const sound =
      bytes.byteLength === STATS_BYTES &&
      checksum(bytes.subarray(4)) === view.getUint32(0, true) &&
      view.getUint8(4) === VERSION &&
      view.getUint32(8, true) === image;
    if (!sound) throw new StoreError('CORRUPT', `The counters of image ${image} are damaged.`);
    const stats = new ImageStats(image);
    stats.entries = Number(view.getBigUint64(16, true));
    stats.data = Number(view.getBigUint64(24, true));
    return stats;
  }
}

export class ImageTable {
  readonly image: number;
  readonly stats: ImageStats;
  /** Resident pages by number. One without entries stays until its removal is stored. */
  readonly pages = new Map<number, TablePage>();
  /** Loads under way by page; nothing changes such a page before its load has ended. */
  readonly loading = new Map<number, Promise<unknown>>();
  readonly #chunks = new Map<number, SummaryChunk>();
  /** Numbers of the chunks, ascending; undefined when one was added since. */
  #chunkNumbers: number[] | undefined;

  constructor(stats: ImageStats) {
    this.image = stats.image;
    this.stats = stats;
  }

  has(page: number): boolean {
    const chunk = this.#chunks.get(Math.floor(page / CHUNK_PAGES));
    return chunk?.has(page % CHUNK_PAGES) ?? false;
  }

  addPage(page: number, tracker: ChangeTracker<SummaryChunk>): void {
    const number = Math.floor(page / CHUNK_PAGES);
    let chunk = this.#chunks.get(number);
    if (chunk === undefined) {
      chunk = new SummaryChunk({ image: this.image, chunk: number });
      this.putChunk(chunk);
    }
    tracker.changing(chunk);
    chunk.add(page % CHUNK_PAGES);
  }

  deletePage(page: number, tracker: ChangeTracker<SummaryChunk>): void {
    const chunk = this.#chunks.get(Math.floor(page / CHUNK_PAGES)) as SummaryChunk;
    tracker.changing(chunk);
    chunk.delete(page % CHUNK_PAGES);
  }

  putChunk(chunk: SummaryChunk): void {
    this.#chunks.set(chunk.chunk, chunk);
    this.#chunkNumbers = undefined;
  }

  deleteChunk(chunk: SummaryChunk): void {
    this.#chunks.delete(chunk.chunk);
    this.#chunkNumbers = undefined;
  }

  /** Pages with entries from `fromPage` on, ascending, at most `limit`. */
  pagesFrom(fromPage: number, limit: number): number[] {
    this.#chunkNumbers ??= [...this.#chunks.keys()].sort((one, other) => one - other);
    const pages: number[] = [];
    for (const number of this.#chunkNumbers) {
      if (pages.length >= limit) break;
      const base = number * CHUNK_PAGES;
      if (base + CHUNK_PAGES <= fromPage) continue;
      this.#chunks.get(number)?.collect(pages, { from: Math.max(fromPage - base, 0), limit, base });
    }
    return pages;
  }
}
