/**
 * JSON as the pool's ordered values hold it: a checksum of the text (u32, little-endian), then the text in
 * UTF-8. The catalogue, the documents and the state of a checkpoint are stored so.
 */
import { StoreError } from '../lun/errors.ts';
import type { Checksum } from './checksum.ts';

const SUM_BYTES = 4;

export function encodeJson(value: unknown, checksum: Checksum): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(value));
  const bytes = new Uint8Array(SUM_BYTES + text.byteLength);
  bytes.set(text, SUM_BYTES);
  new DataView(bytes.buffer).setUint32(0, checksum(text), true);
  return bytes;
}

/** The value, or StoreError CORRUPT naming `what`. */
export function decodeJson(bytes: Uint8Array, from: { checksum: Checksum; what: string }): unknown {
  const text = bytes.subarray(SUM_BYTES);
  const whole =
    bytes.byteLength > SUM_BYTES &&
    new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) === from.checksum(text);
  if (!whole) throw new StoreError('CORRUPT', `The stored ${from.what} fails its checksum.`);
  try {
    return JSON.parse(new TextDecoder().decode(text));
  } catch (cause) {
    throw new StoreError('CORRUPT', `The stored ${from.what} is no JSON.`, { cause });
  }
}
