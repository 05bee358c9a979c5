/** Many entries of a table page at once: neighbouring blocks at neighbouring places. */
import assert from 'node:assert';
import { ABSENT, FIRST_DATA_PLACE, PAGE_BLOCKS, type PageContent, type TablePage } from './table-page.ts';

const NOTHING_TAKEN = { entries: 0, data: 0 } as const;

/** Blocks of one page, at places from `place` on. */
export interface TableRun {
  readonly block: number;
  readonly blocks: number;
  readonly place: number;
}

export interface RunContents {
  /** Checksums of the blocks, from index `from` on. */
  readonly sums: Uint32Array;
  readonly from: number;
  /** The same entries as arrays that nobody changes, where the run is a whole page. */
  readonly lent: PageContent | undefined;
  /** Told of every place that loses an entry. */
  readonly free: (place: number) => void;
}

/** Puts the entries; returns by how much the page's counters change. The page was marked as changing. */
export function storeRun(
  page: TablePage,
  run: TableRun,
  { sums, from, lent, free }: RunContents,
): { readonly entries: number; readonly data: number } {
  const { blocks, place } = run;
  const first = run.block % PAGE_BLOCKS;
  const taken = page.entries === 0 ? NOTHING_TAKEN : takeFrom(page, { first, end: first + blocks }, free);
  if (lent === undefined) {
    const { places, sums: into } = page.toChange();
    into.set(sums.subarray(from, from + blocks), first);
    for (let i = 0; i < blocks; i += 1) places[first + i] = place + i;
  } else {
    assert(blocks === PAGE_BLOCKS && lent.places[0] === place, 'what is lent is what the record says');
    page.adopt(lent);
  }
  return { entries: blocks - taken.entries, data: blocks - taken.data };
}

/** Tells `free` every place of these blocks; how many of them have entries, and places. */
function takeFrom(
  { places }: TablePage,
  range: { readonly first: number; readonly end: number },
  free: (place: number) => void,
): { readonly entries: number; readonly data: number } {
  let entries = 0;
  let data = 0;
  for (let at = range.first; at < range.end; at += 1) {
    const before = places[at] as number;
    if (before === ABSENT) continue;
    entries += 1;
    if (before < FIRST_DATA_PLACE) continue;
    data += 1;
    free(before);
  }
  return { entries, data };
}
