/**
 * Large data-out buffers of one session, used again once their command is done: the memory of a long write
 * is as costly to get (zeroed, outside the heap) as the data is to copy.
 */

/** Smaller buffers are not worth keeping. What a command may hold on to for longer is smaller, too. */
const SPARE_BUFFER_BYTES_MIN = 128 * 1024;
/** Kept by an idle session at most, bytes. */
const SPARE_BYTES_MAX = 4 * 1024 * 1024;

export class SpareBuffers {
  #spares: Uint8Array[] = [];
  #spareBytes = 0;

  /** A buffer of exactly so many bytes, which may hold anything. */
  allocate(bytes: number): Uint8Array {
    const at = this.#spares.findIndex((spare) => spare.byteLength === bytes);
    const spare = this.#spares[at];
    if (spare === undefined) return new Uint8Array(bytes);
    this.#spares.splice(at, 1);
    this.#spareBytes -= bytes;
    return spare;
  }

  /** Takes a buffer that nobody looks at any more. Spares of other sizes make room for it. */
  giveBack(buffer: Uint8Array): void {
    const bytes = buffer.byteLength;
    if (bytes < SPARE_BUFFER_BYTES_MIN || bytes > SPARE_BYTES_MAX) return;
    this.#spares.push(buffer);
    this.#spareBytes += bytes;
    while (this.#spareBytes > SPARE_BYTES_MAX) this.#spareBytes -= this.#spares.shift()?.byteLength ?? 0;
  }
}
