/**
 * Builds a pool by writing its stored form (snapshot/FORMAT.md): images of hundreds of millions of entries,
 * in minutes instead of the hours that as many writes of 4 KiB would take. Every place is random: neighbours
 * in an image are not neighbours in the data space, as after random writes in pieces of 4 KiB. All blocks are
 * zeroes, which is what the medium that drops data gives back. That such a pool is sound `pool check` says,
 * which shares no code with the engine.
 */
import assert from 'node:assert';
import type { Counters, ImageObject, SnapshotObject, VlunObject } from '../../../snapshot/catalogue.ts';
import { CHUNK_GROUPS, GroupCounts } from '../../../snapshot/group-counts.ts';
import { ImageStats } from '../../../snapshot/image-table.ts';
import { allocatorKey, countsKey, imageKey, summaryKey, tableKey } from '../../../snapshot/keys.ts';
import { createFilePool } from '../../../snapshot/medium/file.ts';
import { type MetaChange, type MetaSpace, POOL_BLOCK_BYTES } from '../../../snapshot/medium/medium.ts';
import { GROUP_PLACES, PlaceGroup } from '../../../snapshot/place-group.ts';
import { catalogueChanges, POOL_FORMAT, stateChange } from '../../../snapshot/pool-state.ts';
import { CHUNK_PAGES, SummaryChunk } from '../../../snapshot/summary.ts';
import { encodePage, FIRST_DATA_PLACE, PAGE_BLOCKS, TablePage } from '../../../snapshot/table-page.ts';
import { blockChecksum } from '../../../src/checksums.ts';
import { openBenchMedium } from './medium.ts';

export interface BuiltImage {
  readonly id: number;
  readonly base?: number;
  readonly frozen: boolean;
  /** Pages from `firstPage` to before `endPage` have entries. */
  readonly firstPage: number;
  readonly endPage: number;
  /** Which blocks of each of them, 0 … 255. */
  readonly blocks: readonly number[];
}

export interface BuiltVlun {
  readonly name: string;
  readonly sizeBytes: number;
  readonly live: number;
  readonly snapshots: readonly { readonly name: string; readonly image: number }[];
}

export interface BuiltPool {
  readonly images: readonly BuiltImage[];
  readonly vluns: readonly BuiltVlun[];
}

/** Every block of a page. */
export const WHOLE_PAGE: readonly number[] = Array.from({ length: PAGE_BLOCKS }, (_, block) => block);

const COMMIT_CHANGES = 16_384;
const ZERO_SUM = blockChecksum(new Uint8Array(POOL_BLOCK_BYTES));
/** Steps through a range of places; prime, so that every place comes once unless the range is a multiple. */
const STRIDE = 1_299_709;
const POOL_NUMBER = '736e61706c756e2062656e63682e0001';

/** Collects changes and commits them in pieces. */
class Commits {
  readonly #meta: MetaSpace;
  #changes: MetaChange[] = [];

  constructor(meta: MetaSpace) {
    this.#meta = meta;
  }

  put(key: Uint8Array, value: Uint8Array | undefined): void {
    if (value !== undefined) this.#changes.push({ key, value });
  }

  get isFull(): boolean {
    return this.#changes.length >= COMMIT_CHANGES;
  }

  async commit(changes: readonly MetaChange[] = []): Promise<void> {
    await this.#meta.commit([...this.#changes, ...changes]);
    this.#changes = [];
  }
}

/** The places of one image, in a scattered order. */
class Places {
  readonly #first: number;
  readonly #count: number;
  #at = 0;

  constructor(first: number, count: number) {
    assert(count % STRIDE !== 0, 'the stride must reach every place');
    this.#first = first;
    this.#count = count;
  }

  next(): number {
    this.#at = (this.#at + STRIDE) % this.#count;
    return this.#first + this.#at;
  }
}

function entriesOf({ firstPage, endPage, blocks }: BuiltImage): number {
  return (endPage - firstPage) * blocks.length;
}

/** Makes the pool in a directory, twice as large as what is stored in it. */
export async function buildPool(directory: string, pool: BuiltPool): Promise<void> {
  const entries = pool.images.reduce((sum, image) => sum + entriesOf(image), 0);
  await createFilePool(directory, { capacityBlocks: 2 * (entries + GROUP_PLACES) });
  const medium = await openBenchMedium(directory, true);
  try {
    const commits = new Commits(medium.meta);
    await putPages(commits, pool.images);
    await putSummaries(commits, pool.images);
    await putAllocator(commits, FIRST_DATA_PLACE + entries);
    await commits.commit(catalogueOf(pool));
  } finally {
    await medium.close();
  }
}

