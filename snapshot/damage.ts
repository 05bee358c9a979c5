/**
 * Who reads a block of an image: every VLUN and snapshot that has the image among its layers, and in which
 * nothing above it has an entry for the block.
 */
import type { MaybePromise } from '../lun/units.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { PoolParts } from './parts.ts';
import type { DamagedRange } from './scrub-report.ts';
import { PAGE_BLOCKS, type PageContent } from './table-page.ts';
import type { View } from './views.ts';

/** Named with one error, at most. */
const READERS_MAX = 100;

/** The ranges that read this place of an image's block. */
export async function readersOfBlock(
  parts: PoolParts,
  at: { readonly image: number; readonly block: number; readonly place: number },
): Promise<DamagedRange[]> {
  const ranges: DamagedRange[] = [];
  for (const view of viewsOf(parts, at.image)) {
    if (ranges.length === READERS_MAX) break;
    const content = await pageOf(parts, view, Math.floor(at.block / PAGE_BLOCKS));
    const reads = content === 'damaged' || content?.places[at.block % PAGE_BLOCKS] === at.place;
    const range = reads ? rangeOf(view, at.block, 1) : undefined;
    if (range !== undefined) ranges.push(range);
  }
  return ranges;
}

/** The ranges that may read anything of a page of an image's table. */
export function readersOfPage(parts: PoolParts, image: number, page: number): DamagedRange[] {
  const ranges: DamagedRange[] = [];
  for (const view of viewsOf(parts, image)) {
    if (ranges.length === READERS_MAX) break;
    const range = rangeOf(view, page * PAGE_BLOCKS, PAGE_BLOCKS);
    if (range !== undefined) ranges.push(range);
  }
  return ranges;
}

function viewsOf(parts: PoolParts, image: number): View[] {
  const { views, catalogue } = parts;
  const all: View[] = [...views.nodes];
  for (const id of catalogue.snapshots.keys()) all.push(views.snapshot(id));
  return all.filter(({ layers }) => layers.images.includes(image));
}

async function pageOf(
  parts: PoolParts,
  view: View,
  page: number,
): Promise<PageContent | undefined | 'damaged'> {
  try {
    const content: MaybePromise<PageContent | undefined> = parts.resolver.page(view, page);
    return content instanceof Promise ? await content : content;
  } catch {
    // It was deleted meanwhile and reads nothing, or a page of its tables is damaged itself.
    return view.gone ? undefined : 'damaged';
  }
}

/** Pool blocks as logical blocks of a view, as far as they lie inside it. */
function rangeOf(view: View, block: number, blocks: number): DamagedRange | undefined {
  const { label, sizeBytes, blockBytes } = view;
  const fromBytes = block * POOL_BLOCK_BYTES;
  const toBytes = Math.min(sizeBytes, fromBytes + blocks * POOL_BLOCK_BYTES);
  if (toBytes <= fromBytes) return undefined;
  return { unit: label, lba: fromBytes / blockBytes, blocks: (toBytes - fromBytes) / blockBytes };
}
