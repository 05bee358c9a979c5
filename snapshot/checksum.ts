/**
 * The sum that proves stored bytes: an unsigned whole number below 2^32. The function is handed in (the
 * low half of xxHash64 in the server); the engine only asks that it is the same for the life of a pool.
 */
export type Checksum = (bytes: Uint8Array) => number;
