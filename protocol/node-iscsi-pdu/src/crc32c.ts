// CRC32C, the digest of RFC 7143 §11.2.3 and §13.1, eight bytes at a step. A caller that has a native one
// hands it in wherever a Crc32c is asked for.

/**
 * The CRC32C of `bytes`; `previous` is the CRC of what came before them, so that pieces can be summed one
 * after another. The result is an unsigned 32-bit number.
 */
export type Crc32c = (bytes: Uint8Array, previous?: number) => number;

/** Length of a digest on the wire. */
export const DIGEST_BYTES = 4;

/** The generator of RFC 7143 §13.1, bits reversed. */
const POLYNOMIAL = 0x82f63b78;

const TABLES = buildTables();

/** Eight tables in one array: row k gives the CRC of a byte followed by k zero bytes. */
function buildTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at += 1) {
    const before = tables[at - 256] as number;
    tables[at] = (before >>> 8) ^ (tables[before & 0xff] as number);
  }
  return tables;
}

/** CRC32C by table: see {@link Crc32c}. */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  const tables = TABLES;
  const end = bytes.length;
  let crc = ~previous;
  let at = 0;
  for (; at + 8 <= end; at += 8) {
    crc ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    crc =
      (tables[1792 + (crc & 0xff)] as number) ^
      (tables[1536 + ((crc >>> 8) & 0xff)] as number) ^
      (tables[1280 + ((crc >>> 16) & 0xff)] as number) ^
      (tables[1024 + (crc >>> 24)] as number) ^
      (tables[768 + (bytes[at + 4] as number)] as number) ^
      (tables[512 + (bytes[at + 5] as number)] as number) ^
      (tables[256 + (bytes[at + 6] as number)] as number) ^
      (tables[bytes[at + 7] as number] as number);
  }
  for (; at < end; at += 1) crc = (crc >>> 8) ^ (tables[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}

/**
 * Writes a digest in wire order: least significant byte first, as the example in RFC 7143 appendix A.4 shows.
 */
export function writeDigest(digest: number, bytes: Uint8Array, offset: number): void {
  bytes[offset] = digest;
  bytes[offset + 1] = digest >>> 8;
  bytes[offset + 2] = digest >>> 16;
  bytes[offset + 3] = digest >>> 24;
}

/** Reads a digest in wire order. */
export function readDigest(bytes: Uint8Array, offset: number): number {
  const low = (bytes[offset] as number) | ((bytes[offset + 1] as number) << 8);
  return (low | ((bytes[offset + 2] as number) << 16) | ((bytes[offset + 3] as number) << 24)) >>> 0;
}
