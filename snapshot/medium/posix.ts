/**
 * The few calls of the C library that Node has not. On a system that lacks one, the binding says so
 * (`undefined`, or false) and the caller goes the slower way that means the same.
 *
 * Measured on two cores, a random cached read of 4 KiB: `fs.readSync` 1.9 µs; `preadv2` here 1.6 µs with a
 * prebuilt iovec whose base is asked of koffi at each call (0.1 µs; it also cannot go stale), 2.3 µs
 * with the iovec as an object, 2.0 µs through one fixed buffer and a copy.
 */
import os from 'node:os';
import koffi from 'koffi';

const LOCK_EX = 2;
const LOCK_NB = 4;
const RWF_NOWAIT = 8;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const SYNC_FILE_RANGE_WRITE = 2;
const POSIX_FADV_DONTNEED = 4;
const SEEK_END = 2;
/** ioctl of Linux block devices, linux/fs.h: _IO(0x12, 119). */
const BLKDISCARD = 0x1277;

/** What a call says that the system or this file cannot do. */
const UNSUPPORTED: ReadonlySet<string> = new Set([
  'ENOSYS',
  'EOPNOTSUPP',
  'ENOTSUP',
  'EINVAL',
  'ENOTTY',
  'ENODEV',
]);

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(os.constants.errno).map(([name, errno]) => [errno, name]),
);

/** A call of the C library failed. */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError';
  /** As Node words it: 'EIO', 'ENOSPC', … */
  readonly code: string;

  constructor(call: string, errno: number) {
    const code = ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
    super(`${code}: ${call} failed`);
    this.code = code;
  }
}

const { EAGAIN, EWOULDBLOCK, EINTR } = os.constants.errno;

type Bound = ReturnType<ReturnType<typeof koffi.load>['func']>;

const library = koffi.load(null);

function bind(name: string, result: string, parameters: string[]): Bound | undefined {
  try {
    return library.func(name, result, parameters);
  } catch {
    // The C library of this system has no such function.
    return undefined;
  }
}

const onLinux = process.platform === 'linux';
const flock = bind('flock', 'int', ['int', 'int']);
const lseek = bind('lseek', 'int64_t', ['int', 'int64_t', 'int']);
const preadv2 = onLinux
  ? bind('preadv2', 'int64_t', ['int', 'const void *', 'int', 'int64_t', 'int'])
  : undefined;
const fallocate = onLinux ? bind('fallocate', 'int', ['int', 'int', 'int64_t', 'int64_t']) : undefined;
const syncFileRange = onLinux
  ? bind('sync_file_range', 'int', ['int', 'int64_t', 'int64_t', 'unsigned int'])
  : undefined;
const fadvise = onLinux ? bind('posix_fadvise', 'int', ['int', 'int64_t', 'int64_t', 'int']) : undefined;
const ioctl = onLinux ? bind('ioctl', 'int', ['int', 'unsigned long', 'void *']) : undefined;

function lastError(call: string): SystemCallError {
  return new SystemCallError(call, koffi.errno());
}

/** Takes the exclusive lock of an open file; false when another open file has it. */
export function tryLock(fd: number): boolean {
  if (flock === undefined) throw new SystemCallError('flock', os.constants.errno.ENOSYS);
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
  const error = lastError('flock');
  if (error.code === 'EAGAIN' || error.code === 'EWOULDBLOCK') return false;
  throw error;
}

/** Bytes of a file or block device; moves the descriptor's own position, which nothing here uses. */
export function endOf(fd: number): number {
  const end = lseek === undefined ? -1 : Number(lseek(fd, 0, SEEK_END));
  if (end < 0) throw lastError('lseek');
  return end;
}

/** Memory that begins at a multiple of `alignment`, a power of two, as direct reads want it. */
export function alignedBytes(bytes: number, alignment: number): Uint8Array {
  const whole = new Uint8Array(bytes + alignment);
  const past = Number(BigInt(koffi.address(whole)) % BigInt(alignment));
  return whole.subarray((alignment - past) % alignment).subarray(0, bytes);
}

const iovec = new BigUint64Array(2);
let cachedReads = preadv2 !== undefined;

/**
 * Reads what the page cache has, without waiting: the number of bytes read from `offsetBytes` on, 0 when
 * none are cached or the system cannot tell.
 */
export function readCached(fd: number, into: Uint8Array, offsetBytes: number): number {
  if (preadv2 === undefined || !cachedReads) return 0;
  iovec[0] = koffi.address(into);
  iovec[1] = BigInt(into.byteLength);
  const bytes: number = preadv2(fd, iovec, 1, offsetBytes, RWF_NOWAIT);
  if (bytes >= 0) return bytes;
  // The usual case, without an error object: making one costs several times what the call does.
  const errno = koffi.errno();
  if (errno === EAGAIN || errno === EWOULDBLOCK || errno === EINTR) return 0;
  const error = new SystemCallError('preadv2', errno);
  if (!UNSUPPORTED.has(error.code)) throw error;
  cachedReads = false;
  return 0;
}

/** Runs a bound call in a worker thread; false when it is not supported. */
function inThread(name: string, bound: Bound | undefined, args: unknown[]): Promise<boolean> {
  if (bound === undefined) return Promise.resolve(false);
  return new Promise((resolve, reject) => {
    bound.async(...args, (failure: unknown, result: number) => {
      if (failure === null && result === 0) return resolve(true);
      // posix_fadvise returns the error, the others leave it in errno.
      const error = new SystemCallError(name, result > 0 ? result : koffi.errno());
      if (UNSUPPORTED.has(error.code)) resolve(false);
      else reject(failure ?? error);
    });
  });
}

interface Extent {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** Gives the space of an extent of a file back; false where that cannot be done. */
export function punchHole(fd: number, { offsetBytes, lengthBytes }: Extent): Promise<boolean> {
  const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  return inThread('fallocate', fallocate, [fd, mode, offsetBytes, lengthBytes]);
}

/** Tells a block device that an extent is not needed; false where that cannot be done. */
export function discardExtent(fd: number, { offsetBytes, lengthBytes }: Extent): Promise<boolean> {
  const extent = BigUint64Array.of(BigInt(offsetBytes), BigInt(lengthBytes));
  // The thread reads the extent: it must live until then.
  return inThread('ioctl', ioctl, [fd, BLKDISCARD, extent]).finally(() => extent);
}

/** Takes the space for the first `lengthBytes` of a file; false where that cannot be done. */
export function preallocate(fd: number, lengthBytes: number): Promise<boolean> {
  return inThread('fallocate', fallocate, [fd, 0, 0, lengthBytes]);
}

/** The same for an extent, the file's length left as it is. */
export function preallocateExtent(fd: number, { offsetBytes, lengthBytes }: Extent): Promise<boolean> {
  return inThread('fallocate', fallocate, [fd, FALLOC_FL_KEEP_SIZE, offsetBytes, lengthBytes]);
}

/** Begins writing what is dirty to the disk, and does not wait for it; false where that cannot be done. */
export function startWriteBack(fd: number): Promise<boolean> {
  return inThread('sync_file_range', syncFileRange, [fd, 0, 0, SYNC_FILE_RANGE_WRITE]);
}

/** Drops the clean pages of a file from the cache; false where that cannot be done. */
export function dropCache(fd: number): Promise<boolean> {
  return inThread('posix_fadvise', fadvise, [fd, 0, 0, POSIX_FADV_DONTNEED]);
}
