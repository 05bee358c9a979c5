/**
 * The changes that share one data write and one journal append. An intent is what a command wants stored, in
 * pieces; it becomes a placed intent when the drain takes it, and one record or several when its places are
 * known.
 */
import assert from 'node:assert';
import { StoreError } from '../lun/errors.ts';
import type { Allocator, Run } from './allocator.ts';
import { blocksOf } from './blocks-of.ts';
import { type Extent, hasSums } from './journal-record.ts';
import type { PendingRecord } from './journal-writer.ts';
import { type PlacedWrite, POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { PageContent, TablePage } from './table-page.ts';
import type { View, Views, VlunNode } from './views.ts';

/** A run of blocks of one VLUN and what becomes of it: an extent without a place yet. */
export interface Piece extends Extent {
  /** The bytes to store; absent for pieces that store none. */
  readonly bytes: Uint8Array | undefined;
}

/** A change of blocks, complete as one. */
export interface Intent {
  /** The VLUN written to; undefined for the background. */
  readonly node: VlunNode | undefined;
  /**
   * The pieces, in the order in which they are applied. Pieces of other VLUNs are patches of trackers; they
   * fall away when the tracking has ended meanwhile (P12).
   */
  readonly pieces: readonly Piece[];
  /** Copies by reference: what the pieces of kind `share` refer to. */
  readonly shares?: Shares;
  /** For the background: pieces for which it is false when their turn comes fall away. */
  readonly stands?: (piece: Piece) => boolean;
  readonly dataBytes: number;
  /** All of it is one record, however large. */
  readonly atomic: boolean;
  /** It is stored in one run of places, or not at all. */
  readonly inOneRun?: boolean;
  /** How often it found no room already. */
  tries: number;
  /** Called once: undefined when the change stands. */
  done(error: unknown): void;
}

export interface Shares {
  /** Reads the places of the pieces. */
  readonly from: View;
  /** Of the blocks of the pieces, in order. */
  readonly sums: Uint32Array;
  /** What whole pages of the destination will be, by number. */
  readonly lent: ReadonlyMap<number, PageContent>;
}

interface DataExtent extends Extent {
  readonly bytes: Uint8Array | undefined;
}

export class PlacedIntent {
  readonly intent: Intent;
  readonly pieces: readonly Piece[];
  /** Blocks that still want places. */
  dataBlocks: number;
  finished = false;
  records: readonly PendingRecord[] = [];
  #extents: readonly DataExtent[];
  #sums: number[] | Uint32Array = [];

  constructor(intent: Intent, pieces: readonly Piece[]) {
    this.intent = intent;
    this.pieces = pieces;
    this.#extents = pieces;
    let blocks = 0;
    for (const piece of pieces) if (piece.bytes !== undefined) blocks += piece.blocks;
    this.dataBlocks = blocks;
  }

  /** Tells the command how it ended, and takes it out of the batch. */
  finish(error: unknown): void {
    if (this.finished) return;
    this.finished = true;
    this.intent.done(error);
  }

  /** Takes it out of the batch without telling: it comes again, or is told otherwise. */
  setAside(): Intent {
    this.finished = true;
    return this.intent;
  }

  /** Gives every block with data its place; a piece is cut where a run ends. */
  place(runs: readonly Run[]): void {
    new RunCursor(runs).place(this);
  }

  /** This run is as long as all its blocks. */
  placeIn(run: Run): void {
    this.place([run]);
    this.dataBlocks = 0;
  }

  setExtents(extents: readonly DataExtent[]): void {
    this.#extents = extents;
  }

  sum(checksum: (bytes: Uint8Array) => number): void {
    if (this.intent.shares !== undefined) {
      this.#sums = this.intent.shares.sums;
      return;
    }
    const sums: number[] = [];
    for (const { bytes } of this.pieces) {
      if (bytes === undefined) continue;
      if (bytes.byteLength === POOL_BLOCK_BYTES) sums.push(checksum(bytes));
      else for (const block of blocksOf(bytes)) sums.push(checksum(block));
    }
    this.#sums = sums;
  }

  writes(): PlacedWrite[] {
    const writes: PlacedWrite[] = [];
    this.pushWrites(writes);
    return writes;
  }

  pushWrites(writes: PlacedWrite[]): void {
    for (const { place, bytes } of this.#extents) if (bytes !== undefined) writes.push({ place, bytes });
  }

  eachRun(visit: (place: number, blocks: number) => void): void {
    for (const { place, blocks, bytes } of this.#extents) if (bytes !== undefined) visit(place, blocks);
  }

  /** Cuts the change into records of a bounded size. */
  cut(dataBytesMax: number): readonly PendingRecord[] {
    const blocksMax = this.intent.atomic ? Number.POSITIVE_INFINITY : dataBytesMax / POOL_BLOCK_BYTES;
    const lent = this.intent.shares?.lent;
    this.records =
      this.#sums.length <= blocksMax
        ? [{ extents: this.#extents, sums: this.#sums, lent, sequence: 0 }]
        : cutIntoRecords(this.#extents, { sums: this.#sums, lent, blocksMax });
    return this.records;
  }
}

/**
 * Patches are never cut off from what stands before them: those of one block belong into one record (P11).
 */
function cutIntoRecords(
  extents: readonly DataExtent[],
  cut: Pick<PendingRecord, 'lent'> & {
    readonly sums: number[] | Uint32Array;
    readonly blocksMax: number;
  },
): PendingRecord[] {
  const records: PendingRecord[] = [];
  let open: Extent[] = [];
  let blocks = 0;
  let sumAt = 0;
  const close = (): void => {
    if (open.length > 0) {
      const { sums, lent } = cut;
      const [from, to] = [sumAt, sumAt + blocks];
      const part = sums instanceof Uint32Array ? sums.subarray(from, to) : sums.slice(from, to);
      records.push({ extents: open, sums: part, lent, sequence: 0 });
    }
    sumAt += blocks;
    open = [];
    blocks = 0;
  };
  for (const extent of extents) {
    let rest: DataExtent = extent;
    const divisible = rest.kind !== 'patch' && hasSums(rest.kind);
    while (divisible && blocks + rest.blocks > cut.blocksMax) {
      const fits = Math.max(0, cut.blocksMax - blocks);
      if (fits > 0) open.push({ ...rest, blocks: fits });
      blocks += fits;
      rest = { ...rest, block: rest.block + fits, blocks: rest.blocks - fits, place: rest.place + fits };
      close();
    }
    open.push(rest);
    if (hasSums(rest.kind)) blocks += rest.blocks;
  }
  close();
  return records;
}

/** Hands out runs in order. */
class RunCursor {
  readonly #runs: readonly Run[];
  #at = 0;
  #used = 0;

  constructor(runs: readonly Run[]) {
    this.#runs = runs;
  }

  place(placed: PlacedIntent): void {
    const extents: DataExtent[] = [];
    for (const piece of placed.pieces) {
      if (piece.bytes === undefined) extents.push(piece);
      else this.#placePiece(piece, piece.bytes, extents);
    }
    placed.setExtents(extents);
  }

  #placePiece(piece: Piece, bytes: Uint8Array, extents: DataExtent[]): void {
    for (let placed = 0; placed < piece.blocks; ) {
      const run = this.#runs[this.#at];
      assert(run, 'the allocator gave as many blocks as were asked for');
      const blocks = Math.min(piece.blocks - placed, run.blocks - this.#used);
      extents.push({
        kind: piece.kind,
        vlun: piece.vlun,
        block: piece.block + placed,
        blocks,
        place: run.place + this.#used,
        bytes:
          blocks === piece.blocks
            ? bytes
            : bytes.subarray(placed * POOL_BLOCK_BYTES, (placed + blocks) * POOL_BLOCK_BYTES),
      });
      placed += blocks;
      this.#used += blocks;
      if (this.#used === run.blocks) {
        this.#at += 1;
        this.#used = 0;
      }
    }
  }
}

/** What a change is told that wants one run of places, where none is at hand. */
const NO_RUN = new StoreError('NO_SPACE', 'There is no run of places so long.');

export class Batch {
  placed: PlacedIntent[] = [];
  dataBytes = 0;
  #wantsRuns = false;
  readonly pins = new Set<TablePage>();
  pinned = false;

  add(intent: Intent, views: Views): void {
    this.dataBytes += intent.dataBytes;
    this.placed.push(new PlacedIntent(intent, stillTracked(intent, views)));
    this.#wantsRuns ||= intent.inOneRun === true;
  }

  removeFinished(): void {
    if (this.placed.some(({ finished }) => finished))
      this.placed = this.placed.filter((one) => !one.finished);
  }

  dataBlocks(): number {
    let blocks = 0;
    for (const { dataBlocks } of this.placed) blocks += dataBlocks;
    return blocks;
  }

  /** Those that want one run each get it, or are told that there is none. */
  takeRuns(allocator: Pick<Allocator, 'allocateRun'>): void {
    if (!this.#wantsRuns) return;
    for (const placed of this.placed) {
      if (placed.intent.inOneRun !== true) continue;
      const run = placed.dataBlocks === 0 ? undefined : allocator.allocateRun(placed.dataBlocks);
      if (run !== undefined) placed.placeIn(run);
      else placed.finish(placed.dataBlocks === 0 ? undefined : NO_RUN);
    }
    this.removeFinished();
  }

  place(runs: readonly Run[]): this {
    const cursor = new RunCursor(runs);
    for (const placed of this.placed) if (placed.dataBlocks > 0) cursor.place(placed);
    return this;
  }

  sum(checksum: (bytes: Uint8Array) => number): void {
    for (const placed of this.placed) placed.sum(checksum);
  }

  /** The records of all of them, in order. */
  records(dataBytesMax: number): readonly PendingRecord[] {
    const [only] = this.placed;
    if (only !== undefined && this.placed.length === 1) return only.cut(dataBytesMax);
    const records: PendingRecord[] = [];
    for (const placed of this.placed) for (const record of placed.cut(dataBytesMax)) records.push(record);
    return records;
  }

  writes(): PlacedWrite[] {
    const writes: PlacedWrite[] = [];
    for (const placed of this.placed) placed.pushWrites(writes);
    return writes;
  }
}

/** Patches of VLUNs that no longer track the one written to fall away. */
function stillTracked(intent: Intent, views: Views): readonly Piece[] {
  const { node, pieces } = intent;
  if (intent.stands !== undefined) return pieces.filter(intent.stands);
  if (node === undefined || pieces.every(({ vlun }) => vlun === node.id)) return pieces;
  return pieces.filter(({ vlun }) => {
    const other = views.node(vlun);
    return other !== undefined && (other === node || node.below.includes(other));
  });
}
