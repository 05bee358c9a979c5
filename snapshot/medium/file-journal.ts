/**
 * The journal in a directory of segment files. The next segment is made ready in the background while
 * the present one fills, its header durable before anything is appended to it; files that were dropped
 * are used again, and a few are always kept, so that a full file system does not stop the journal.
 *
 * Small appends are written at once. Whatever cannot be (a large one, or the next segment is not ready)
 * waits in a row, and all that come after it wait behind it, so that appends complete in order.
 */
import assert from 'node:assert';
import fs from 'node:fs';
import path from 'node:path';
import { StoreError } from '../../lun/errors.ts';
import type { MaybePromise } from '../../lun/units.ts';
import { InFlight, storeError, syncData, syncFile, writeFully, writeFullySync } from './fd-io.ts';
import type { JournalSegment, JournalSpace } from './medium.ts';
import { dropCache } from './posix.ts';
import { type PoolForm, SEGMENT_HEADER_BYTES, SegmentFile } from './segment-file.ts';

/** Larger appends go to the thread pool. */
const APPEND_AT_ONCE_BYTES_MAX = 256 * 1024;
/** Of the page cache; where pages are larger, appends are merely slower. */
const PAGE_BYTES = 4096;
const ZEROES = new Uint8Array(PAGE_BYTES);
const SEGMENT_NAME = /^segment-(\d{1,9})$/;

export interface FileJournalOptions extends PoolForm {
  readonly directory: string;
  /** Files always there, in use or not. */
  readonly reserveSegments: number;
  /** Throws when the medium is closed. */
  readonly check: () => void;
}

export class FileJournal implements JournalSpace {
  readonly appendBytesMax: number;
  readonly #options: FileJournalOptions;
  /** All files, in no order. */
  readonly #files: SegmentFile[] = [];
  readonly #inFlight = new InFlight();
  readonly #flushes = new InFlight();
  #nextFile = 1;
  /** The segment appended to; undefined until the first append of this opening or since `beginSegment`. */
  #present: SegmentFile | undefined;
  /** Ready to be the next present one. */
  #ready: SegmentFile | undefined;
  #preparing: Promise<SegmentFile> | undefined;
  /** The number of the segment that is ready or being made so. */
  #upcoming = 1;
  /** The end of the row of appends that wait. */
  #row: Promise<unknown> | undefined;
  #appended = false;
  #appendFailure: StoreError | undefined;
  #flushFailure: StoreError | undefined;

  private constructor(options: FileJournalOptions) {
    this.#options = options;
    this.appendBytesMax = options.segmentBytes - SEGMENT_HEADER_BYTES;
  }

  static async open(options: FileJournalOptions): Promise<FileJournal> {
    const journal = new FileJournal(options);
    try {
      await journal.#openFiles();
      await journal.#fillReserve();
      journal.#prepare();
      await journal.#preparing;
    } catch (error) {
      await journal.close();
      throw error;
    }
    return journal;
  }

  get segment(): number {
    return this.#present?.number ?? this.#upcoming;
  }

