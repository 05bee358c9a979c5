/**
 * The hot path of writes: one command over whole pool blocks. It waits for its range, is submitted as it is,
 * and ends when its record stands; with FUA, or where the unit has no write cache, when a flush begun after
 * that is done.
 */
import { StoreError } from '../lun/errors.ts';
import type { Intent, Piece } from './batch.ts';
import type { Committer } from './committer.ts';
import type { Flusher } from './flusher.ts';
import type { Ticket } from './range-lock.ts';
import type { Span } from './span.ts';
import type { VlunNode } from './views.ts';

export interface AlignedWriteOptions {
  readonly node: VlunNode;
  readonly span: Span;
  readonly from: Uint8Array;
  readonly durable: boolean;
  /** One record, however large. */
  readonly atomic: boolean;
  readonly committer: Committer;
  readonly flusher: Flusher;
}

export class AlignedWrite implements Intent {
  readonly node: VlunNode;
  readonly pieces: readonly Piece[];
  readonly dataBytes: number;
  readonly atomic: boolean;
  tries = 0;
  readonly #options: AlignedWriteOptions;
  readonly #resolve: () => void;
  readonly #reject: (cause: unknown) => void;
  #ticket: Ticket | undefined;

  private constructor(options: AlignedWriteOptions, resolve: () => void, reject: (cause: unknown) => void) {
    const { node, span, from } = options;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.node = node;
    this.atomic = options.atomic;
    this.dataBytes = span.bytes;
    const blocks = span.lastBlock - span.firstBlock + 1;
    this.pieces = [{ kind: 'write', vlun: node.id, block: span.firstBlock, blocks, place: 0, bytes: from }];
  }

  static run(options: AlignedWriteOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      new AlignedWrite(options, resolve, reject).#begin();
    });
  }

  done(error: unknown): void {
    if (this.#ticket !== undefined) this.node.lock.release(this.#ticket);
    if (error !== undefined) {
      this.#reject(error);
      return;
    }
    if (!this.#options.durable) {
      this.#resolve();
      return;
    }
    const flushed = this.#options.flusher.flush();
    if (flushed instanceof Promise) flushed.then(this.#resolve, this.#reject);
    else this.#resolve();
  }

  #begin(): void {
    const { firstBlock, lastBlock } = this.#options.span;
    const ticket = this.node.lock.acquire(firstBlock, lastBlock, true, (granted) => this.#locked(granted));
    if (ticket !== undefined) this.#locked(ticket);
  }

  #locked(ticket: Ticket): void {
    this.#ticket = ticket;
    if (this.node.gone) this.done(new StoreError('CLOSED', `The unit ${this.node.label} was deleted.`));
    else this.#options.committer.submit(this);
  }
}
