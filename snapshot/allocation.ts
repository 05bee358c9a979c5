/**
 * GET LBA STATUS: which blocks of a unit are stored anywhere. Pages without entries are passed over by the
 * summaries.
 */
import type { AllocationRun } from '../lun/block-device.ts';
import type { BlockRange } from '../lun/units.ts';
import { nextPageOf } from './holes.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { Resolver } from './resolve.ts';
import { spanOf } from './span.ts';
import { FIRST_DATA_PLACE, PAGE_BLOCKS } from './table-page.ts';
import type { TableStore } from './table-store.ts';
import type { View } from './views.ts';

/** The state of the range in runs; stops after `runsMax` of them. */
export async function allocationOf(
  from: { readonly resolver: Resolver; readonly tables: TableStore },
  view: View,
  asked: { readonly range: BlockRange; readonly runsMax: number },
): Promise<readonly AllocationRun[]> {
  const { range, runsMax } = asked;
  if (range.blocks === 0) return [];
  const { blockBytes } = view;
  const sectors = POOL_BLOCK_BYTES / blockBytes;
  const { firstBlock, lastBlock } = spanOf(range, blockBytes);
  const runs = new Runs(range, sectors);
  for (let block = firstBlock; block <= lastBlock && runs.closed < runsMax; ) {
    const page = Math.floor(block / PAGE_BLOCKS);
    const next = nextPageOf(from.tables, view.layers.images, page);
    if (next !== page) {
      const end = next === undefined ? lastBlock + 1 : Math.min(lastBlock + 1, next * PAGE_BLOCKS);
      runs.add(block, end, false);
      block = end;
      continue;
    }
    const found = from.resolver.page(view, page);
    const content = found instanceof Promise ? await found : found;
    const end = Math.min(lastBlock + 1, (page + 1) * PAGE_BLOCKS);
    for (; block < end; block += 1) {
      const place = content?.places[block % PAGE_BLOCKS] ?? 0;
      runs.add(block, block + 1, place >= FIRST_DATA_PLACE);
    }
  }
  return runs.all().slice(0, runsMax);
}

/** Joins neighbours of one state, and clips them to the range asked for. */
class Runs {
  readonly #range: BlockRange;
  readonly #sectors: number;
  readonly #runs: Array<{ first: number; end: number; mapped: boolean }> = [];

  constructor(range: BlockRange, sectors: number) {
    this.#range = range;
    this.#sectors = sectors;
  }

  /** Runs that no further block can join. */
  get closed(): number {
    return this.#runs.length - 1;
  }

  add(first: number, end: number, mapped: boolean): void {
    const last = this.#runs[this.#runs.length - 1];
    if (last !== undefined && last.mapped === mapped) last.end = end;
    else this.#runs.push({ first, end, mapped });
  }

  all(): AllocationRun[] {
    const { lba, blocks } = this.#range;
    return this.#runs.map(({ first, end, mapped }) => {
      const from = Math.max(lba, first * this.#sectors);
      const to = Math.min(lba + blocks, end * this.#sectors);
      return { lba: from, blocks: to - from, mapped } as AllocationRun;
    });
  }
}
