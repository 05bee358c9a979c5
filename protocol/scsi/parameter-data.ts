/** Small helpers to write parameter data; all integers are big-endian. */

/** ASCII, left-aligned, padded with spaces or cut to `bytes` (SPC-4 §4.3.1). Other characters become '?'. */
export function asciiField(text: string, bytes: number): Uint8Array {
  const field = new Uint8Array(bytes).fill(0x20);
  for (let i = 0; i < Math.min(text.length, bytes); i += 1) {
    const code = text.charCodeAt(i);
    field[i] = code >= 0x20 && code <= 0x7e ? code : 0x3f;
  }
  return field;
}

/** UTF-8, null-terminated, padded with nulls to a multiple of four (SPC-4 §7.8.6.11). */
export function utf8Padded(text: string): Uint8Array {
  const encoded = new TextEncoder().encode(text);
  const padded = new Uint8Array(Math.ceil((encoded.byteLength + 1) / 4) * 4);
  padded.set(encoded);
  return padded;
}

export function u16Bytes(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff);
}

export function u32Bytes(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

export function u64Bytes(value: bigint | number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigUint64(0, BigInt(value));
  return bytes;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function concatenated(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
