/**
 * The tables in one LMDB file. A commit is one LMDB transaction, run in LMDB's own thread, that syncs the
 * pages and then writes the meta page through (`overlappingSync` off), so it resolves when durable and
 * there is no state that is visible but not yet safe. Reads are synchronous; the read transaction behind
 * them is given up by lmdb when the event loop turns, and no cursor outlives a call, so the file does not
 * grow behind a long reader.
 */
import assert from 'node:assert';
import fs from 'node:fs';
import { open, type RootDatabase } from 'lmdb';
import { OperatorError } from '../../lun/errors.ts';
import { storeError } from './fd-io.ts';
import type { MetaChange, MetaKey, MetaSpace } from './medium.ts';
import type { EntryRange } from './ordered-entries.ts';

export class LmdbMeta implements MetaSpace {
  readonly #database: RootDatabase<Uint8Array, Uint8Array>;
  readonly #check: () => void;
  #committing: Promise<unknown> | undefined;

  private constructor(database: RootDatabase<Uint8Array, Uint8Array>, check: () => void) {
    this.#database = database;
    this.#check = check;
  }

  /** Opens the file, or makes it; the caller holds the pool's lock. `check` throws when the medium is closed. */
  static open(file: string, check: () => void): LmdbMeta {
    try {
      // Only the holder of the pool's lock comes here, so what a dead holder left in LMDB's own is of no use.
      fs.rmSync(`${file}-lock`, { force: true });
      const database = open<Uint8Array, Uint8Array>({
        path: file,
        noSubdir: true,
        encoding: 'binary',
        keyEncoding: 'binary',
        compression: false,
        cache: false,
        overlappingSync: false,
        permissionsMode: 0o600,
      } as Parameters<typeof open<Uint8Array, Uint8Array>>[0]);
      return new LmdbMeta(database, check);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new OperatorError('damaged', `The tables in ${file} cannot be opened: ${reason}`, { cause });
    }
  }

  get(key: MetaKey): Uint8Array | undefined {
    this.#check();
    try {
      return this.#database.getBinary(key);
    } catch (error) {
      throw storeError('read the tables', error);
    }
  }

  scan({ from, to, limit, reverse = false }: EntryRange): Array<{ key: Uint8Array; value: Uint8Array }> {
    this.#check();
    if (Buffer.compare(from, to) >= 0 || limit === 0) return [];
    const bounds = reverse
      ? { start: to, exclusiveStart: true, end: from, inclusiveEnd: true, reverse }
      : { start: from, end: to };
    try {
      return [...this.#database.getRange(limit === undefined ? bounds : { ...bounds, limit })];
    } catch (error) {
      throw storeError('scan the tables', error);
    }
  }

  async commit(changes: readonly MetaChange[]): Promise<void> {
    this.#check();
    assert(this.#committing === undefined, 'one commit at a time');
    const committing = this.#commit(changes);
    this.#committing = committing;
    try {
      await committing;
    } catch (error) {
      throw storeError('commit to the tables', error);
    } finally {
      this.#committing = undefined;
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#committing]);
    await this.#database.close();
  }

  async #commit(changes: readonly MetaChange[]): Promise<void> {
    const results: Array<Promise<boolean>> = [];
    const committed = this.#database.batch(() => {
      for (const { key, value } of changes) {
        results.push(value === undefined ? this.#database.remove(key) : this.#database.put(key, value));
      }
    });
    // Every single change rejects when the commit does; the one promise of the batch speaks for all.
    const outcomes = Promise.allSettled(results);
    await committed;
    const failed = (await outcomes).find(({ status }) => status === 'rejected');
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
  }
}
