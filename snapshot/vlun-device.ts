/**
 * A VLUN's blocks as SCSI sees them. Every command holds the family's range lock over the pool blocks it
 * touches: shared while it reads, exclusive while it changes (P3–P5, P7, P8), released on every path. Whole
 * pool blocks are stored as they come; a part of one is merged (merge.ts). Zeroes are holes, and take no
 * space. A copy from another device of the pool shares whole blocks (block-copy.ts).
 *
 * A read of what is at hand, over blocks nobody changes, completes at once without registering anywhere.
 */
import assert from 'node:assert';
import type {
  AllocationRun,
  BlockDevice,
  DeviceRange,
  FrozenBlocks,
  WriteOptions,
} from '../lun/block-device.ts';
import { firstDifference } from '../lun/bytes.ts';
import { StoreError } from '../lun/errors.ts';
import { type BlockRange, bytesOf, type Geometry, inRange, type MaybePromise } from '../lun/units.ts';
import { AlignedWrite } from './aligned-write.ts';
import { allocationOf } from './allocation.ts';
import type { Intent, Piece } from './batch.ts';
import { BlockCopy, type BlockCopyOptions, type CopyTarget } from './block-copy.ts';
import { type Committer, NOT_SHARED } from './committer.ts';
import type { Flusher } from './flusher.ts';
import type { Gate } from './gate.ts';
import { holePieces, pagesReadBelow } from './holes.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { Merger } from './merge.ts';
import { PoolDevice } from './pool-device.ts';
import type { LockRange } from './range-lock.ts';
import type { BlockReader } from './reader.ts';
import type { Reorder } from './reorder.ts';
import type { Resolver } from './resolve.ts';
import { partsOf, type Span, type SpanPart, spanOf, spanOfBytes } from './span.ts';
import { acquire, holding, lockRangesOf, rangeOf } from './span-locks.ts';
import type { TableStore } from './table-store.ts';
import { readSpan } from './unit-read.ts';
import { type View, VlunNode } from './views.ts';

export interface DeviceOptions extends BlockCopyOptions {
  readonly gate: Gate;
  readonly reader: BlockReader;
  readonly resolver: Resolver;
  readonly tables: TableStore;
  readonly merger: Merger;
  readonly committer: Committer;
  readonly flusher: Flusher;
  readonly reorder: Reorder;
  /** Copies ranges of the device by reference to where nothing changes them. */
  readonly freeze: (device: VlunDevice, ranges: readonly BlockRange[]) => Promise<FrozenBlocks>;
  /** What was freed is gone from the medium when it completes. */
  readonly purge: () => Promise<void>;
}

/** Bytes of the buffer that WRITE SAME stores again and again. */
const SAME_BYTES_MAX = 1024 * 1024;
const EVERY_BLOCK: LockRange = { first: 0, last: Number.MAX_SAFE_INTEGER };

export class VlunDevice extends PoolDevice implements BlockDevice {
  readonly #node: VlunNode;
  readonly #options: DeviceOptions;
  #geometry: Geometry;

  constructor(node: VlunNode, options: DeviceOptions) {
    super();
    this.#node = node;
    this.#options = options;
    this.#geometry = geometryOf(node);
  }

  get geometry(): Geometry {
    return this.#geometry;
  }

  get view(): VlunNode {
    return this.#node;
  }

  get gate(): Gate {
    return this.#options.gate;
  }

  /** Takes the size from the catalogue, or one that is about to stand there. */
  resized(sizeBytes = this.#node.sizeBytes): void {
    const { blockBytes } = this.#geometry;
    this.#geometry = { blockBytes, capacityBlocks: sizeBytes / blockBytes };
  }

