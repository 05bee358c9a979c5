/**
 * What differs between two views, from the tables alone: blocks that the two read from different places.
 * Images that both read last, in the same order, cannot make a difference; only pages in which one of the
 * others has entries are looked at. A block written twice with the same bytes counts as changed.
 *
 * Past the end of the smaller of the two all that the larger one has there differs, whoever stored it: one
 * that tracks a larger VLUN reads more of that when it has grown (P15).
 *
 * A view of a VLUN that is being written to gives each page as it is when it is looked at.
 */
import { earlier, nextPageOf } from './holes.ts';
import type { Layers } from './layers.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { DiffAnswer, DiffRequest, PoolEnvironment } from './pool-types.ts';
import type { Resolver } from './resolve.ts';
import { FIRST_DATA_PLACE, PAGE_BLOCKS, type PageContent } from './table-page.ts';
import type { TableStore } from './table-store.ts';
import type { View } from './views.ts';

/** Pool blocks that differ. */
export interface DifferingRun {
  readonly block: number;
  readonly blocks: number;
}

interface Views {
  readonly from: View | undefined;
  readonly to: View;
}

export interface DiffSource {
  readonly tables: TableStore;
  readonly resolver: Resolver;
  readonly environment: Pick<PoolEnvironment, 'defer'>;
}

/** Pages looked at before others have their turn. */
const PAGES_PER_TURN = 64;
const NO_LAYERS: Layers = { images: new Int32Array(), ends: undefined };

/**
 * The runs in which `to` differs from `from`, ascending, from a block on; without `from`, what is not zeroes.
 */
export async function* diffRuns(
  source: DiffSource,
  views: Views,
  firstBlock = 0,
): AsyncGenerator<DifferingRun> {
  const images = new DistinctImages(views.from, views.to);
  let page = Math.floor(firstBlock / PAGE_BLOCKS);
  let open: DifferingRun | undefined;
  for (let looked = 1; ; looked += 1) {
    const next = earlier(
      nextPageOf(source.tables, images.now(), page),
      nextPastEnd(source.tables, views, page),
    );
    if (next === undefined) break;
    for (const run of await differing(source, views, next)) {
      if (run.block + run.blocks <= firstBlock) continue;
      if (open !== undefined && open.block + open.blocks === run.block) {
        open = { block: open.block, blocks: open.blocks + run.blocks };
        continue;
      }
      if (open !== undefined) yield open;
      open = run;
    }
    page = next + 1;
    if (looked % PAGES_PER_TURN === 0)
      await new Promise<void>((resolve) => source.environment.defer(resolve));
  }
  if (open !== undefined) yield open;
}

/** The same in bytes, up to the end of the larger of the two, and in portions. */
export async function diffRanges(
  source: DiffSource,
  views: Views,
  request: DiffRequest,
): Promise<DiffAnswer> {
  const { offsetBytes = 0, rangesMax = Number.POSITIVE_INFINITY } = request;
  const endBytes = Math.max(views.from?.sizeBytes ?? 0, views.to.sizeBytes);
  const ranges: Array<{ offsetBytes: number; lengthBytes: number }> = [];
  for await (const run of diffRuns(source, views, Math.floor(offsetBytes / POOL_BLOCK_BYTES))) {
    const from = Math.max(offsetBytes, run.block * POOL_BLOCK_BYTES);
    if (ranges.length === rangesMax) return { ranges, nextOffsetBytes: from };
    const to = Math.min(endBytes, (run.block + run.blocks) * POOL_BLOCK_BYTES);
    if (to > from) ranges.push({ offsetBytes: from, lengthBytes: to - from });
  }
  return { ranges };
}

/** From this block on one of the two has an end that the other does not have there. */
function commonEnd({ from, to }: Views): number {
  if (from === undefined || from.sizeBytes === to.sizeBytes) return Number.POSITIVE_INFINITY;
  return Math.floor(Math.min(from.sizeBytes, to.sizeBytes) / POOL_BLOCK_BYTES);
}

