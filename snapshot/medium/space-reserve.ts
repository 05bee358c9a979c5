/**
 * Keeps space of the file system for a file that grows while others compete for it: blocks past the end
 * of the file are taken ahead of its growth, so that data written into the last free block does not
 * stop the tables, and with them deletes and UNMAP. Where the system cannot do that, nothing is kept.
 */
import fs from 'node:fs';
import { InFlight, storeError } from './fd-io.ts';
import { preallocateExtent } from './posix.ts';

export class SpaceReserve {
  readonly #fd: number;
  readonly #reserveBytes: number;
  readonly #inFlight = new InFlight();
  #keptToBytes = 0;

  constructor(file: string, reserveBytes: number) {
    this.#fd = fs.openSync(file, fs.constants.O_RDWR);
    this.#reserveBytes = reserveBytes;
    this.keepAhead();
  }

  /** Takes more when half of the reserve is used; does not wait for it. */
  keepAhead(): void {
    if (this.#reserveBytes === 0 || this.#inFlight.count > 0) return;
    const { size: fileBytes } = fs.fstatSync(this.#fd);
    if (fileBytes + this.#reserveBytes / 2 <= this.#keptToBytes) return;
    const wantedBytes = fileBytes + this.#reserveBytes;
    const taking = preallocateExtent(this.#fd, { offsetBytes: 0, lengthBytes: wantedBytes }).then(
      () => {
        this.#keptToBytes = wantedBytes;
      },
      (error: unknown) => {
        // A full file system has no reserve to give; the next commit asks again. Anything else is a fault.
        if (storeError('reserve space', error).code !== 'NO_SPACE') throw error;
      },
    );
    this.#inFlight.track(taking).catch(() => {
      // The commits themselves report a file that cannot be written.
      this.#keptToBytes = Number.POSITIVE_INFINITY;
    });
  }

  async close(): Promise<void> {
    await this.#inFlight.idle();
    fs.closeSync(this.#fd);
  }
}
