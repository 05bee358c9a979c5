/**
 * The data space in one sparse file, or on a block device: block `place` begins at byte place * 4096.
 *
 * Reads of cached data and small writes are done at once on the calling thread, which costs a tenth of
 * a trip through the thread pool. That must never block the event loop for long, so
 *  - a read that the cache cannot answer goes to the thread pool (`readCached` tells);
 *  - write-back is begun every WRITE_BACK_BYTES, in a thread, because the kernel stops a writer that
 *    has made too many pages dirty; while several of these are behind, a write took long, or a thread is
 *    at work that may hold the file's lock in the kernel, writes go to the thread pool, too.
 */
import assert from 'node:assert';
import fs from 'node:fs';
import { OperatorError, type StoreError } from '../../lun/errors.ts';
import type { MaybePromise } from '../../lun/units.ts';
import { DirectReader } from './direct-read.ts';
import {
  BUFFERS_PER_CALL_MAX,
  InFlight,
  readFully,
  storeError,
  syncAll,
  syncData,
  writeFully,
  writeFullySync,
} from './fd-io.ts';
import { type DataSpace, type Place, type PlacedWrite, POOL_BLOCK_BYTES } from './medium.ts';
import { assertRun } from './memory.ts';
import {
  discardExtent,
  dropCache,
  endOf,
  preallocateExtent,
  punchHole,
  readCached,
  startWriteBack,
} from './posix.ts';

/** Larger reads go to the thread pool even where they are cached: copying them takes the loop too long. */
const READ_AT_ONCE_BYTES_MAX = 256 * 1024;
/** Larger writes go to the thread pool. */
const WRITE_AT_ONCE_BYTES_MAX = 256 * 1024;
/** The unit in which stat counts what a file takes (POSIX, st_blocks). */
const STAT_BLOCK_BYTES = 512;
const WRITE_BACK_BYTES = 8 * 1024 * 1024;
/** So many starts of write-back that are not through mean that the disk does not keep up. */
const WRITE_BACKS_BEHIND_MAX = 4;
/** A write at once that took longer was stopped by the kernel. */
const STALLED_MS = 8;
/** One punch holds the file's lock in the kernel; writers wait for it. */
const DISCARD_CALL_BLOCKS_MAX = 8192;
/** So does one that takes space. */
const PREPARE_CALL_BLOCKS_MAX = 4096;

export interface FileDataOptions {
  readonly fd: number;
  /** The file or device that `fd` is. */
  readonly path: string;
  readonly isDevice: boolean;
  readonly capacityBlocks: number;
  /** A monotonic clock; without one, long writes are not noticed. */
  readonly nowMs: (() => number) | undefined;
  /** Throws when the medium is closed. */
  readonly check: () => void;
  /** Makes a larger capacity durable in the pool's header. */
  readonly recordCapacity: (capacityBlocks: number) => Promise<void>;
}

/** Runs that follow each other on the medium, as one write. */
interface JoinedRun {
  readonly place: Place;
  readonly buffers: Uint8Array[];
}

function joinRuns(writes: readonly PlacedWrite[]): JoinedRun[] {
  const joined: JoinedRun[] = [];
  let present: JoinedRun | undefined;
  let next = -1;
  for (const { place, bytes } of writes) {
    if (present === undefined || place !== next || present.buffers.length === BUFFERS_PER_CALL_MAX) {
      present = { place, buffers: [] };
      joined.push(present);
    }
    present.buffers.push(bytes);
    next = place + bytes.byteLength / POOL_BLOCK_BYTES;
  }
  return joined;
}

function bytesOf({ buffers }: JoinedRun): number {
  let bytes = 0;
  for (const { byteLength } of buffers) bytes += byteLength;
  return bytes;
}

export class FileData implements DataSpace {
  readonly #fd: number;
  readonly #options: FileDataOptions;
  readonly #inFlight = new InFlight();
  /** Calls in threads that may hold the file's lock in the kernel. */
  #lockers = 0;
  #writeBacks = 0;
  #stalled = false;
  #sinceWriteBackBytes = 0;
  /** Changes completed, and how many of them a flush has covered. */
  #changes = 0;
  #flushedChanges = 0;
  #flushFailure: StoreError | undefined;
  #capacityBlocks: number;
  readonly #toPrepare: Array<{ place: Place; blocks: number }> = [];
  /** Opened when it is first needed. */
  #direct: DirectReader | 'none' | undefined;

  constructor(options: FileDataOptions) {
    this.#fd = options.fd;
    this.#options = options;
    this.#capacityBlocks = options.capacityBlocks;
  }