/** The next page from this one on in which only the larger of the two can have something. */
function nextPastEnd(tables: TableStore, views: Views, page: number): number | undefined {
  const { from, to } = views;
  const end = commonEnd(views);
  if (from === undefined || end === Number.POSITIVE_INFINITY) return undefined;
  const larger = from.sizeBytes > to.sizeBytes ? from : to;
  const next = nextPageOf(tables, larger.layers.images, Math.max(page, Math.floor(end / PAGE_BLOCKS)));
  return next !== undefined && next * PAGE_BLOCKS < endOf(larger) ? next : undefined;
}

/** The block past the last that the view has a part of. */
function endOf({ sizeBytes }: View): number {
  return Math.ceil(sizeBytes / POOL_BLOCK_BYTES);
}

/** Images that the two do not have in common at the end of their lists; found again when a list changes. */
class DistinctImages {
  readonly #from: View | undefined;
  readonly #to: View;
  #lists: readonly [Layers, Layers] | undefined;
  #images = new Int32Array();

  constructor(from: View | undefined, to: View) {
    this.#from = from;
    this.#to = to;
  }

  now(): Int32Array {
    const a = this.#from?.layers ?? NO_LAYERS;
    const b = this.#to.layers;
    if (this.#lists?.[0] === a && this.#lists[1] === b) return this.#images;
    this.#lists = [a, b];
    let common = 0;
    while (sameFromEnd(a, b, common + 1)) common += 1;
    const own = ({ images }: Layers): number[] => [...images.subarray(0, images.length - common)];
    this.#images = Int32Array.from(new Set([...own(a), ...own(b)]));
    return this.#images;
  }
}

function sameFromEnd(a: Layers, b: Layers, fromEnd: number): boolean {
  const [inA, inB] = [a.images.length - fromEnd, b.images.length - fromEnd];
  if (inA < 0 || inB < 0 || a.images[inA] !== b.images[inB]) return false;
  return a.ends?.[inA] === b.ends?.[inB] || endAt(a, inA) === endAt(b, inB);
}

function endAt(layers: Layers, at: number): number {
  return layers.ends?.[at] ?? Number.POSITIVE_INFINITY;
}

async function differing({ resolver }: DiffSource, views: Views, page: number): Promise<DifferingRun[]> {
  let from = views.from === undefined ? undefined : resolver.page(views.from, page);
  if (from instanceof Promise) from = await from;
  let to = resolver.page(views.to, page);
  if (to instanceof Promise) {
    // What was at hand at once may be a table page itself, and change while the other is loaded.
    from = from && { places: from.places.slice(), sums: from.sums };
    to = await to;
  }
  const base = page * PAGE_BLOCKS;
  const runs: DifferingRun[] = [];
  const differ = differences(views, { from, to, base });
  for (let at = 0; at < PAGE_BLOCKS; ) {
    if (!differ(at)) {
      at += 1;
      continue;
    }
    const first = at;
    while (at < PAGE_BLOCKS && differ(at)) at += 1;
    runs.push({ block: base + first, blocks: at - first });
  }
  return runs;
}

/**
 * Which blocks of a page differ. One in which the smaller view ends may be read whole from one place by both,
 * and the larger sees more of it; so it differs where anything is stored.
 */
function differences(
  views: Views,
  page: {
    readonly from: PageContent | undefined;
    readonly to: PageContent | undefined;
    readonly base: number;
  },
): (at: number) => boolean {
  const { from, to, base } = page;
  const end = commonEnd(views) - base;
  if (end >= PAGE_BLOCKS) return (at) => placeAt(from, at) !== placeAt(to, at);
  const fromEnd = (views.from === undefined ? 0 : endOf(views.from)) - base;
  const toEnd = endOf(views.to) - base;
  return (at) => {
    const [before, after] = [placeAt(from, at), placeAt(to, at)];
    if (at < end) return before !== after;
    return (at < fromEnd && before !== 0) || (at < toEnd && after !== 0);
  };
}

/** 0 where the block reads as zeroes. */
function placeAt(content: PageContent | undefined, at: number): number {
  const place = content?.places[at] ?? 0;
  return place < FIRST_DATA_PLACE ? 0 : place;
}
