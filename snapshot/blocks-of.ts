/**
 * The pool blocks in a buffer. To make a view of one costs a fifth of what its checksum does, so the views of
 * large buffers that are used again and again (those that are all of their memory) are kept.
 */
import { POOL_BLOCK_BYTES } from './medium/medium.ts';

/** Smaller ones have too few blocks for it to count. */
const KEPT_BYTES_MIN = 32 * 1024;

const kept = new WeakMap<Uint8Array, readonly Uint8Array[]>();

/** A view of each pool block of `bytes`, which are whole blocks. */
export function blocksOf(bytes: Uint8Array): readonly Uint8Array[] {
  const { byteLength } = bytes;
  if (byteLength === POOL_BLOCK_BYTES) return [bytes];
  const keeps = byteLength >= KEPT_BYTES_MIN && byteLength === bytes.buffer.byteLength;
  const known = keeps ? kept.get(bytes) : undefined;
  if (known !== undefined) return known;
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < byteLength; at += POOL_BLOCK_BYTES) {
    blocks.push(bytes.subarray(at, at + POOL_BLOCK_BYTES));
  }
  if (keeps) kept.set(bytes, blocks);
  return blocks;
}
