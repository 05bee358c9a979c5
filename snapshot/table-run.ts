/** Many entries of a table page at once: neighbouring blocks at neighbouring places. */
import { ABSENT, FIRST_DATA_PLACE, PAGE_BLOCKS, type TablePage } from './table-page.ts';

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
  /** Told of every place that loses an entry. */
  readonly free: (place: number) => void;
}

/** Puts the entries; returns by how much the page's counters change. The page was marked as changing. */
export function storeRun(
  page: TablePage,
  run: TableRun,
  { sums, from, free }: RunContents,
): { readonly entries: number; readonly data: number } {
  const { blocks, place } = run;
  const first = run.block % PAGE_BLOCKS;
  const { places, sums: into } = page;
  into.set(sums.subarray(from, from + blocks), first);
  if (page.entries === 0) {
    for (let i = 0; i < blocks; i += 1) places[first + i] = place + i;
    return { entries: blocks, data: blocks };
  }
  let entries = 0;
  let data = 0;
  for (let i = 0; i < blocks; i += 1) {
    const at = first + i;
    const before = places[at] as number;
    places[at] = place + i;
    if (before >= FIRST_DATA_PLACE) {
      free(before);
      continue;
    }
    data += 1;
    if (before === ABSENT) entries += 1;
  }
  return { entries, data };
}