  read(range: BlockRange, into: Uint8Array): MaybePromise<void> {
    this.#check(range, into);
    if (range.blocks === 0) return undefined;
    const span = spanOf(range, this.#geometry.blockBytes);
    const { lock } = this.#node;
    if (!lock.isFree(span.firstBlock, span.lastBlock, false)) return this.#readInTurn(span, into);
    const { reader, reorder } = this.#options;
    const done = readSpan(reader, this.#node, span, into);
    if (!(done instanceof Promise)) {
      reorder.consider(this.#node, span, into);
      return undefined;
    }
    const ticket = lock.acquire(span.firstBlock, span.lastBlock, false, unexpected);
    assert(ticket, 'a range found free is granted in the same turn');
    return done.then(() => this.#options.gate.check()).finally(() => lock.release(ticket));
  }

  write(range: BlockRange, from: Uint8Array, options: WriteOptions): MaybePromise<void> {
    this.#check(range, from);
    const durable = this.#durable(options);
    if (range.blocks === 0) return durable ? this.flush() : undefined;
    const span = spanOf(range, this.#geometry.blockBytes);
    const { committer, flusher } = this.#options;
    const atomic = options.atomic === true;
    if (span.aligned)
      return AlignedWrite.run({ node: this.#node, span, from, durable, atomic, committer, flusher });
    return this.#changing([rangeOf(span)], options, async () => {
      await this.#submit(await this.#pieces(span, from), atomic);
    });
  }

  unmap(ranges: readonly BlockRange[], options: WriteOptions): MaybePromise<void> {
    this.#options.gate.check();
    for (const range of ranges) assert(inRange(range, this.#geometry), 'the range lies inside the unit');
    const spans = spansOf(ranges, this.#geometry);
    if (spans.length === 0) return this.#durable(options) ? this.flush() : undefined;
    return this.#changing(lockRangesOf(spans), options, async () => {
      for (const span of spans) await this.#clear(span);
    });
  }

  writeSame(range: BlockRange, pattern: Uint8Array, options: WriteOptions): MaybePromise<void> {
    assert.equal(pattern.byteLength, this.#geometry.blockBytes, 'the pattern is one logical block');
    if (pattern.every((byte) => byte === 0)) return this.unmap([range], options);
    this.#options.gate.check();
    assert(inRange(range, this.#geometry), 'the range lies inside the unit');
    if (range.blocks === 0) return undefined;
    const span = spanOf(range, this.#geometry.blockBytes);
    return this.#changing([rangeOf(span)], options, () => this.#fill(span, pattern));
  }

  compareAndWrite(
    range: BlockRange,
    expected: Uint8Array,
    replacement: Uint8Array,
    options: WriteOptions,
  ): MaybePromise<number | undefined> {
    this.#check(range, expected);
    assert.equal(replacement.byteLength, expected.byteLength, 'both hold the range');
    if (range.blocks === 0) return undefined;
    const span = spanOf(range, this.#geometry.blockBytes);
    return this.#changing([rangeOf(span)], options, async () => {
      const present = new Uint8Array(span.bytes);
      await readSpan(this.#options.reader, this.#node, span, present);
      const different = firstDifference(present, expected);
      if (different !== undefined) return different;
      await this.#submit(await this.#pieces(span, replacement), true);
      return undefined;
    });
  }

  copyFrom(range: BlockRange, from: DeviceRange, options: WriteOptions): MaybePromise<boolean> {
    this.#options.gate.check();
    const { device } = from;
    if (!(device instanceof PoolDevice) || device.gate !== this.gate) return false;
    assert(inRange(range, this.#geometry), 'the range lies inside the unit');
    const bytes = range.blocks * this.#geometry.blockBytes;
    assert.equal(from.range.blocks * device.geometry.blockBytes, bytes, 'both ranges are as long');
    if (bytes === 0) return true;
    const to = spanOf(range, this.#geometry.blockBytes);
    return this.#copy(
      to,
      { view: device.view, span: spanOf(from.range, device.geometry.blockBytes) },
      options,
    );
  }

  flush(): MaybePromise<void> {
    this.#options.gate.check();
    return this.#options.flusher.flush();
  }

  async freeze(ranges: readonly BlockRange[]): Promise<FrozenBlocks> {
    this.#checkPresent();
    return this.#options.freeze(this, ranges);
  }

  async purge(): Promise<void> {
    this.#checkPresent();
    await this.#options.purge();
  }

  allocation(range: BlockRange, runsMax: number): MaybePromise<readonly AllocationRun[]> {
    this.#options.gate.check();
    assert(inRange(range, this.#geometry), 'the range lies inside the unit');
    return allocationOf(this.#options, this.#node, { range, runsMax });
  }

  /**
   * Deallocates what lies past the end, or will, before the size changes; nothing new may be running there.
   * `wanted` is asked first, with the range locked.
   */
  async cutOff(
    bytes: { readonly from: number; readonly to: number },
    wanted: () => Promise<boolean> = () => Promise.resolve(true),
  ): Promise<void> {
    const span = spanOfBytes(bytes.from, bytes.to - bytes.from);
    await this.#changing([rangeOf(span)], { fua: false }, async () => {
      if (await wanted()) await this.#clear(span);
    });
  }

  /** Runs `change` while no command of the family is running; those that come meanwhile wait. */
  async alone<T>(change: () => Promise<T>): Promise<T> {
    const ticket = await acquire(this.#node.lock, [EVERY_BLOCK], true);
    try {
      return await change();
    } finally {
      this.#node.lock.release(ticket);
    }
  }

  #check(range: BlockRange, bytes: Uint8Array): void {
    this.#options.gate.check();
    assert(inRange(range, this.#geometry), 'the range lies inside the unit');
    assert.equal(bytes.byteLength, bytesOf(range.blocks, this.#geometry), 'the buffer holds the range');
  }

  #durable(options: WriteOptions): boolean {
    return options.fua || !this.#node.vlun.writeCache;
  }

  async #readInTurn(span: Span, into: Uint8Array): Promise<void> {
    const ticket = await acquire(this.#node.lock, [rangeOf(span)], false);
    try {
      this.#checkPresent();
      await readSpan(this.#options.reader, this.#node, span, into);
      this.#options.gate.check();
    } finally {
      this.#node.lock.release(ticket);
    }
  }

  /** Runs a change with its ranges locked; flushes afterwards where that was asked for. */
  async #changing<T>(
    ranges: readonly LockRange[],
    options: WriteOptions,
    change: () => Promise<T>,
  ): Promise<T> {
    const ticket = await acquire(this.#node.lock, ranges, true);
    let result: T;
    try {
      this.#checkPresent();
      result = await change();
    } finally {
      this.#node.lock.release(ticket);
    }
    if (this.#durable(options)) await this.#options.flusher.flush();
    return result;
  }

  #checkPresent(): void {
    this.#options.gate.check();
    if (this.#node.gone) throw new StoreError('CLOSED', `The unit ${this.#node.label} was deleted.`);
  }

  /** The source is held as well: in one family under the same ticket, else each family in its turn. */
  async #copy(to: Span, from: { view: View; span: Span }, options: WriteOptions): Promise<boolean> {
    const { view, span } = from;
    const lock = view instanceof VlunNode ? view.lock : undefined;
    const within = lock === this.#node.lock;
    const backwards =
      within && span.offsetBytes < to.offsetBytes && to.offsetBytes < span.offsetBytes + span.bytes;
    const run = (): Promise<void> =>
      new BlockCopy(this.#options, this.#copyTarget(), { view, from: span, to, backwards }).run();
    if (within) await this.#changing([rangeOf(to), rangeOf(span)], options, run);
    else if (lock === undefined) await this.#changing([rangeOf(to)], options, run);
    else if (lock.number < this.#node.lock.number) {
      await holding(lock, span, () => this.#changing([rangeOf(to)], options, run));
    } else await this.#changing([rangeOf(to)], options, () => holding(lock, span, run));
    return true;
  }

  #copyTarget(): CopyTarget {
    return {
      node: this.#node,
      write: async (span, bytes) => this.#submit(await this.#pieces(span, bytes), false),
      clear: (span) => this.#clear(span),
      share: (change) => this.#share(change),
    };
  }

  async #pieces(span: Span, from: Uint8Array): Promise<Piece[]> {
    const pieces: Piece[] = [];
    for (const part of partsOf(span)) {
      const bytes = from.subarray(part.fromBytes, part.fromBytes + part.bytes);
      if (part.whole) pieces.push(this.#whole(part, bytes));
      else pieces.push(...(await this.#options.merger.merge(this.#node, { ...part, bytes })));
    }
    return pieces;
  }

  #whole(part: { readonly block: number; readonly blocks: number }, bytes: Uint8Array): Piece {
    return { kind: 'write', vlun: this.#node.id, block: part.block, blocks: part.blocks, place: 0, bytes };
  }

  #submit(pieces: readonly Piece[], atomic: boolean): Promise<void> {
    const dataBytes = pieces.reduce((sum, { bytes }) => sum + (bytes?.byteLength ?? 0), 0);
    return this.#store({ pieces, dataBytes, atomic });
  }

  #share(change: Pick<Intent, 'pieces' | 'shares'>): Promise<boolean> {
    return this.#store({ ...change, dataBytes: 0, atomic: false }).then(
      () => true,
      (cause: unknown) => {
        if (cause === NOT_SHARED) return false;
        throw cause;
      },
    );
  }

  #store(change: Pick<Intent, 'pieces' | 'shares' | 'dataBytes' | 'atomic'>): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error: unknown): void => (error === undefined ? resolve() : reject(error));
      this.#options.committer.submit({ ...change, node: this.#node, tries: 0, done });
    });
  }

  async #clear(span: Span): Promise<void> {
    for (const part of partsOf(span)) {
      if (part.whole) await this.#clearWhole(part);
      else await this.#clearPart(part);
    }
  }

  /** Page after page of those that anything is stored in: cutting holes into nothing costs nothing. */
  async #clearWhole(part: SpanPart): Promise<void> {
    const { tables } = this.#options;
    const run = { block: part.block, end: part.block + part.blocks };
    for (;;) {
      const pieces = holePieces(tables, this.#node, run);
      if (pieces.length === 0) return;
      const last = pieces[pieces.length - 1] as Piece;
      await this.#submit(pieces, false);
      run.block = last.block + last.blocks;
    }
  }

  /** Zeroes into a part of a block, unless there is nothing to overwrite. */
  async #clearPart(part: SpanPart): Promise<void> {
    if (!pagesReadBelow(this.#options.tables, this.#node, part.block)) return;
    const zeroes = new Uint8Array(part.bytes);
    await this.#submit(await this.#options.merger.merge(this.#node, { ...part, bytes: zeroes }), false);
  }

  async #fill(span: Span, pattern: Uint8Array): Promise<void> {
    const chunk = repeated(pattern, Math.min(SAME_BYTES_MAX, Math.max(POOL_BLOCK_BYTES, span.bytes)));
    for (const part of partsOf(span)) {
      if (!part.whole) {
        const bytes = chunk.subarray(0, part.bytes);
        await this.#submit(await this.#options.merger.merge(this.#node, { ...part, bytes }), false);
        continue;
      }
      const blocksMax = Math.floor(chunk.byteLength / POOL_BLOCK_BYTES);
      for (let at = 0; at < part.blocks; at += blocksMax) {
        const blocks = Math.min(blocksMax, part.blocks - at);
        const bytes = chunk.subarray(0, blocks * POOL_BLOCK_BYTES);
        await this.#submit([this.#whole({ block: part.block + at, blocks }, bytes)], false);
      }
    }
  }
}

export function geometryOf(unit: { sizeBytes: number; blockBytes: Geometry['blockBytes'] }): Geometry {
  return { blockBytes: unit.blockBytes, capacityBlocks: unit.sizeBytes / unit.blockBytes };
}

/** In order, and those that touch or overlap as one. */
function spansOf(ranges: readonly BlockRange[], geometry: Geometry): Span[] {
  const ordered = ranges.filter(({ blocks }) => blocks > 0).sort((a, b) => a.lba - b.lba);
  const joined: Array<{ lba: number; end: number }> = [];
  for (const { lba, blocks } of ordered) {
    const last = joined[joined.length - 1];
    if (last !== undefined && lba <= last.end) last.end = Math.max(last.end, lba + blocks);
    else joined.push({ lba, end: lba + blocks });
  }
  return joined.map(({ lba, end }) => spanOf({ lba, blocks: end - lba } as BlockRange, geometry.blockBytes));
}

function repeated(pattern: Uint8Array, bytes: number): Uint8Array {
  const chunk = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += pattern.byteLength) chunk.set(pattern.subarray(0, bytes - at), at);
  return chunk;
}

function unexpected(): never {
  assert.fail('a range found free is granted at once');
}
