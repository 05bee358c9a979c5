/**
 * A write of part of a pool block (P11). The block is merged with what its VLUN reads there. A tracker below
 * gets the same bytes in a block of its own where it reads something else than the VLUN it tracks: because it
 * has an entry, or because its frozen base has one, or because the rest of its last block is left over from
 * before (unseen-rest.ts). Where it reads the same, it goes on following and reads the merged block. All of
 * it stands in one journal record; the caller holds the block's lock.
 *
 * What is read here cannot change before the record stands: the lock keeps writes out, and structural changes
 * that come first leave alone what every VLUN reads. Patches of a tracker that was released meanwhile fall
 * away when the record is made.
 */
import { StoreError } from '../lun/errors.ts';
import type { Piece } from './batch.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { BlockReader } from './reader.ts';
import type { Resolver } from './resolve.ts';
import { ABSENT, FIRST_DATA_PLACE, PAGE_BLOCKS } from './table-page.ts';
import type { TableStore } from './table-store.ts';
import { notBefore } from './unit-read.ts';
import { leftOverFrom } from './unseen-rest.ts';
import type { VlunNode } from './views.ts';

/** Bytes to put into one pool block. */
export interface Patch {
  readonly block: number;
  readonly skipBytes: number;
  readonly bytes: Uint8Array;
}

/** A block that failed so often in a row is not merely misread. */
const BAD_READS = 2;

export interface MergerOptions {
  readonly reader: BlockReader;
  readonly resolver: Resolver;
  readonly tables: TableStore;
}

export class Merger {
  readonly #options: MergerOptions;

  constructor(options: MergerOptions) {
    this.#options = options;
  }

  /** The pieces that put the bytes into the block, as this VLUN and all below read it. */
  async merge(node: VlunNode, patch: Patch): Promise<Piece[]> {
    const pieces = [await this.#merged(node, patch)];
    if (node.children.length > 0) {
      await this.#mergeBelow(node, { patch, place: await this.#placeRead(node, patch.block) }, pieces);
    }
    return pieces;
  }

  async #mergeBelow(node: VlunNode, above: { patch: Patch; place: number }, pieces: Piece[]): Promise<void> {
    const { patch } = above;
    for (const tracker of [...node.children]) {
      try {
        const place = await this.#placeRead(tracker, patch.block);
        if (place !== above.place || (await this.#isApart(tracker, patch.block))) {
          const piece = await this.#mergedUnlessBad(tracker, patch);
          if (piece !== undefined) pieces.push(piece);
        }
        await this.#mergeBelow(tracker, { patch, place }, pieces);
      } catch (cause) {
        // It was deleted meanwhile, and what tracked it was released: there is nothing left to patch.
        if (!tracker.gone) throw cause;
      }
    }
  }

  /**
   * A block that a tracker has, and that is damaged, stays so: the rest of it is lost, and nobody can read it
   * until it is written whole. The VLUN above is not to suffer for that.
   */
  async #mergedUnlessBad(tracker: VlunNode, patch: Patch): Promise<Piece | undefined> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#merged(tracker, patch);
      } catch (cause) {
        if (!(cause instanceof StoreError) || cause.code !== 'CORRUPT') throw cause;
        if (tries === BAD_READS) return undefined;
      }
    }
  }

  async #merged(node: VlunNode, patch: Patch): Promise<Piece> {
    const bytes = new Uint8Array(POOL_BLOCK_BYTES);
    try {
      await this.#options.reader.read(node, { block: patch.block, blocks: 1 }, bytes);
    } catch (cause) {
      throw notBefore(cause, (patch.block * POOL_BLOCK_BYTES + patch.skipBytes) / node.blockBytes);
    }
    const leftOver = await leftOverFrom(this.#options.tables, node, patch.block);
    if (leftOver !== undefined) bytes.fill(0, leftOver);
    bytes.set(patch.bytes, patch.skipBytes);
    return { kind: 'patch', vlun: node.id, block: patch.block, blocks: 1, place: 0, bytes };
  }

  /** The place the block is read from; ABSENT when it reads as zeroes. */
  async #placeRead(node: VlunNode, block: number): Promise<number> {
    const content = await this.#options.resolver.page(node, Math.floor(block / PAGE_BLOCKS));
    const place = content?.places[block % PAGE_BLOCKS] ?? ABSENT;
    return place < FIRST_DATA_PLACE ? ABSENT : place;
  }

  /** It has an entry of its own, or reads the same place otherwise than the VLUN above does. */
  async #isApart(node: VlunNode, block: number): Promise<boolean> {
    const { tables } = this.#options;
    const page = await tables.page(node.vlun.live, Math.floor(block / PAGE_BLOCKS));
    if (page !== undefined && page.at(block % PAGE_BLOCKS) !== ABSENT) return true;
    return (await leftOverFrom(tables, node, block)) !== undefined;
  }
}
