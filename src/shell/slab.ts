/**
 * Buffers for data-in, cut from slabs: one allocation for many commands. A slab is freed when the last
 * buffer cut from it is forgotten, so a buffer must not be kept beyond the answer it is sent with.
 */
const SLAB_BYTES = 1024 * 1024;
/** Larger buffers are allocated by themselves. */
const CUT_BYTES_MAX = 64 * 1024;
/** Buffers begin at multiples of this, so that copies into them are aligned. */
const ALIGNMENT_BYTES = 64;

/** Gives buffers of any size that may hold anything. */
export function slabAllocator(): (bytes: number) => Uint8Array {
  let slab: Buffer = Buffer.allocUnsafeSlow(0);
  let usedBytes = 0;
  return (bytes) => {
    if (bytes > CUT_BYTES_MAX) return Buffer.allocUnsafeSlow(bytes);
    if (usedBytes + bytes > slab.byteLength) {
      slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      usedBytes = 0;
    }
    const cut = slab.subarray(usedBytes, usedBytes + bytes);
    usedBytes += Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    return cut;
  };
}