async function putPages(commits: Commits, images: readonly BuiltImage[]): Promise<void> {
  const places = new Map<number, Places>();
  let firstPlace = FIRST_DATA_PLACE;
  for (const image of images) {
    const entries = entriesOf(image);
    if (entries > 0) places.set(image.id, new Places(firstPlace, entries));
    firstPlace += entries;
  }
  const end = Math.max(...images.map(({ endPage }) => endPage));
  for (let page = 0; page < end; page += 1) {
    for (const image of images) {
      const own = places.get(image.id);
      if (own === undefined || page < image.firstPage || page >= image.endPage) continue;
      commits.put(tableKey(page, image.id), encodedPage(image, page, own));
      if (commits.isFull) await commits.commit();
    }
  }
}

function encodedPage(image: BuiltImage, number: number, places: Places): Uint8Array {
  const page = new TablePage({ image: image.id, page: number });
  for (const block of image.blocks) {
    page.places[block] = places.next();
    page.sums[block] = ZERO_SUM;
  }
  page.entries = image.blocks.length;
  return encodePage(page, blockChecksum);
}

async function putSummaries(commits: Commits, images: readonly BuiltImage[]): Promise<void> {
  for (const image of images) {
    const entries = entriesOf(image);
    if (entries === 0) continue;
    const stats = new ImageStats(image.id);
    stats.entries = entries;
    stats.data = entries;
    commits.put(imageKey(image.id), stats.encode(blockChecksum));
    for (let at = image.firstPage; at < image.endPage; ) {
      const number = Math.floor(at / CHUNK_PAGES);
      const chunk = new SummaryChunk({ image: image.id, chunk: number });
      const end = Math.min(image.endPage, (number + 1) * CHUNK_PAGES);
      for (; at < end; at += 1) chunk.add(at % CHUNK_PAGES);
      commits.put(summaryKey(image.id, number), chunk.encode(blockChecksum));
    }
    if (commits.isFull) await commits.commit();
  }
}

/** Every place up to `end` is taken. */
async function putAllocator(commits: Commits, end: number): Promise<void> {
  for (let first = 0; first < end; first += GROUP_PLACES * CHUNK_GROUPS) {
    const counts = new GroupCounts(first / (GROUP_PLACES * CHUNK_GROUPS));
    for (let at = 0; at < CHUNK_GROUPS; at += 1) {
      const from = Math.max(FIRST_DATA_PLACE, first + at * GROUP_PLACES);
      const to = Math.min(end, first + (at + 1) * GROUP_PLACES);
      if (from >= to) break;
      counts.referenced[at] = to - from;
      const group = new PlaceGroup(Math.floor(from / GROUP_PLACES), { known: true });
      for (let place = from; place < to; place += 1) {
        const bit = place % GROUP_PLACES;
        group.referenced[bit >>> 5] = (group.referenced[bit >>> 5] as number) | (1 << (bit & 31));
      }
      commits.put(allocatorKey(group.number), group.encode(blockChecksum));
      if (commits.isFull) await commits.commit();
    }
    commits.put(countsKey(counts.chunk), counts.encode(blockChecksum));
  }
}

function catalogueOf({ images, vluns }: BuiltPool): MetaChange[] {
  let identity = 1;
  let snapshotId = 1;
  const objects: Array<{ kind: 'vlun' | 'image' | 'snapshot'; key: number; value: unknown }> = [];
  for (const { id, base, frozen } of images) {
    const value: ImageObject = { id, frozen, ...(base !== undefined && { base }) };
    objects.push({ kind: 'image', key: id, value });
  }
  for (const [at, { name, sizeBytes, live, snapshots }] of vluns.entries()) {
    const common = { sizeBytes, blockBytes: POOL_BLOCK_BYTES, createdAtMs: 0 } as const;
    const modes = { readOnly: false, removable: false, writeCache: true };
    const vlun: VlunObject = { ...common, ...modes, id: at + 1, name, identity: identity++, live };
    objects.push({ kind: 'vlun', key: vlun.id, value: vlun });
    for (const taken of snapshots) {
      const id = snapshotId++;
      const value: SnapshotObject = { ...common, ...taken, id, vlun: vlun.id, identity: identity++ };
      objects.push({ kind: 'snapshot', key: id, value });
    }
  }
  const image = Math.max(...images.map(({ id }) => id)) + 1;
  const counters: Counters = { vlun: vluns.length + 1, image, snapshot: snapshotId, identity };
  const none = { sequence: 0, checksum: 0, epoch: 0, segment: 0 };
  const state = stateChange({ format: POOL_FORMAT, pool: POOL_NUMBER, ...none, counters }, blockChecksum);
  return [...catalogueChanges(objects, blockChecksum), state];
}