  get keptBytes(): number {
    let bytes = 0;
    for (const file of this.#kept())
      bytes += file.appendedBytes > 0 ? file.appendedBytes : this.appendBytesMax;
    return bytes;
  }

  append(bytes: Uint8Array): MaybePromise<void> {
    this.#options.check();
    assert(bytes.byteLength > 0 && bytes.byteLength <= this.appendBytesMax, 'an append fits into a segment');
    this.#appended = true;
    if (this.#row !== undefined || bytes.byteLength > APPEND_AT_ONCE_BYTES_MAX) return this.#wait(bytes);
    const segment = this.#segmentFor(bytes.byteLength);
    if (segment === undefined) return this.#wait(bytes);
    if (this.#appendFailure !== undefined) throw this.#appendFailure;
    const offset = segment.appendedBytes;
    try {
      writeFullySync(segment.fd, this.#paged(bytes, offset), SEGMENT_HEADER_BYTES + offset);
    } catch (error) {
      throw this.#failAppends(error);
    }
    segment.appendedBytes = offset + bytes.byteLength;
    return undefined;
  }

  async flush(): Promise<void> {
    this.#options.check();
    if (this.#flushFailure !== undefined) throw this.#flushFailure;
    const dirty = this.#files.filter(({ appendedBytes, flushedBytes }) => appendedBytes > flushedBytes);
    try {
      await Promise.all(dirty.map((file) => this.#flushes.track(flushFile(file))));
    } catch (error) {
      this.#flushFailure = storeError('flush the journal', error);
    }
    // A flush that ran beside this one may have taken the kernel's only report of a failure.
    if (this.#flushFailure !== undefined) throw this.#flushFailure;
  }

  beginSegment(): MaybePromise<number> {
    this.#options.check();
    if (this.#row !== undefined) return this.#inRow(async () => this.#end());
    return this.#end();
  }

  async *replay(): AsyncGenerator<JournalSegment> {
    assert(!this.#appended, 'replay comes before the first append');
    const found = this.#kept().sort((a, b) => a.number - b.number);
    for (const file of found) {
      this.#options.check();
      yield { number: file.number, bytes: await this.#inFlight.track(file.readAll()) };
    }
  }

  dropBefore(segment: number): MaybePromise<void> {
    this.#options.check();
    assert(segment <= this.segment, 'the present segment is kept');
    const dropped = this.#kept().filter(({ number }) => number < segment);
    if (dropped.length === 0) return undefined;
    return this.#inFlight.track(this.#drop(dropped));
  }

  async dropCaches(): Promise<void> {
    for (const { fd } of this.#files) {
      await syncData(fd);
      await dropCache(fd).catch((error: unknown) => {
        throw storeError('drop the cache of the journal', error);
      });
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#preparing, this.#row]);
    await this.#inFlight.idle();
    await this.#flushes.idle();
    for (const file of this.#files.splice(0)) file.close();
  }

  /** Files whose contents a replay must show. */
  #kept(): SegmentFile[] {
    return this.#files.filter(({ state, number }) => state === 'kept' && number < this.#upcoming);
  }

  async #openFiles(): Promise<void> {
    for (const name of fs.readdirSync(this.#options.directory)) {
      const index = SEGMENT_NAME.exec(name)?.[1];
      if (index === undefined) continue;
      const file = await SegmentFile.open(path.join(this.#options.directory, name), this.#options);
      this.#files.push(file);
      this.#nextFile = Math.max(this.#nextFile, Number(index) + 1);
      this.#upcoming = Math.max(this.#upcoming, file.number + 1);
    }
  }

  /**
   * Makes the files that are always there; one that finds no space is left out, the journal works with
   * fewer.
   */
  async #fillReserve(): Promise<void> {
    while (this.#files.length < this.#options.reserveSegments) {
      try {
        await this.#create();
      } catch (error) {
        if (error instanceof StoreError && error.code === 'NO_SPACE') return;
        throw error;
      }
    }
  }

  async #create(): Promise<SegmentFile> {
    const name = `segment-${String(this.#nextFile).padStart(6, '0')}`;
    this.#nextFile += 1;
    const file = await SegmentFile.create(path.join(this.#options.directory, name), this.#options);
    this.#files.push(file);
    await syncFile(this.#options.directory);
    return file;
  }

  #lowestFree(): SegmentFile | undefined {
    const free = this.#files.filter(({ state }) => state === 'free');
    return free.sort((a, b) => a.number - b.number)[0];
  }

  /** Begins to make the upcoming segment ready; a failure is met by the append that needs it. */
  #prepare(): void {
    const preparing = this.#takeFree();
    this.#preparing = preparing;
    preparing.then(
      (file) => {
        this.#ready = file;
        this.#preparing = undefined;
      },
      () => {
        this.#preparing = undefined;
      },
    );
  }

  async #takeFree(): Promise<SegmentFile> {
    const file = this.#lowestFree() ?? (await this.#create());
    await file.use(this.#upcoming);
    return file;
  }

  /** The segment with room for so many bytes, if that can be told without waiting. */
  #segmentFor(bytes: number): SegmentFile | undefined {
    if (this.#present !== undefined && this.#present.appendedBytes + bytes <= this.appendBytesMax) {
      return this.#present;
    }
    const ready = this.#ready;
    if (ready === undefined) {
      // The present one is over even if the next is not ready: nothing may be appended to it any more.
      this.#present = undefined;
      return undefined;
    }
    this.#present = ready;
    this.#ready = undefined;
    this.#upcoming += 1;
    this.#prepare();
    return ready;
  }

  #end(): number {
    this.#present = undefined;
    return this.#upcoming;
  }

  #wait(bytes: Uint8Array): Promise<void> {
    return this.#inRow(() => this.#appendInTurn(bytes));
  }

  #inRow<T>(turn: () => Promise<T>): Promise<T> {
    const result = (this.#row ?? Promise.resolve()).then(turn, turn);
    this.#row = result;
    const leave = (): void => {
      if (this.#row === result) this.#row = undefined;
    };
    result.then(leave, leave);
    return result;
  }

  async #appendInTurn(bytes: Uint8Array): Promise<void> {
    if (this.#appendFailure !== undefined) throw this.#appendFailure;
    try {
      let segment = this.#segmentFor(bytes.byteLength);
      while (segment === undefined) {
        if (this.#preparing === undefined) this.#prepare();
        await this.#preparing;
        segment = this.#segmentFor(bytes.byteLength);
      }
      const offset = segment.appendedBytes;
      await writeFully(segment.fd, this.#paged(bytes, offset), SEGMENT_HEADER_BYTES + offset);
      segment.appendedBytes += bytes.byteLength;
    } catch (error) {
      throw this.#failAppends(error);
    }
  }

  /**
   * What is written for an append: the page it ends in is filled up with zeroes. A part of a page that is not
   * cached would make the kernel read the page first, and the loop wait for the disk.
   */
  #paged(bytes: Uint8Array, offset: number): Uint8Array[] {
    const begin = SEGMENT_HEADER_BYTES + offset;
    const end = begin + bytes.byteLength;
    const pageEnd = Math.min(Math.ceil(end / PAGE_BYTES) * PAGE_BYTES, this.#options.segmentBytes);
    const pageBegin = Math.floor((end - 1) / PAGE_BYTES) * PAGE_BYTES;
    // The page that the append begins in, if it is this one, was filled up by an earlier append.
    if (begin > pageBegin || pageEnd === end) return [bytes];
    return [bytes, ZEROES.subarray(0, pageEnd - end)];
  }

  #failAppends(error: unknown): StoreError {
    this.#appendFailure ??= storeError('append to the journal', error);
    return this.#appendFailure;
  }

  async #drop(dropped: readonly SegmentFile[]): Promise<void> {
    for (const file of dropped) await file.free();
    // The last number must remain readable somewhere: the highest free files are the ones that stay.
    for (let file = this.#lowestFree(); file !== undefined; file = this.#lowestFree()) {
      if (this.#files.length <= this.#options.reserveSegments) return;
      file.state = 'busy';
      this.#files.splice(this.#files.indexOf(file), 1);
      await this.#flushes.idle();
      file.close();
      fs.unlinkSync(file.path);
    }
  }
}

async function flushFile(file: SegmentFile): Promise<void> {
  const { number, appendedBytes } = file;
  await syncData(file.fd);
  if (file.number === number) file.flushedBytes = Math.max(file.flushedBytes, appendedBytes);
}
