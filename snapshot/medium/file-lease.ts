/**
 * The lease of a pool in a directory is a kernel lock (flock) on a file of it: the kernel frees it when
 * the holder dies, however it dies, and knows nothing of process numbers, which repeat in containers.
 * What the file says about the holder is for people only.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { OperatorError } from '../../lun/errors.ts';
import type { Lease } from './medium.ts';
import { tryLock } from './posix.ts';
import { numberField, readRecord, writeRecord } from './record-file.ts';

const LOCK_FILE = 'lock';
const EPOCH_FILE = 'epoch.json';
const EPOCH_KIND = 'snaplun epoch';

/** Locks the directory, or the operator error 'in-use', which says who has it. */
export class DirectoryLock {
  readonly path: string;
  readonly #fd: number;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  static take(directory: string): DirectoryLock {
    const file = path.join(directory, LOCK_FILE);
    const fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
    try {
      // A lock on a file that somebody removed meanwhile excludes nobody.
      if (!tryLock(fd) || !sameFile(fd, file)) throw inUse(directory, fd);
      fs.ftruncateSync(fd);
      fs.writeSync(fd, `process ${process.pid} on ${os.hostname()}\n`, 0);
    } catch (error) {
      fs.closeSync(fd);
      throw error;
    }
    return new DirectoryLock(file, fd);
  }

  release(): void {
    fs.closeSync(this.#fd);
  }
}

function sameFile(fd: number, file: string): boolean {
  const named = fs.statSync(file, { throwIfNoEntry: false });
  const opened = fs.fstatSync(fd);
  return named !== undefined && named.ino === opened.ino && named.dev === opened.dev;
}

function inUse(directory: string, fd: number): OperatorError {
  const holder = fs.readFileSync(fd, 'utf8').trim() || 'a holder that left no name';
  return new OperatorError('in-use', `The pool in ${directory} is in use by ${holder}.`);
}

/** Counts the acquisitions of a pool; the new number is durable before it is returned. */
export async function nextEpoch(directory: string): Promise<number> {
  const file = path.join(directory, EPOCH_FILE);
  const fields = readRecord(file, EPOCH_KIND);
  if (fields === undefined) throw new OperatorError('damaged', `${file} is missing.`);
  const epoch = numberField(file, fields, 'epoch') + 1;
  await writeRecord(file, EPOCH_KIND, { epoch });
  return epoch;
}

/** The path of the file made. */
export async function createEpoch(directory: string): Promise<string> {
  const file = path.join(directory, EPOCH_FILE);
  await writeRecord(file, EPOCH_KIND, { epoch: 0 });
  return file;
}

/** The kernel takes no lock away from a process that lives, so the listeners are never called. */
export class FileLease implements Lease {
  readonly epoch: number;

  constructor(epoch: number) {
    this.epoch = epoch;
  }

  onLost(_listener: (why: string) => void): void {
    // Nothing to remember: see the class.
  }
}
