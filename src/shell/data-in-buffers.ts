/**
 * Buffers for data-in, cut from slabs: one allocation for many commands. Those of one pool block, which a
 * busy server needs a hundred thousand times a second, come back once the answer has been copied to its
 * outbox, and are handed out again while they are still in the processor's cache. All others are freed
 * with their slab, when the last buffer cut from it is forgotten.
 */
const SLAB_BYTES = 1024 * 1024;
/** Larger buffers are allocated by themselves. */
const CUT_BYTES_MAX = 64 * 1024;
/** Buffers begin at multiples of this, so that copies into them are aligned. */
const ALIGNMENT_BYTES = 64;
/** The one size that is used again. */
const CELL_BYTES = 4096;
/** Cells kept for later, 16 MiB of them. */
const FREE_CELLS_MAX = 4096;

export class DataInBuffers {
  #slab: Buffer = Buffer.allocUnsafeSlow(0);
  #usedBytes = 0;
  readonly #freeCells: Uint8Array[] = [];
  /** The memory that is cut into cells and nothing else. */
  readonly #cellSlabs = new WeakSet<ArrayBufferLike>();

  /** A buffer that may hold anything. */
  allocate(bytes: number): Uint8Array {
    if (bytes === CELL_BYTES) return this.#freeCells.pop() ?? this.#cutCells();
    if (bytes > CUT_BYTES_MAX) return Buffer.allocUnsafeSlow(bytes);
    if (this.#usedBytes + bytes > this.#slab.byteLength) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#usedBytes = 0;
    }
    const cut = this.#slab.subarray(this.#usedBytes, this.#usedBytes + bytes);
    this.#usedBytes += Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    return cut;
  }

  /** Takes what nobody reads any more; bytes that did not come from here are let be. */
  giveBack(bytes: Uint8Array): void {
    if (bytes.byteLength !== CELL_BYTES || this.#freeCells.length >= FREE_CELLS_MAX) return;
    if (this.#cellSlabs.has(bytes.buffer)) this.#freeCells.push(bytes);
  }

  #cutCells(): Uint8Array {
    const slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#cellSlabs.add(slab.buffer);
    for (let at = SLAB_BYTES - CELL_BYTES; at > 0; at -= CELL_BYTES) {
      this.#freeCells.push(slab.subarray(at, at + CELL_BYTES));
    }
    return slab.subarray(0, CELL_BYTES);
  }
}
