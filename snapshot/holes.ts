/**
 * Which pages a deallocation has to look at. A page in which no image that the VLUN reads, or a VLUN below it
 * reads, has an entry, reads as zeroes for all of them already; the summaries tell, so that unmapping a
 * terabyte of nothing costs nothing.
 */
import type { Piece } from './batch.ts';
import { PAGE_BLOCKS } from './table-page.ts';
import type { TableStore } from './table-store.ts';
import type { VlunNode } from './views.ts';

/** Pages that one record clears at most: they have to be resident together. */
const HOLE_PAGES_MAX = 64;

/** The next page at or after `from` with an entry in anything this VLUN or one below it reads. */
export function nextPageRead(tables: TableStore, node: VlunNode, from: number): number | undefined {
  let next = nextPageOf(tables, node.layers.images, from);
  for (const tracker of node.below) {
    if (next === from) return from;
    next = earlier(next, nextPageOf(tables, tracker.layers.images, from));
  }
  return next;
}

/** The next page at or after `from` with an entry in one of these images. */
export function nextPageOf(
  tables: TableStore,
  images: Int32Array | readonly number[],
  from: number,
): number | undefined {
  if (tables.imagesWithEntries(from, images).length > 0) return from;
  let next: number | undefined;
  for (const image of images) next = earlier(next, tables.pagesOf(image, from, 1)[0]);
  return next;
}

/** The smaller page number of two of which either may be none. */
export function earlier(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
}

/** Whether anything is stored in the page of this block, for this VLUN or one below it. */
export function pagesReadBelow(tables: TableStore, node: VlunNode, block: number): boolean {
  const page = Math.floor(block / PAGE_BLOCKS);
  return nextPageRead(tables, node, page) === page;
}

/** Holes over the next pages of the run that need one, a bounded number; none: the rest reads as zeroes. */
export function holePieces(
  tables: TableStore,
  node: VlunNode,
  run: { readonly block: number; readonly end: number },
): Piece[] {
  const pieces: Piece[] = [];
  let { block } = run;
  while (block < run.end && pieces.length < HOLE_PAGES_MAX) {
    const page = nextPageRead(tables, node, Math.floor(block / PAGE_BLOCKS));
    if (page === undefined) break;
    const first = Math.max(block, page * PAGE_BLOCKS);
    if (first >= run.end) break;
    block = Math.min(run.end, (page + 1) * PAGE_BLOCKS);
    pieces.push({
      kind: 'hole',
      vlun: node.id,
      block: first,
      blocks: block - first,
      place: 0,
      bytes: undefined,
    });
  }
  return pieces;
}
