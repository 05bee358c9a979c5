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
import { SpaceReserve } from './space-reserve.ts';

export class LmdbMeta implements MetaSpace {
  readonly #database: RootDatabase<Uint8Array, Uint8Array>;
  readonly #check: () => void;
  readonly #reserve: SpaceReserve;
  #committing: Promise<unknown> | undefined;

  private constructor(
    database: RootDatabase<Uint8Array, Uint8Array>,
    reserve: SpaceReserve,
    check: () => void,
  ) {
    this.#database = database;
    this.#reserve = reserve;
    this.#check = check;
  }

  /**
   * Opens the file, or makes it; the caller holds the pool's lock. So many bytes are kept free for its
   * growth. `check` throws when the medium is closed.
   */
  static open(file: string, reserveBytes: number, check: () => void): LmdbMeta {
    if (fs.existsSync(file) && !looksLikeTables(file)) {
      throw new OperatorError(
        'damaged',
        `The tables in ${file} are damaged: they do not begin as LMDB's do.`,
      );
    }
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
        // With it, a commit that fails also rejects a promise that nobody can hear.
        eventTurnBatching: false,
        permissionsMode: 0o600,
      } as Parameters<typeof open<Uint8Array, Uint8Array>>[0]);
      return new LmdbMeta(database, new SpaceReserve(file, reserveBytes), check);
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
    await this.#reserve.close();
    await this.#database.close();
  }

  /** One batch is one transaction; the promise of the batch speaks for every change in it. */
  async #commit(changes: readonly MetaChange[]): Promise<void> {
    try {
      await this.#database.batch(() => {
        for (const { key, value } of changes) {
          if (value === undefined) this.#database.remove(key);
          else this.#database.put(key, value);
        }
      });
    } catch (error) {
      throw await reasonOf(error);
    }
    this.#reserve.keepAhead();
  }
}

/**
 * LMDB maps the file and trusts it: rubbish would end the process, not fail the opening. So the two
 * meta pages are looked at first (lmdb.h, MDB_meta; the offsets are those of LMDB's 64-bit format).
 */
function looksLikeTables(file: string): boolean {
  const META_BYTES = 64;
  const MAGIC_OFFSET = 24;
  const PAGE_BYTES_OFFSET = 48;
  const MAGIC = 0xbeefc0de;
  const fd = fs.openSync(file, 'r');
  try {
    const meta = Buffer.alloc(META_BYTES);
    if (fs.readSync(fd, meta, 0, META_BYTES, 0) < META_BYTES) return false;
    const pageBytes = meta.readUInt32LE(PAGE_BYTES_OFFSET);
    if (meta.readUInt32LE(MAGIC_OFFSET) !== MAGIC || pageBytes < META_BYTES) return false;
    if (fs.readSync(fd, meta, 0, META_BYTES, pageBytes) < META_BYTES) return false;
    return meta.readUInt32LE(MAGIC_OFFSET) === MAGIC;
  } finally {
    fs.closeSync(fd);
  }
}

/** lmdb tells why a commit failed in a second promise, `commitError`, which rejects. */
async function reasonOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await error.commitError;
  } catch (reason) {
    return reason;
  }
  return error;
}
