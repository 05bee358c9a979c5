/**
 * The two checksums, native: CRC32C for iSCSI digests (RFC 7143 §13.1) and, for stored blocks, pages
 * and records, the low half of xxHash64, which costs half of what CRC32C does on 4 KiB.
 */
import { createRequire } from 'node:module';

// Both packages are CommonJS add-ons whose named exports Node does not see through `import`.
const require = createRequire(import.meta.url);
const { crc32c: nativeCrc32c } = require('@node-rs/crc32') as {
  crc32c(bytes: Uint8Array, previous?: number): number;
};
const { xxh64 } = require('@node-rs/xxhash') as { xxh64(bytes: Uint8Array): bigint };

/** CRC32C, going on from `previous`. */
export function crc32c(bytes: Uint8Array, previous?: number): number {
  return previous === undefined ? nativeCrc32c(bytes) : nativeCrc32c(bytes, previous);
}

/** 32 bits of xxHash64 with seed 0. */
export function blockChecksum(bytes: Uint8Array): number {
  return Number(BigInt.asUintN(32, xxh64(bytes)));
}
