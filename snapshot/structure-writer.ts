/**
 * How a structural verb takes effect (SYSTEM promise 4): alone in the pipeline, so that every command in
 * flight falls wholly before or wholly after it; as one journal record of after-images; applied; then
 * flushed. Commands are neither failed nor restarted (P1); new ones wait for the record, not for the flush.
 */
import { OperatorError } from '../lun/errors.ts';
import type { MaybePromise } from '../lun/units.ts';
import { type CatalogueChange, Draft } from './catalogue.ts';
import type { Committer } from './committer.ts';
import type { Flusher } from './flusher.ts';
import { applyStructure, type PoolParts } from './parts.ts';

/** A record is more than its JSON; what is left of an append for it. */
const RECORD_ROOM_BYTES = 1024;

export interface StructureWriterOptions {
  readonly parts: PoolParts;
  readonly committer: Committer;
  readonly flusher: Flusher;
  readonly appendBytesMax: number;
  readonly nowMs: () => number;
  readonly onFailure: (why: string, cause: unknown) => void;
}

export class StructureWriter {
  readonly #options: StructureWriterOptions;

  constructor(options: StructureWriterOptions) {
    this.#options = options;
  }

  /** As `record`, and flushed. */
  async change<T>(verb: (draft: Draft) => T): Promise<{ readonly result: T; readonly pausedMs: number }> {
    const done = await this.record(verb);
    await this.#options.flusher.flush();
    return done;
  }

  /**
   * Runs `verb` on a draft of the catalogue as it is when its turn comes, and makes what it changed stand.
   * What the verb throws is thrown here, and nothing has changed then.
   */
  record<T>(verb: (draft: Draft) => T): Promise<{ readonly result: T; readonly pausedMs: number }> {
    const { committer, nowMs } = this.#options;
    return committer.atBoundary(() => {
      const startedMs = nowMs();
      const draft = new Draft(this.#options.parts.catalogue);
      const result = verb(draft);
      const appended = this.#append(draft.change());
      const finish = (): { result: T; pausedMs: number } => ({ result, pausedMs: nowMs() - startedMs });
      return appended instanceof Promise ? appended.then(finish) : finish();
    });
  }

  #append(change: CatalogueChange): MaybePromise<void> {
    if (Object.keys(change).length === 0) return undefined;
    const json = JSON.stringify(change);
    if (Buffer.byteLength(json) + RECORD_ROOM_BYTES > this.#options.appendBytesMax) {
      throw new OperatorError(
        'too-large',
        'The change does not fit into one journal record; make it smaller.',
      );
    }
    // What recovery would apply: documents are copied, so that nobody else holds what the pool keeps.
    const stored = JSON.parse(json) as CatalogueChange;
    const appended = this.#options.committer.appendAlone((encoder) => encoder.structure(stored));
    if (appended instanceof Promise) return appended.then(() => this.#apply(stored));
    return this.#apply(stored);
  }

  #apply(change: CatalogueChange): void {
    try {
      applyStructure(this.#options.parts, change);
      this.#options.flusher.wrote(0);
    } catch (cause) {
      this.#options.onFailure('a structural change could not be applied', cause);
      throw cause;
    }
  }
}
