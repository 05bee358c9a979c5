/**
 * The embedded medium: a pool in a directory of one machine.
 *
 *   pool.json    the header: format version, UUID, capacity; its presence makes the directory a pool
 *   lock         the kernel lock that is the lease
 *   epoch.json   how often the pool was opened
 *   data         the data space, a sparse file, unless the header names another file or a block device
 *   journal/     segment files
 *   tables.mdb   the tables, LMDB
 *
 * The header is written last, so a directory with a header is complete.
 */
import assert from 'node:assert';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { OperatorError, StoreError } from '../../lun/errors.ts';
import { syncAll, syncFile } from './fd-io.ts';
import { FileData } from './file-data.ts';
import { FileJournal } from './file-journal.ts';
import { createEpoch, DirectoryLock, FileLease, nextEpoch } from './file-lease.ts';
import { LmdbMeta } from './lmdb-meta.ts';
import {
  type DataSpace,
  type JournalSpace,
  type Lease,
  type Medium,
  type MetaSpace,
  PLACES_MAX,
  POOL_BLOCK_BYTES,
} from './medium.ts';
import { endOf, tryLock } from './posix.ts';
import { type Fields, numberField, readRecord, textField, writeRecord } from './record-file.ts';

const HEADER_FILE = 'pool.json';
const HEADER_KIND = 'snaplun pool';
const DATA_FILE = 'data';
const JOURNAL_DIRECTORY = 'journal';
const TABLES_FILE = 'tables.mdb';
/** What a new file system puts into its root directory. */
const NOT_OURS_BUT_HARMLESS: ReadonlySet<string> = new Set(['lost+found']);

const JOURNAL_SEGMENT_BYTES = 16 * 1024 * 1024;
const JOURNAL_SEGMENT_BYTES_MIN = 8192;
const JOURNAL_RESERVE_SEGMENTS = 4;
const TABLES_RESERVE_BYTES = 32 * 1024 * 1024;
const PLACES_MIN = 16;

export interface CreateFilePoolOptions {
  /** Pool blocks of the data space: 16 … 2^40. */
  readonly capacityBlocks: number;
  /** A block device, or a file that does not exist yet, for the data; `data` in the directory unless told. */
  readonly dataPath?: string;
  /** Bytes of one journal segment file. 16 MiB unless told. */
  readonly journalSegmentBytes?: number;
}

export interface OpenFileOptions {
  /** A monotonic clock in milliseconds, to notice writes that the kernel holds up. */
  readonly nowMs?: () => number;
  /** Journal files always there, so that a full file system does not stop the journal. 4 unless told. */
  readonly journalReserveSegments?: number;
  /** Bytes of the file system kept for the growth of the tables. 32 MiB unless told. */
  readonly tablesReserveBytes?: number;
}

/**
 * Makes a pool in a directory that is empty or does not exist. Operator errors: 'exists' (it is a
 * pool), 'not-empty', 'in-use', 'bad-size' (of a device), 'bad-path'.
 */
export async function createFilePool(directory: string, options: CreateFilePoolOptions): Promise<void> {
  const { capacityBlocks, journalSegmentBytes = JOURNAL_SEGMENT_BYTES } = options;
  checkCapacity(capacityBlocks);
  assert(journalSegmentBytes >= JOURNAL_SEGMENT_BYTES_MIN && journalSegmentBytes % POOL_BLOCK_BYTES === 0);
  let lock: DirectoryLock | undefined;
  const made: string[] = [];
  try {
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    refuseUnlessEmpty(directory);
    fs.chmodSync(directory, 0o700);
    lock = DirectoryLock.take(directory);
    if (fs.existsSync(path.join(directory, HEADER_FILE))) throw exists(directory);
    made.push(lock.path);
    await makePool(directory, { ...options, journalSegmentBytes }, made);
  } catch (error) {
    for (const name of made) fs.rmSync(name, { recursive: true, force: true });
    throw operatorError(`The pool in ${directory} cannot be made`, error);
  } finally {
    lock?.release();
  }
}

function checkCapacity(blocks: number): void {
  if (Number.isSafeInteger(blocks) && blocks >= PLACES_MIN && blocks <= PLACES_MAX) return;
  const bytes = (places: number): number => places * POOL_BLOCK_BYTES;
  throw new OperatorError(
    'bad-size',
    `A pool has ${bytes(PLACES_MIN)} to ${bytes(PLACES_MAX)} bytes of data space, not ${bytes(blocks)}.`,
  );
}

