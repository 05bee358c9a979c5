/**
 * What differs between two views, from the tables alone: blocks that the two read from different places.
 * Images that both read last, in the same order, cannot make a difference; only pages in which one of the
 * others has entries are looked at. A block written twice with the same bytes counts as changed.
 *
 * A view of a VLUN that is being written to gives each page as it is when it is looked at.
 */
import { nextPageOf } from './holes.ts';
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
  views: { readonly from: View | undefined; readonly to: View },
  firstBlock = 0,
): AsyncGenerator<DifferingRun> {
  const images = new DistinctImages(views.from, views.to);
  let page = Math.floor(firstBlock / PAGE_BLOCKS);
  let open: DifferingRun | undefined;
  for (let looked = 1; ; looked += 1) {
    const next = nextPageOf(source.tables, images.now(), page);
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
  views: { readonly from: View | undefined; readonly to: View },
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

async function differing(
  { resolver }: DiffSource,
  views: { readonly from: View | undefined; readonly to: View },
  page: number,
): Promise<DifferingRun[]> {
  let from = views.from === undefined ? undefined : resolver.page(views.from, page);
  if (from instanceof Promise) from = await from;
  let to = resolver.page(views.to, page);
  if (to instanceof Promise) {
    // What was at hand at once may be a table page itself, and change while the other is loaded.
    from = from && { places: from.places.slice(), sums: from.sums };
    to = await to;
  }
  const runs: DifferingRun[] = [];
  for (let at = 0; at < PAGE_BLOCKS; ) {
    if (placeAt(from, at) === placeAt(to, at)) {
      at += 1;
      continue;
    }
    const first = at;
    while (at < PAGE_BLOCKS && placeAt(from, at) !== placeAt(to, at)) at += 1;
    runs.push({ block: page * PAGE_BLOCKS + first, blocks: at - first });
  }
  return runs;
}

/** 0 where the block reads as zeroes. */
function placeAt(content: PageContent | undefined, at: number): number {
  const place = content?.places[at] ?? 0;
  return place < FIRST_DATA_PLACE ? 0 : place;
}
