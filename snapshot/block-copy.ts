/**
 * A copy inside a pool. Whole pool blocks go by reference: what the source reads at a block becomes an entry
 * of the destination's live image, which follows the same rules as a write (P4, P5, P10), and no data moves.
 * What lies in parts of pool blocks, or would have to be shifted inside them, is read and written.
 *
 * The caller holds both ranges, the source's so that nothing changes what is read there, until the end; so
 * the whole is one step to everybody else. It is stored in records of a bounded length, with turns for others
 * in between. Where the two overlap in one family, the order is such that nothing is overwritten before it
 * was taken, through whichever VLUN of the family it is read.
 */
import type { Intent } from './batch.ts';
import { CopyStep } from './copy-step.ts';
import { nextPageOf } from './holes.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { BlockReader } from './reader.ts';
import type { Resolver } from './resolve.ts';
import { partsOf, type Span, type SpanPart, spanOfBytes } from './span.ts';
import { PAGE_BLOCKS } from './table-page.ts';
import type { TableStore } from './table-store.ts';
import { readSpan } from './unit-read.ts';
import type { View, VlunNode } from './views.ts';

/** Blocks taken by reference in one batch; backwards they have to be one record. */
const STEP_BLOCKS = 32 * PAGE_BLOCKS;
/** Bytes read and written at once where blocks cannot be shared. */
const CHUNK_BYTES = 1024 * 1024;
/** Others have their turn when steps have taken this long. */
const TURN_MS = 4;

export interface BlockCopyOptions {
  readonly tables: TableStore;
  readonly resolver: Resolver;
  readonly reader: BlockReader;
  /** Most blocks that one journal record describes. */
  readonly recordBlocks: number;
  readonly nowMs: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
}

/** What the destination does with its own blocks; all within its lock. */
export interface CopyTarget {
  readonly node: VlunNode;
  write(span: Span, bytes: Uint8Array): Promise<void>;
  clear(span: Span): Promise<void>;
  /** False: sharing is not allowed now, and nothing was done. */
  share(change: Pick<Intent, 'pieces' | 'shares'>): Promise<boolean>;
}

export interface CopyRange {
  readonly view: View;
  readonly from: Span;
  /** As long as `from`. */
  readonly to: Span;
  /** Both lie in one family, and the destination begins inside the source. */
  readonly backwards: boolean;
}

export class BlockCopy {
  readonly #options: BlockCopyOptions;
  readonly #target: CopyTarget;
  readonly #range: CopyRange;
  /** Room for checksums, of one step after the other; the first is the longest. */
  #sums: Uint32Array | undefined;
  #turnBeganMs: number;

  constructor(options: BlockCopyOptions, target: CopyTarget, range: CopyRange) {
    this.#options = options;
    this.#target = target;
    this.#range = range;
    this.#turnBeganMs = options.nowMs();
  }

  async run(): Promise<void> {
    const { from, to, backwards } = this.#range;
    const shiftBytes = to.offsetBytes - from.offsetBytes;
    if (shiftBytes % POOL_BLOCK_BYTES !== 0) {
      await this.#copyBytes(0, to.bytes);
      return;
    }
    const parts = partsOf(to);
    for (const part of backwards ? parts.reverse() : parts) {
      if (part.whole) await this.#share(part, shiftBytes / POOL_BLOCK_BYTES);
      else await this.#copyBytes(part.fromBytes, part.bytes);
    }
  }

  /**
   * Reads and writes, in chunks that break no block of the destination in two; `offsetBytes` counts from
   * where both spans begin.
   */
  async #copyBytes(offsetBytes: number, bytes: number): Promise<void> {
    const { view, from, to, backwards } = this.#range;
    for (let done = 0; done < bytes; ) {
      const edgeBytes = to.offsetBytes + offsetBytes + (backwards ? bytes - done : done);
      const past = edgeBytes % POOL_BLOCK_BYTES;
      const broken = backwards && past > 0 ? POOL_BLOCK_BYTES - past : past;
      const count = Math.min(CHUNK_BYTES - broken, bytes - done);
      const at = offsetBytes + (backwards ? bytes - done - count : done);
      const contents = new Uint8Array(count);
      const source = spanOfBytes(from.offsetBytes + at, count);
      await readSpan(this.#options.reader, view, source, contents);
      await this.#target.write(spanOfBytes(to.offsetBytes + at, count), contents);
      done += count;
      await this.#giveTurn();
    }
  }

  /** Whole blocks; each is read `shift` blocks before where it goes. */
  async #share(part: SpanPart, shift: number): Promise<void> {
    const { backwards } = this.#range;
    const { recordBlocks } = this.#options;
    const stepBlocks = backwards ? Math.min(STEP_BLOCKS, recordBlocks) : STEP_BLOCKS;
    for (let done = 0; done < part.blocks; ) {
      const left = part.blocks - done;
      const empty = backwards ? 0 : Math.min(left, this.#emptyFrom(part.block + done - shift));
      if (empty >= Math.min(left, stepBlocks)) {
        const offsetBytes = (part.block + done) * POOL_BLOCK_BYTES;
        await this.#target.clear(spanOfBytes(offsetBytes, empty * POOL_BLOCK_BYTES));
        done += empty;
        continue;
      }
      const blocks = Math.min(left, stepBlocks);
      const block = part.block + (backwards ? left - blocks : done);
      const change = await this.#stepOf(block, blocks, shift);
      if (change.pieces.length > 0 && !(await this.#target.share(change))) {
        const fromBytes = part.fromBytes + (block - part.block) * POOL_BLOCK_BYTES;
        await this.#copyBytes(fromBytes, blocks * POOL_BLOCK_BYTES);
      }
      done += blocks;
      await this.#giveTurn();
    }
  }

  /** Blocks from this one on in which nothing is stored for the source, as far as the summaries tell. */
  #emptyFrom(block: number): number {
    const { images } = this.#range.view.layers;
    const next = nextPageOf(this.#options.tables, images, Math.floor(block / PAGE_BLOCKS));
    return next === undefined ? Number.POSITIVE_INFINITY : Math.max(0, next * PAGE_BLOCKS - block);
  }

  /**
   * What the source reads from `block - shift` on, as a change of the destination from `block` on. To be used
   * before the next step.
   */
  async #stepOf(block: number, blocks: number, shift: number): Promise<Pick<Intent, 'pieces' | 'shares'>> {
    const { tables, resolver } = this.#options;
    const { view } = this.#range;
    this.#sums ??= new Uint32Array(blocks);
    const step = new CopyStep({ tables, from: view, to: this.#target.node, sums: this.#sums, block });
    for (let at = block - shift; at < block - shift + blocks; ) {
      const page = Math.floor(at / PAGE_BLOCKS);
      const end = Math.min(block - shift + blocks, (page + 1) * PAGE_BLOCKS);
      const found = resolver.page(view, page);
      const content = found instanceof Promise ? await found : found;
      step.add(content, at - page * PAGE_BLOCKS, end - page * PAGE_BLOCKS);
      at = end;
    }
    return step.change();
  }

  async #giveTurn(): Promise<void> {
    const { nowMs, after } = this.#options;
    if (nowMs() - this.#turnBeganMs < TURN_MS) return;
    await new Promise<void>((resolve) => after(0, resolve));
    this.#turnBeganMs = nowMs();
  }
}