/** Bytes of the block device of this name; undefined where the name is none. OperatorError 'bad-path'. */
export function blockDeviceBytes(file: string): number | undefined {
  if (fs.statSync(file, { throwIfNoEntry: false })?.isBlockDevice() !== true) return undefined;
  const { fd } = openData(file);
  try {
    return endOf(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Makes all parts, the header last. What was begun is added to `made`, so that it can be removed. */
async function makePool(
  directory: string,
  options: CreateFilePoolOptions & { readonly journalSegmentBytes: number },
  made: string[],
): Promise<void> {
  const { capacityBlocks, journalSegmentBytes } = options;
  const dataPath = options.dataPath === undefined ? DATA_FILE : path.resolve(options.dataPath);
  await createData(path.resolve(directory, dataPath), capacityBlocks, made);
  const journal = path.join(directory, JOURNAL_DIRECTORY);
  fs.mkdirSync(journal, { mode: 0o700 });
  made.push(journal);
  const tables = path.join(directory, TABLES_FILE);
  made.push(tables, `${tables}-lock`);
  await LmdbMeta.open(tables, 0, () => undefined).close();
  await syncFile(tables);
  made.push(await createEpoch(directory));
  await writeHeader(directory, { poolUuid: randomUUID(), capacityBlocks, journalSegmentBytes, dataPath });
  made.length = 0;
  await syncFile(path.dirname(path.resolve(directory)));
}

/**
 * Opens a pool and holds its lease until the medium is closed. Operator errors: 'not-found',
 * 'not-a-pool', 'damaged', 'newer-format', 'in-use', 'bad-path'.
 */
export async function openFileMedium(directory: string, options: OpenFileOptions = {}): Promise<Medium> {
  const opened: Array<() => Promise<void> | void> = [];
  try {
    if (!fs.existsSync(directory)) throw new OperatorError('not-found', `${directory} does not exist.`);
    readHeader(directory);
    if ((fs.statSync(directory).mode & 0o077) !== 0) fs.chmodSync(directory, 0o700);
    const lock = DirectoryLock.take(directory);
    opened.push(() => lock.release());
    // Read again: the holder before may have changed it until the lock was free.
    const header = readHeader(directory);
    const medium = new FileMedium(directory, await nextEpoch(directory), opened);
    await medium.open(header, options);
    return medium;
  } catch (error) {
    for (const close of opened.reverse()) await close();
    throw operatorError(`The pool in ${directory} cannot be opened`, error);
  }
}

/** While a pool is made or opened, what the operating system refuses is the operator's to put right. */
function operatorError(what: string, error: unknown): unknown {
  if (error instanceof OperatorError || !(error instanceof Error) || !('code' in error)) return error;
  if (error instanceof assert.AssertionError || error instanceof StoreError) return error;
  return new OperatorError('bad-path', `${what}: ${error.message}`, { cause: error });
}

interface Header {
  readonly poolUuid: string;
  readonly capacityBlocks: number;
  readonly journalSegmentBytes: number;
  /** Absolute, or relative to the directory. */
  readonly dataPath: string;
}

async function writeHeader(directory: string, header: Header): Promise<void> {
  const { poolUuid, capacityBlocks, journalSegmentBytes, dataPath } = header;
  const fields: Fields = { poolUuid, capacityBlocks, journalSegmentBytes, dataPath };
  await writeRecord(path.join(directory, HEADER_FILE), HEADER_KIND, fields);
}

function readHeader(directory: string): Header {
  const file = path.join(directory, HEADER_FILE);
  const fields = readRecord(file, HEADER_KIND);
  if (fields === undefined) {
    throw new OperatorError('not-a-pool', `${directory} is not a pool: it has no ${HEADER_FILE}.`);
  }
  return {
    poolUuid: textField(file, fields, 'poolUuid'),
    capacityBlocks: numberField(file, fields, 'capacityBlocks'),
    journalSegmentBytes: numberField(file, fields, 'journalSegmentBytes'),
    dataPath: textField(file, fields, 'dataPath'),
  };
}

function exists(directory: string): OperatorError {
  return new OperatorError('exists', `${directory} is a pool already.`);
}

function refuseUnlessEmpty(directory: string): void {
  const names = fs.readdirSync(directory).filter((name) => !NOT_OURS_BUT_HARMLESS.has(name));
  if (names.includes(HEADER_FILE)) throw exists(directory);
  const [first] = names;
  if (first === undefined) return;
  throw new OperatorError(
    'not-empty',
    `${directory} is not a pool and not empty (${first}): choose an empty or new directory.`,
  );
}

/** Makes the data file, which is added to `made`, or checks the device. */
async function createData(file: string, capacityBlocks: number, made: string[]): Promise<void> {
  const bytes = capacityBlocks * POOL_BLOCK_BYTES;
  const present = fs.statSync(file, { throwIfNoEntry: false });
  if (present !== undefined) {
    if (!present.isBlockDevice()) throw new OperatorError('exists', `${file} exists and is no block device.`);
    const { fd } = openData(file);
    const deviceBytes = endOf(fd);
    fs.closeSync(fd);
    if (deviceBytes < bytes) {
      throw new OperatorError('bad-size', `${file} has ${deviceBytes} bytes, the pool would need ${bytes}.`);
    }
    return;
  }
  let fd: number | undefined;
  try {
    fd = fs.openSync(file, 'wx', 0o600);
    made.push(file);
    fs.ftruncateSync(fd, bytes);
    await syncAll(fd);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OperatorError('bad-path', `The data file ${file} cannot be made: ${reason}`, { cause });
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
  await syncFile(path.dirname(file));
}

/** Opens and locks the data, so that two pools never share a device or a file. */
function openData(file: string): { fd: number; isDevice: boolean } {
  const present = fs.statSync(file, { throwIfNoEntry: false });
  if (present === undefined) throw new OperatorError('damaged', `The pool's data, ${file}, is missing.`);
  const isDevice = present.isBlockDevice();
  const { O_RDWR, O_EXCL } = fs.constants;
  let fd: number;
  try {
    // On a block device O_EXCL is refused while it is mounted or otherwise taken.
    fd = fs.openSync(file, isDevice ? O_RDWR | O_EXCL : O_RDWR);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const busy = cause instanceof Error && 'code' in cause && cause.code === 'EBUSY';
    throw new OperatorError(busy ? 'in-use' : 'bad-path', `${file} cannot be opened: ${reason}`, { cause });
  }
  if (tryLock(fd)) return { fd, isDevice };
  fs.closeSync(fd);
  throw new OperatorError('in-use', `${file} is in use by another pool.`);
}

function openDataOfPool(file: string, capacityBlocks: number): { fd: number; isDevice: boolean } {
  const opened = openData(file);
  const bytes = endOf(opened.fd);
  if (bytes >= capacityBlocks * POOL_BLOCK_BYTES) return opened;
  fs.closeSync(opened.fd);
  throw new OperatorError('damaged', `${file} has ${bytes} bytes, less than the pool's capacity.`);
}

class FileMedium implements Medium {
  readonly description: string;
  readonly lease: Lease;
  readonly #directory: string;
  /** What to close, in the order in which it was opened. */
  readonly #opened: Array<() => Promise<void> | void>;
  #closed = false;
  #data: FileData | undefined;
  #journal: FileJournal | undefined;
  #meta: LmdbMeta | undefined;

  constructor(directory: string, epoch: number, opened: Array<() => Promise<void> | void>) {
    this.description = `directory ${directory}`;
    this.lease = new FileLease(epoch);
    this.#directory = directory;
    this.#opened = opened;
  }

  get data(): DataSpace {
    assert(this.#data !== undefined);
    return this.#data;
  }

  get journal(): JournalSpace {
    assert(this.#journal !== undefined);
    return this.#journal;
  }

  get meta(): MetaSpace {
    assert(this.#meta !== undefined);
    return this.#meta;
  }

  async open(header: Header, options: OpenFileOptions): Promise<void> {
    const check = (): void => this.#check();
    const dataPath = path.resolve(this.#directory, header.dataPath);
    const { fd, isDevice } = openDataOfPool(dataPath, header.capacityBlocks);
    const data = new FileData({
      fd,
      path: dataPath,
      isDevice,
      capacityBlocks: header.capacityBlocks,
      nowMs: options.nowMs,
      check,
      recordCapacity: (capacityBlocks) => writeHeader(this.#directory, { ...header, capacityBlocks }),
    });
    this.#data = data;
    this.#opened.push(() => data.close());
    const tables = path.join(this.#directory, TABLES_FILE);
    if (!fs.existsSync(tables))
      throw new OperatorError('damaged', `The pool's tables, ${tables}, are missing.`);
    const meta = LmdbMeta.open(tables, options.tablesReserveBytes ?? TABLES_RESERVE_BYTES, check);
    this.#meta = meta;
    this.#opened.push(() => meta.close());
    const journal = await FileJournal.open({
      directory: path.join(this.#directory, JOURNAL_DIRECTORY),
      poolUuid: Buffer.from(header.poolUuid.replaceAll('-', ''), 'hex'),
      segmentBytes: header.journalSegmentBytes,
      reserveSegments: options.journalReserveSegments ?? JOURNAL_RESERVE_SEGMENTS,
      check,
    });
    this.#journal = journal;
    this.#opened.push(() => journal.close());
  }

  async dropCaches(): Promise<void> {
    this.#check();
    await this.#data?.dropCaches();
    await this.#journal?.dropCaches();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // The lock is the last: until then nobody else may open what may still be written.
    for (const close of this.#opened.reverse()) await close();
  }

  #check(): void {
    if (this.#closed) throw new StoreError('CLOSED', `The pool in ${this.#directory} was closed.`);
  }
}
