/**
 * Puts blocks that are read together next to each other. Data is never overwritten in place, so what was
 * written at random lies all over the data space, and a long read of it is as many short ones. Such a read,
 * if the cache answered it at once, is now and then followed by a move of what it read: the same bytes are
 * stored once more, in one run of places, and the record says that nothing else has changed. So what is read
 * in sequence again and again comes to lie in sequence, and what is not costs nothing.
 *
 * Only entries of the VLUN's own live image move, and none that shares its place with another: those of
 * snapshots belong to others, too, and a copy by reference would become one that takes space. The range is
 * locked from the read on, so that no command changes it; a structural verb may come between, and then the
 * move falls away.
 */
import assert from 'node:assert';
import { StoreError } from '../lun/errors.ts';
import type { Intent, Piece } from './batch.ts';
import type { Committer } from './committer.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { Ticket } from './range-lock.ts';
import type { ReferenceCounts } from './reference-counts.ts';
import type { Span } from './span.ts';
import { FIRST_DATA_PLACE, PAGE_BLOCKS, type TablePage } from './table-page.ts';
import type { TableStore } from './table-store.ts';
import type { VlunNode } from './views.ts';

export interface ReorderOptions {
  readonly committer: Pick<Committer, 'submit'>;
  readonly tables: Pick<TableStore, 'resident'>;
  readonly references: Pick<ReferenceCounts, 'isEmpty' | 'isReady' | 'isShared'>;
  /** Shortest read, in blocks, that is worth it. */
  readonly blocksMin: number;
  /** One of so many scattered reads is followed by a move: storing costs about as much as what it saves. */
  readonly oneIn: number;
  /** Whether the pool has so much room that this many blocks may be stored twice for a while. */
  readonly hasRoom: (blocks: number) => boolean;
  /** A move could not be stored; what it was to move stays where it is. */
  readonly onFailed: (cause: unknown) => void;
}

/** What is moved as a whole: 1 MiB. */
const BLOCKS_MAX = 256;
/** What has longer runs than this on the average is no more scattered. */
const RUN_BLOCKS = 4;
/** Of so many scattered reads one is still followed by a move where nothing came of the last ones. */
const ONE_IN_MAX = 256;
const UNDER_WAY_MAX = 4;

export class Reorder {
  readonly #options: ReorderOptions;
  readonly #spare: Uint8Array[] = [];
  #underWay = 0;
  /** Scattered reads since the last move, and after how many of them the next one is due. */
  #met = 0;
  #oneIn: number;

  constructor(options: ReorderOptions) {
    this.#options = options;
    this.#oneIn = options.oneIn;
  }

  /** Told of a read in the turn in which it was answered, with nothing in between. */
  consider(node: VlunNode, span: Span, bytes: Uint8Array): void {
    const blocks = span.lastBlock - span.firstBlock + 1;
    if (blocks < this.#options.blocksMin || blocks > BLOCKS_MAX || !span.aligned) return;
    if (!this.#isScattered(node, span)) return;
    this.#met += 1;
    if (this.#met < this.#oneIn || this.#underWay === UNDER_WAY_MAX) return;
    this.#met = 0;
    const { lock } = node;
    if (!this.#options.hasRoom(blocks) || !lock.isFree(span.firstBlock, span.lastBlock, true)) return;
    const ticket = lock.acquire(span.firstBlock, span.lastBlock, true, unexpected);
    if (ticket === undefined) unexpected();
    this.#underWay += 1;
    const whole = this.#spare.pop() ?? new Uint8Array(BLOCKS_MAX * POOL_BLOCK_BYTES);
    whole.set(bytes);
    const move = new Move({ node, span, ticket, bytes: whole.subarray(0, span.bytes) }, (error) => {
      this.#spare.push(whole);
      this.#ended(move, error);
    });
    this.#options.committer.submit(move);
  }

  /** The live image has an entry for each block, in many runs, and none of the places another one. */
  #isScattered(node: VlunNode, span: Span): boolean {
    const { tables, references } = this.#options;
    const { live } = node.vlun;
    let runs = 0;
    let next = 0;
    let page: TablePage | undefined;
    for (let block = span.firstBlock; block <= span.lastBlock; block += 1) {
      const at = block % PAGE_BLOCKS;
      if (page === undefined || at === 0) page = tables.resident(live, Math.floor(block / PAGE_BLOCKS));
      const place = page?.places[at] ?? 0;
      if (place < FIRST_DATA_PLACE) return false;
      if (!references.isEmpty && (!references.isReady(place) || references.isShared(place))) return false;
      if (place !== next) runs += 1;
      next = place + 1;
    }
    return runs > 1 && runs * RUN_BLOCKS > span.lastBlock - span.firstBlock + 1;
  }

  #ended(move: Move, error: unknown): void {
    this.#underWay -= 1;
    if (error === undefined && !move.fellAway) {
      this.#oneIn = this.#options.oneIn;
      return;
    }
    this.#oneIn = Math.min(this.#oneIn * 2, ONE_IN_MAX);
    const expected = error === undefined || (error instanceof StoreError && error.code !== 'IO');
    if (!expected) this.#options.onFailed(error);
  }
}

interface MoveOptions {
  readonly node: VlunNode;
  readonly span: Span;
  readonly ticket: Ticket;
  readonly bytes: Uint8Array;
}

class Move implements Intent {
  readonly node: VlunNode;
  readonly pieces: readonly Piece[];
  readonly dataBytes: number;
  readonly atomic = true;
  readonly inOneRun = true;
  tries = 0;
  fellAway = false;
  readonly #ticket: Ticket;
  readonly #onEnded: (error: unknown) => void;
  /** The image whose entries move. */
  readonly #image: number;

  constructor({ node, span, ticket, bytes }: MoveOptions, onEnded: (error: unknown) => void) {
    this.node = node;
    this.#ticket = ticket;
    this.#onEnded = onEnded;
    this.#image = node.vlun.live;
    this.dataBytes = span.bytes;
    const { firstBlock: block } = span;
    const blocks = span.bytes / POOL_BLOCK_BYTES;
    this.pieces = [{ kind: 'move', vlun: node.id, block, blocks, place: 0, bytes }];
  }

  readonly stands = (): boolean => {
    this.fellAway = this.node.vlun.live !== this.#image;
    return !this.fellAway;
  };

  done(error: unknown): void {
    this.node.lock.release(this.#ticket);
    this.#onEnded(error);
  }
}

function unexpected(): never {
  assert.fail('a range found free is granted at once');
}
