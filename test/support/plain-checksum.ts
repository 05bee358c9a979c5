/** A checksum that can be worked out by hand: FNV-1a, 32 bits. */
export function plainChecksum(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return sum >>> 0;
}
