/**
 * Memory for what goes to initiators and comes from them, used again as soon as nobody looks at it: memory
 * outside the heap is zeroed by the kernel at its first use, and every 64 MiB that are allocated there make
 * V8 collect the whole heap. Buffers are kept by their size, for one initiator's commands are mostly alike.
 * Those of one pool block, which a busy server needs a hundred thousand times a second, are cut from slabs;
 * smaller ones too, but they are never used again.
 */
import type { BufferSource } from 'node-iscsi-pdu';

const SLAB_BYTES = 1024 * 1024;
/** Buffers begin at multiples of this, so that copies into them are aligned. */
const ALIGNMENT_BYTES = 64;
/** The smallest size that is used again. */
const CELL_BYTES = 4096;
/** Larger buffers are allocated anew each time. */
const KEPT_BUFFER_BYTES_MAX = 2 * 1024 * 1024;
/** Kept for later, of all sizes together. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;

export class BufferPool implements BufferSource {
  #slab: Buffer = Buffer.allocUnsafeSlow(0);
  #usedBytes = 0;
  /** By size, in the order in which the sizes first came back. */
  readonly #free = new Map<number, Uint8Array[]>();
  readonly #freeCells: Uint8Array[] = [];
  #keptBytes = 0;
  /** The memory that is cut into cells and nothing else, and that which was given out whole. */
  readonly #cellSlabs = new WeakSet<ArrayBufferLike>();
  readonly #whole = new WeakSet<ArrayBufferLike>();

  /** A buffer that may hold anything. */
  allocate(bytes: number): Uint8Array {
    if (bytes === CELL_BYTES) return this.#cell();
    if (bytes < CELL_BYTES) return this.#cut(bytes);
    const kept = this.#free.get(bytes)?.pop();
    if (kept !== undefined) {
      this.#keptBytes -= bytes;
      return kept;
    }
    const fresh = Buffer.allocUnsafeSlow(bytes);
    this.#whole.add(fresh.buffer);
    return fresh;
  }

  /** Takes what nobody reads any more; bytes that did not come from here are let be. */
  giveBack(buffer: Uint8Array): void {
    const bytes = buffer.byteLength;
    if (bytes === CELL_BYTES && this.#cellSlabs.has(buffer.buffer)) this.#freeCells.push(buffer);
    else if (this.#isWhole(buffer)) this.#keep(buffer);
    else return;
    this.#keptBytes += bytes;
    if (this.#keptBytes > KEPT_BYTES_MAX) this.#forgetSome(bytes);
  }

  #isWhole({ byteLength, buffer }: Uint8Array): boolean {
    return byteLength <= KEPT_BUFFER_BYTES_MAX && byteLength === buffer.byteLength && this.#whole.has(buffer);
  }

  #keep(buffer: Uint8Array): void {
    const bytes = buffer.byteLength;
    const sameSize = this.#free.get(bytes);
    if (sameSize === undefined) this.#free.set(bytes, [buffer]);
    else sameSize.push(buffer);
  }

  /** Makes room for a buffer of this size: other sizes go first, the longest known before the others. */
  #forgetSome(bytes: number): void {
    for (const [size, buffers] of this.#free) {
      if (size === bytes) continue;
      this.#free.delete(size);
      this.#keptBytes -= size * buffers.length;
      if (this.#keptBytes <= KEPT_BYTES_MAX) return;
    }
    const left = bytes === CELL_BYTES ? this.#freeCells : (this.#free.get(bytes) ?? []);
    left.pop();
    this.#keptBytes -= bytes;
  }

  #cell(): Uint8Array {
    const kept = this.#freeCells.pop();
    if (kept === undefined) return this.#cutCells();
    this.#keptBytes -= CELL_BYTES;
    return kept;
  }

  #cutCells(): Uint8Array {
    const slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#cellSlabs.add(slab.buffer);
    for (let at = SLAB_BYTES - CELL_BYTES; at > 0; at -= CELL_BYTES) {
      this.#freeCells.push(slab.subarray(at, at + CELL_BYTES));
    }
    this.#keptBytes += SLAB_BYTES - CELL_BYTES;
    return slab.subarray(0, CELL_BYTES);
  }

  #cut(bytes: number): Uint8Array {
    if (this.#usedBytes + bytes > this.#slab.byteLength) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#usedBytes = 0;
    }
    const cut = this.#slab.subarray(this.#usedBytes, this.#usedBytes + bytes);
    this.#usedBytes += Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    return cut;
  }
}