  get capacityBlocks(): number {
    return this.#capacityBlocks;
  }

  /** What the sparse file has taken of its file system, and what that has left. */
  roomBlocks(): number | undefined {
    if (this.#options.isDevice) return undefined;
    try {
      const { bavail, bsize } = fs.statfsSync(this.#options.path);
      const storedBytes = fs.fstatSync(this.#fd).blocks * STAT_BLOCK_BYTES;
      return Math.floor((storedBytes + bavail * bsize) / POOL_BLOCK_BYTES);
    } catch {
      // A file that was renamed or whose file system does not say: then the capacity alone counts.
      return undefined;
    }
  }

  read(place: Place, into: Uint8Array): MaybePromise<void> {
    this.#options.check();
    assertRun({ place, bytes: into.byteLength, capacityBlocks: this.#capacityBlocks });
    const offsetBytes = place * POOL_BLOCK_BYTES;
    const doneBytes = into.byteLength <= READ_AT_ONCE_BYTES_MAX ? this.#readCached(into, offsetBytes) : 0;
    if (doneBytes === into.byteLength) return undefined;
    return this.#inFlight.track(readFully(this.#fd, into, { offsetBytes, doneBytes }));
  }

  readStored(place: Place, into: Uint8Array): Promise<void> {
    this.#options.check();
    assertRun({ place, bytes: into.byteLength, capacityBlocks: this.#capacityBlocks });
    this.#direct ??= DirectReader.open(this.#options.path) ?? 'none';
    if (this.#direct === 'none') return Promise.resolve(this.read(place, into));
    return this.#inFlight.track(this.#direct.read(into, place * POOL_BLOCK_BYTES));
  }

  write(writes: readonly PlacedWrite[]): MaybePromise<void> {
    this.#options.check();
    let bytes = 0;
    for (const write of writes) {
      assertRun({
        place: write.place,
        bytes: write.bytes.byteLength,
        capacityBlocks: this.#capacityBlocks,
      });
      bytes += write.bytes.byteLength;
    }
    if (bytes > WRITE_AT_ONCE_BYTES_MAX || !this.#mayWriteAtOnce()) return this.#writeInThread(writes, bytes);
    this.#writeAtOnce(joinRuns(writes));
    this.#wrote(bytes);
    return undefined;
  }

  discard(place: Place, blocks: number): MaybePromise<void> {
    this.#options.check();
    if (blocks === 0) return undefined;
    assertRun({ place, bytes: blocks * POOL_BLOCK_BYTES, capacityBlocks: this.#capacityBlocks });
    return this.#locking(() => this.#discard(place, blocks));
  }

  /**
   * After the next flush, when the disk has nothing to do: taking space may have to read where there is some,
   * and writers wait for that.
   */
  prepare(place: Place, blocks: number): void {
    if (!this.#options.isDevice) this.#toPrepare.push({ place, blocks });
  }

  async flush(): Promise<void> {
    this.#options.check();
    if (this.#flushFailure !== undefined) throw this.#flushFailure;
    const changes = this.#changes;
    if (changes === this.#flushedChanges) return;
    try {
      await this.#inFlight.track(syncData(this.#fd));
    } catch (error) {
      this.#flushFailure = storeError('flush the data', error);
      throw this.#flushFailure;
    }
    // Another flush that began earlier may have failed meanwhile, and have taken the kernel's only report.
    if (this.#flushFailure !== undefined) throw this.#flushFailure;
    this.#flushedChanges = Math.max(this.#flushedChanges, changes);
    const { place, blocks } = this.#toPrepare.shift() ?? {};
    if (place === undefined || blocks === undefined) return;
    // What cannot be taken now, the write will ask for, and it says so when there is none.
    this.#locking(() => this.#prepare(place, blocks)).catch(() => undefined);
  }

  async grow(capacityBlocks: number): Promise<void> {
    this.#options.check();
    assert(capacityBlocks >= this.#capacityBlocks, 'a space never shrinks');
    await this.#inFlight.track(this.#grow(capacityBlocks));
  }

  /** Everything flushed, then dropped from the page cache. */
  async dropCaches(): Promise<void> {
    await syncData(this.#fd);
    await dropCache(this.#fd).catch((error: unknown) => {
      throw storeError('drop the cache of the data', error);
    });
  }

  async close(): Promise<void> {
    await this.#inFlight.idle();
    if (this.#direct instanceof DirectReader) await this.#direct.close();
    fs.closeSync(this.#fd);
  }

  #readCached(into: Uint8Array, offsetBytes: number): number {
    try {
      return readCached(this.#fd, into, offsetBytes);
    } catch (error) {
      throw storeError('read the data', error);
    }
  }

  #mayWriteAtOnce(lockers = 0): boolean {
    return this.#lockers <= lockers && !this.#stalled && this.#writeBacks < WRITE_BACKS_BEHIND_MAX;
  }

  #writeAtOnce(runs: readonly JoinedRun[]): void {
    const { nowMs } = this.#options;
    const begunMs = nowMs?.() ?? 0;
    for (const { place, buffers } of runs) writeFullySync(this.#fd, buffers, place * POOL_BLOCK_BYTES);
    if (nowMs !== undefined && nowMs() - begunMs > STALLED_MS) this.#stalled = true;
  }

  #writeInThread(writes: readonly PlacedWrite[], bytes: number): Promise<void> {
    return this.#locking(() => this.#writeRuns(joinRuns(writes), bytes));
  }

  /**
   * One after the other: the kernel lets one writer of a file in at a time. A trip through the thread pool
   * costs more than a short run does, so where the loop may write, it writes those between the trips.
   */
  async #writeRuns(runs: readonly JoinedRun[], bytes: number): Promise<void> {
    let atOnceBytes = 0;
    for (const run of runs) {
      const runBytes = bytesOf(run);
      atOnceBytes += runBytes;
      // The call itself is the one locker.
      if (atOnceBytes <= WRITE_AT_ONCE_BYTES_MAX && this.#mayWriteAtOnce(1)) this.#writeAtOnce([run]);
      else {
        await writeFully(this.#fd, run.buffers, run.place * POOL_BLOCK_BYTES);
        atOnceBytes = 0;
      }
    }
    this.#wrote(bytes);
  }

  #wrote(bytes: number): void {
    this.#changes += 1;
    this.#sinceWriteBackBytes += bytes;
    const due = this.#stalled ? this.#writeBacks === 0 : this.#sinceWriteBackBytes >= WRITE_BACK_BYTES;
    if (!due) return;
    this.#sinceWriteBackBytes = 0;
    this.#writeBacks += 1;
    // A failure to write pages is reported by the next flush; this call is only about when.
    const through = (): void => {
      this.#writeBacks -= 1;
      if (this.#writeBacks === 0) this.#stalled = false;
    };
    this.#inFlight.track(startWriteBack(this.#fd).then(through, through));
  }

  async #discard(place: Place, blocks: number): Promise<void> {
    try {
      for (let at = place; at < place + blocks; at += DISCARD_CALL_BLOCKS_MAX) {
        const count = Math.min(DISCARD_CALL_BLOCKS_MAX, place + blocks - at);
        const extent = { offsetBytes: at * POOL_BLOCK_BYTES, lengthBytes: count * POOL_BLOCK_BYTES };
        // To punch a hole into a device means to write zeroes, which not every device takes for a discard.
        const discarded = this.#options.isDevice && (await discardExtent(this.#fd, extent));
        if (!discarded) await punchHole(this.#fd, extent);
      }
    } catch (error) {
      throw storeError('discard blocks', error);
    }
    this.#changes += 1;
  }

  async #prepare(place: Place, blocks: number): Promise<void> {
    for (let at = place; at < place + blocks; at += PREPARE_CALL_BLOCKS_MAX) {
      const count = Math.min(PREPARE_CALL_BLOCKS_MAX, place + blocks - at);
      const extent = { offsetBytes: at * POOL_BLOCK_BYTES, lengthBytes: count * POOL_BLOCK_BYTES };
      if (!(await preallocateExtent(this.#fd, extent))) return;
    }
  }

  async #grow(capacityBlocks: number): Promise<void> {
    const bytes = capacityBlocks * POOL_BLOCK_BYTES;
    if (this.#options.isDevice) {
      const deviceBytes = endOf(this.#fd);
      if (deviceBytes < bytes) {
        throw new OperatorError(
          'bad-size',
          `The device has ${deviceBytes} bytes, not ${bytes}: enlarge it first.`,
        );
      }
    } else {
      try {
        fs.ftruncateSync(this.#fd, bytes);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new OperatorError('bad-size', `The data file cannot have ${bytes} bytes: ${reason}`, { cause });
      }
      await syncAll(this.#fd);
    }
    await this.#options.recordCapacity(capacityBlocks);
    this.#capacityBlocks = capacityBlocks;
  }

  /** It counts before its first step, which may be a write at once. */
  #locking<T>(call: () => Promise<T>): Promise<T> {
    const done = (): void => {
      this.#lockers -= 1;
    };
    this.#lockers += 1;
    const promise = call();
    promise.then(done, done);
    return this.#inFlight.track(promise);
  }
}
