/** The offset of the first byte in which two arrays of one length differ, or undefined where they do not. */
export function firstDifference(left: Uint8Array, right: Uint8Array): number | undefined {
  for (let offset = 0; offset < left.byteLength; offset += 1) {
    if (left[offset] !== right[offset]) return offset;
  }
  return undefined;
}

/** Whether `whole` is `pattern` over and over; its length is a multiple of the pattern's. */
export function isRepeated(pattern: Uint8Array, whole: Uint8Array): boolean {
  const { byteLength } = pattern;
  for (let start = 0; start < whole.byteLength; start += byteLength) {
    if (firstDifference(pattern, whole.subarray(start, start + byteLength)) !== undefined) return false;
  }
  return true;
}
