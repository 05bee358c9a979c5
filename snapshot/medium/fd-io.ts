/**
 * Whole reads and writes on a file descriptor: the kernel may do a part of what it is asked, so each
 * of these loops until all is done. The ones that return a promise run in the thread pool.
 */
import fs from 'node:fs';
import os from 'node:os';
import { StoreError } from '../../lun/errors.ts';

/** Buffers the kernel takes in one call (IOV_MAX of Linux and macOS). */
export const BUFFERS_PER_CALL_MAX = 1024;

const { ENOSPC, EDQUOT } = os.constants.errno;
/** As Node words them, and as LMDB does. */
const NO_SPACE_CODES: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', ENOSPC, EDQUOT]);

/** What a failed call of the operating system means to the engine; `what` completes "Could not …". */
export function storeError(what: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StoreError(NO_SPACE_CODES.has(code) ? 'NO_SPACE' : 'IO', `Could not ${what}: ${reason}`, {
    cause,
  });
}

type Callback<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

function called<T>(what: string, start: (callback: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null ? resolve(value) : reject(storeError(what, error))));
  });
}

/** Fills `into` from `doneBytes` on; the file has the bytes from `offsetBytes` on. */
export async function readFully(
  fd: number,
  into: Uint8Array,
  { offsetBytes, doneBytes = 0 }: { offsetBytes: number; doneBytes?: number },
): Promise<void> {
  let done = doneBytes;
  while (done < into.byteLength) {
    const at = done;
    const bytes = await called<number>('read', (callback) =>
      fs.read(fd, into, at, into.byteLength - at, offsetBytes + at, callback),
    );
    if (bytes === 0) throw new StoreError('IO', 'Could not read: the file ends early.');
    done += bytes;
  }
}

/** What is left of `buffers` after their first `bytes` were written. */
function remaining(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const left: Uint8Array[] = [];
  let skip = bytes;
  for (const buffer of buffers) {
    if (skip >= buffer.byteLength) skip -= buffer.byteLength;
    else {
      left.push(skip === 0 ? buffer : buffer.subarray(skip));
      skip = 0;
    }
  }
  return left;
}

/** Stores the buffers one after the other from `offsetBytes` on; at most BUFFERS_PER_CALL_MAX of them. */
export async function writeFully(
  fd: number,
  buffers: readonly Uint8Array[],
  offsetBytes: number,
): Promise<void> {
  let left = buffers;
  let offset = offsetBytes;
  while (left.length > 0) {
    const present = left;
    const bytes = await called<number>('write', (callback) => fs.writev(fd, present, offset, callback));
    if (bytes === 0) throw new StoreError('IO', 'Could not write: nothing was taken.');
    left = remaining(present, bytes);
    offset += bytes;
  }
}

/** The same at once, on the thread that calls. */
export function writeFullySync(fd: number, buffers: readonly Uint8Array[], offsetBytes: number): void {
  let left = buffers;
  let offset = offsetBytes;
  try {
    while (left.length > 0) {
      const bytes =
        left.length === 1 ? writeOne(fd, left[0] as Uint8Array, offset) : fs.writevSync(fd, left, offset);
      if (bytes === 0) throw new StoreError('IO', 'Could not write: nothing was taken.');
      left = remaining(left, bytes);
      offset += bytes;
    }
  } catch (error) {
    throw storeError('write', error);
  }
}

function writeOne(fd: number, buffer: Uint8Array, offsetBytes: number): number {
  return fs.writeSync(fd, buffer, 0, buffer.byteLength, offsetBytes);
}

export function syncData(fd: number): Promise<void> {
  return called<void>('flush', (callback) => fs.fdatasync(fd, (error) => callback(error, undefined)));
}

export function syncAll(fd: number): Promise<void> {
  return called<void>('flush', (callback) => fs.fsync(fd, (error) => callback(error, undefined)));
}

/** Makes a file that is not open durable, or the names in a directory. */
export async function syncFile(path: string): Promise<void> {
  const fd = fs.openSync(path, fs.constants.O_RDONLY);
  try {
    await syncAll(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Promises under way, so that closing can wait for the descriptors to be idle. */
export class InFlight {
  readonly #promises = new Set<Promise<unknown>>();

  get count(): number {
    return this.#promises.size;
  }

  track<T>(promise: Promise<T>): Promise<T> {
    const forget = (): void => void this.#promises.delete(promise);
    this.#promises.add(promise);
    promise.then(forget, forget);
    return promise;
  }

  /** Waits until nothing is under way; failures are their callers' to hear. */
  async idle(): Promise<void> {
    while (this.#promises.size > 0) await Promise.allSettled(this.#promises);
  }
}
