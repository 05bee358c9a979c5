/**
 * One step of a copy by reference: what the source reads, page after page, becomes the pieces of one change.
 * A page that lies in neighbouring places and goes whole into a page of the destination is lent: both tables
 * then have the same arrays until one of them changes there.
 */
import type { Intent, Piece } from './batch.ts';
import { holePieces } from './holes.ts';
import { FIRST_DATA_PLACE, PAGE_BLOCKS, type PageContent, TablePage } from './table-page.ts';
import type { TableStore } from './table-store.ts';
import type { View, VlunNode } from './views.ts';

const NOTHING = 0;

export interface CopyStepOptions {
  readonly tables: TableStore;
  readonly from: View;
  readonly to: VlunNode;
  /** Room for the checksums of the step; it is used until the change has been made. */
  readonly sums: Uint32Array;
  /** First block of the destination. */
  readonly block: number;
}

export class CopyStep {
  readonly #options: CopyStepOptions;
  readonly #pieces: Piece[] = [];
  readonly #lent = new Map<number, PageContent>();
  #sumCount = 0;
  /** The next block of the destination. */
  #block: number;
  /** The run that the last blocks belong to: where it begins, its first place, or NOTHING for zeroes. */
  #runBlock: number;
  #runPlace = NOTHING;

  constructor(options: CopyStepOptions) {
    this.#options = options;
    this.#block = options.block;
    this.#runBlock = options.block;
  }

  /** The next blocks, from `first` to before `end` of what the source reads on a page. */
  add(content: PageContent | undefined, first: number, end: number): void {
    if (content === undefined) {
      if (this.#runPlace !== NOTHING) this.#endRun();
      this.#block += end - first;
      return;
    }
    const { places, sums } = content;
    if (end - first === PAGE_BLOCKS) this.#lend(content);
    for (let at = first; at < end; ) {
      const place = places[at] as number;
      let to = at + 1;
      if (place < FIRST_DATA_PLACE) {
        while (to < end && (places[to] as number) < FIRST_DATA_PLACE) to += 1;
        if (this.#runPlace !== NOTHING) this.#endRun();
      } else {
        for (let next = place + 1; to < end && places[to] === next; next += 1) to += 1;
        if (this.#runPlace === NOTHING || place !== this.#runPlace + (this.#block - this.#runBlock)) {
          this.#endRun();
          this.#runPlace = place;
        }
        this.#options.sums.set(sums.subarray(at, to), this.#sumCount);
        this.#sumCount += to - at;
      }
      this.#block += to - at;
      at = to;
    }
  }

  /** The change; of no pieces where nothing is read and nothing is in the way. */
  change(): Pick<Intent, 'pieces' | 'shares'> {
    this.#endRun();
    const { from, sums } = this.#options;
    return {
      pieces: this.#pieces,
      shares: { from, sums: sums.subarray(0, this.#sumCount), lent: this.#lent },
    };
  }

  /** Whether all places are neighbours shows when the change is made; the first and the last tell nearly. */
  #lend(content: PageContent): void {
    const place = content.places[0] as number;
    if (this.#block % PAGE_BLOCKS !== 0 || place < FIRST_DATA_PLACE) return;
    if (content.places[PAGE_BLOCKS - 1] !== place + PAGE_BLOCKS - 1) return;
    // What is kept of merged layers is no page of a table, and is changed where it stands.
    if (content instanceof TablePage) this.#lent.set(this.#block / PAGE_BLOCKS, content.lend());
  }

  #endRun(): void {
    const { to } = this.#options;
    const [block, place, end] = [this.#runBlock, this.#runPlace, this.#block];
    this.#runBlock = end;
    this.#runPlace = NOTHING;
    if (end === block) return;
    if (place === NOTHING) this.#addHoles({ block, end });
    else
      this.#pieces.push({
        kind: 'share',
        vlun: to.id,
        block,
        blocks: end - block,
        place,
        bytes: undefined,
      });
  }

  #addHoles(run: { block: number; readonly end: number }): void {
    const { tables, to } = this.#options;
    for (;;) {
      const found = holePieces(tables, to, run);
      const last = found[found.length - 1];
      if (last === undefined) return;
      this.#pieces.push(...found);
      run.block = last.block + last.blocks;
    }
  }
}
