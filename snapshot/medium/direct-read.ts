/**
 * Reads of a file or device past the kernel's page cache: what is really stored, without pushing out what
 * those who are served have in the cache. Whoever reads that way wants aligned memory; so bytes come through
 * one buffer, one read at a time. Where the file system does not know such reads, there are none.
 */
import fs from 'node:fs';
import { readFully } from './fd-io.ts';
import { POOL_BLOCK_BYTES } from './medium.ts';
import { alignedBytes } from './posix.ts';

const BUFFER_BYTES = 256 * 1024;

export class DirectReader {
  readonly #fd: number;
  readonly #buffer = alignedBytes(BUFFER_BYTES, POOL_BLOCK_BYTES);
  #last: Promise<void> = Promise.resolve();

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Undefined where this cannot be done. */
  static open(file: string): DirectReader | undefined {
    const { O_RDONLY, O_DIRECT } = fs.constants;
    if (O_DIRECT === undefined) return undefined;
    let fd: number;
    try {
      fd = fs.openSync(file, O_RDONLY | O_DIRECT);
    } catch {
      return undefined;
    }
    const reader = new DirectReader(fd);
    if (reader.#works()) return reader;
    fs.closeSync(fd);
    return undefined;
  }

  /** Fills `into`, a multiple of the pool block. StoreError IO. */
  read(into: Uint8Array, offsetBytes: number): Promise<void> {
    const mine = this.#last.then(() => this.#read(into, offsetBytes));
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async close(): Promise<void> {
    await this.#last;
    fs.closeSync(this.#fd);
  }

  #works(): boolean {
    try {
      return fs.readSync(this.#fd, this.#buffer, 0, POOL_BLOCK_BYTES, 0) === POOL_BLOCK_BYTES;
    } catch {
      return false;
    }
  }

  async #read(into: Uint8Array, offsetBytes: number): Promise<void> {
    for (let done = 0; done < into.byteLength; done += BUFFER_BYTES) {
      const part = this.#buffer.subarray(0, Math.min(BUFFER_BYTES, into.byteLength - done));
      await readFully(this.#fd, part, { offsetBytes: offsetBytes + done });
      into.set(part, done);
    }
  }
}
