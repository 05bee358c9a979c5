/**
 * Reads blocks through a view: resolve, read runs of adjacent places with one call each, verify every block's
 * checksum. Nothing that failed its checksum is returned. Where everything is at hand it is done at once,
 * without a promise; else the command counts as a reader until its last byte is there, so that no place it
 * resolved to is used again meanwhile. Whoever calls holds the range lock, or takes it in the same turn.
 */
import { StoreError } from '../lun/errors.ts';
import type { MaybePromise } from '../lun/units.ts';
import { blocksOf } from './blocks-of.ts';
import type { Checksum } from './checksum.ts';
import { type DataSpace, POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { ReaderEpochs } from './reader-epochs.ts';
import type { Resolver } from './resolve.ts';
import { FIRST_DATA_PLACE, PAGE_BLOCKS, type PageContent } from './table-page.ts';
import type { View } from './views.ts';

/** Pool blocks of a view. */
export interface BlockRun {
  readonly block: number;
  readonly blocks: number;
}

export interface BlockReaderOptions {
  readonly data: DataSpace;
  readonly resolver: Resolver;
  readonly epochs: ReaderEpochs;
  readonly checksum: Checksum;
  readonly onCorrupt: (view: View, at: { readonly lba: number; readonly place: number }) => void;
}

/** Blocks of one page that are read into one buffer. */
interface PagePart {
  readonly view: View;
  readonly content: PageContent;
  readonly first: number;
  readonly end: number;
  readonly into: Uint8Array;
  /** Where in `into` block `first` begins. */
  readonly offsetBytes: number;
}

export class BlockReader {
  readonly #data: DataSpace;
  readonly #resolver: Resolver;
  readonly #epochs: ReaderEpochs;
  readonly #checksum: Checksum;
  readonly #onCorrupt: BlockReaderOptions['onCorrupt'];
  /** Reads begun; whoever works in the background sees by it that somebody waits. */
  reads = 0;

  constructor(options: BlockReaderOptions) {
    this.#data = options.data;
    this.#resolver = options.resolver;
    this.#epochs = options.epochs;
    this.#checksum = options.checksum;
    this.#onCorrupt = options.onCorrupt;
  }

  /** Fills `into`, which holds exactly these blocks. StoreError CORRUPT (with lba), IO or CLOSED. */
  read(view: View, run: BlockRun, into: Uint8Array): MaybePromise<void> {
    this.reads += 1;
    const pending: Array<Promise<void>> = [];
    try {
      this.#readPages(view, { run, into }, pending);
    } catch (cause) {
      if (pending.length === 0) throw cause;
      pending.push(Promise.reject(cause));
    }
    return pending.length === 0 ? undefined : this.#finish(view, pending);
  }

  /** Reads what can be read at once; what takes time, and its failures, go into `pending`. */
  #readPages(view: View, read: { run: BlockRun; into: Uint8Array }, pending: Array<Promise<void>>): void {
    const { run, into } = read;
    const end = run.block + run.blocks;
    for (let block = run.block; block < end; ) {
      const page = Math.floor(block / PAGE_BLOCKS);
      const pageEnd = Math.min(end, (page + 1) * PAGE_BLOCKS);
      const content = this.#resolver.page(view, page);
      if (content instanceof Promise) {
        pending.push(this.#readRest(view, { run, block, into, content }));
        return;
      }
      const offsetBytes = (block - run.block) * POOL_BLOCK_BYTES;
      if (content === undefined) into.fill(0, offsetBytes, (pageEnd - run.block) * POOL_BLOCK_BYTES);
      else this.#readRuns({ view, content, first: block, end: pageEnd, into, offsetBytes }, pending);
      block = pageEnd;
    }
  }

  /** The rest of a run, from a page on that has to be loaded. */
  async #readRest(
    view: View,
    rest: { run: BlockRun; block: number; into: Uint8Array; content: Promise<PageContent | undefined> },
  ): Promise<void> {
    const { run, block, into } = rest;
    const end = run.block + run.blocks;
    const pageEnd = Math.min(end, (Math.floor(block / PAGE_BLOCKS) + 1) * PAGE_BLOCKS);
    const offsetBytes = (block - run.block) * POOL_BLOCK_BYTES;
    const pending: Array<Promise<void>> = [];
    const content = await rest.content;
    try {
      if (content === undefined) into.fill(0, offsetBytes, (pageEnd - run.block) * POOL_BLOCK_BYTES);
      else this.#readRuns({ view, content, first: block, end: pageEnd, into, offsetBytes }, pending);
      const after = { block: pageEnd, blocks: end - pageEnd };
      const slice = into.subarray((pageEnd - run.block) * POOL_BLOCK_BYTES);
      if (after.blocks > 0) this.#readPages(view, { run: after, into: slice }, pending);
    } catch (cause) {
      pending.push(Promise.reject(cause));
    }
    await settled(pending);
  }

  async #finish(view: View, pending: readonly Promise<void>[]): Promise<void> {
    const generation = this.#epochs.enter();
    try {
      await settled(pending);
    } finally {
      this.#epochs.leave(generation);
    }
    if (view.gone) throw new StoreError('CLOSED', `The unit ${view.label} was deleted.`);
  }

  #readRuns(part: PagePart, pending: Array<Promise<void>>): void {
    const { content, first, end, into, offsetBytes } = part;
    const { places } = content;
    for (let block = first; block < end; ) {
      const place = places[block % PAGE_BLOCKS] as number;
      let next = block + 1;
      const from = offsetBytes + (block - first) * POOL_BLOCK_BYTES;
      if (place < FIRST_DATA_PLACE) {
        while (next < end && (places[next % PAGE_BLOCKS] as number) < FIRST_DATA_PLACE) next += 1;
        into.fill(0, from, from + (next - block) * POOL_BLOCK_BYTES);
      } else {
        while (next < end && places[next % PAGE_BLOCKS] === place + (next - block)) next += 1;
        const bytes = (next - block) * POOL_BLOCK_BYTES;
        const slice = bytes === into.byteLength ? into : into.subarray(from, from + bytes);
        this.#readRun(part, { block, place, slice }, pending);
      }
      block = next;
    }
  }

  #readRun(
    part: PagePart,
    run: { readonly block: number; readonly place: number; readonly slice: Uint8Array },
    pending: Array<Promise<void>>,
  ): void {
    const { view, content } = part;
    const at = run.block % PAGE_BLOCKS;
    const done = this.#data.read(run.place, run.slice);
    if (!(done instanceof Promise)) {
      this.#verify(view, run, { sums: content.sums, at });
      return;
    }
    // Copied, since the page may lose its entries meanwhile: by being given back, or by going into another
    // image.
    const sums = content.sums.slice(at, at + run.slice.byteLength / POOL_BLOCK_BYTES);
    pending.push(done.then(() => this.#verify(view, run, { sums, at: 0 })));
  }

  #verify(
    view: View,
    run: { readonly block: number; readonly place: number; readonly slice: Uint8Array },
    expected: { readonly sums: Uint32Array; readonly at: number },
  ): void {
    const { slice } = run;
    const { sums, at } = expected;
    if (slice.byteLength === POOL_BLOCK_BYTES) {
      if (this.#checksum(slice) !== sums[at]) this.#corrupt(view, run);
      return;
    }
    const blocks = blocksOf(slice);
    for (let i = 0; i < blocks.length; i += 1) {
      const sum = this.#checksum(blocks[i] as Uint8Array);
      if (sum !== sums[at + i]) this.#corrupt(view, { block: run.block + i, place: run.place + i });
    }
  }

  #corrupt(view: View, at: { readonly block: number; readonly place: number }): never {
    const lba = at.block * (POOL_BLOCK_BYTES / view.blockBytes);
    this.#onCorrupt(view, { lba, place: at.place });
    throw new StoreError('CORRUPT', `A block of ${view.label} fails its checksum.`, { lba });
  }
}

/** Waits for all of them, whatever happens; then throws the first failure. */
async function settled(pending: readonly Promise<void>[]): Promise<void> {
  for (const one of await Promise.allSettled(pending)) if (one.status === 'rejected') throw one.reason;
}
