// One field at a time, by its kind: for the few PDUs of every read and write, whose records are worth
// spelling out. The loop over a layout must store under names it does not know, which costs several times
// what the bytes cost. Places still come from the layout, so they are stated once, and a test holds each
// spelled-out PDU against the loop over its table.

import type { Field } from './fields.ts';

export function readBit(field: Field<'bit'>, bytes: Uint8Array, offset: number): boolean {
  return (((bytes[offset + field.byte] as number) >>> field.lsb) & 1) === 1;
}

export function readBits(field: Field<'bits'>, bytes: Uint8Array, offset: number): number {
  return ((bytes[offset + field.byte] as number) >>> field.lsb) & ((1 << (field.msb - field.lsb + 1)) - 1);
}

export function readU8(field: Field<'u8'>, bytes: Uint8Array, offset: number): number {
  return bytes[offset + field.byte] as number;
}

export function readU24(field: Field<'u24'>, bytes: Uint8Array, offset: number): number {
  const at = offset + field.byte;
  return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
}

export function readU32(field: Field<'u32'>, bytes: Uint8Array, offset: number): number {
  const at = offset + field.byte;
  const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
  return (high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0;
}

export function readRaw(field: Field<'raw'>, bytes: Uint8Array, offset: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + offset + field.byte, field.byteCount);
}

// The writers below write into zeroed bytes, and a value left out is zero: nothing is written for it.

export function writeBit(
  field: Field<'bit'>,
  value: boolean | undefined,
  bytes: Uint8Array,
  offset: number,
): void {
  if (value === undefined || value === false) return;
  if (value !== true) throw doesNotFit(field, value);
  bytes[offset + field.byte] = (bytes[offset + field.byte] as number) | (1 << field.lsb);
}

export function writeU8(
  field: Field<'u8'>,
  value: number | undefined,
  bytes: Uint8Array,
  offset: number,
): void {
  if (value === undefined) return;
  if ((value & 0xff) !== value) throw doesNotFit(field, value);
  bytes[offset + field.byte] = value;
}

export function writeU24(
  field: Field<'u24'>,
  value: number | undefined,
  bytes: Uint8Array,
  offset: number,
): void {
  if (value === undefined) return;
  if ((value & 0xffffff) !== value) throw doesNotFit(field, value);
  const at = offset + field.byte;
  bytes[at] = value >>> 16;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value;
}

export function writeU32(
  field: Field<'u32'>,
  value: number | undefined,
  bytes: Uint8Array,
  offset: number,
): void {
  if (value === undefined) return;
  if (value >>> 0 !== value) throw doesNotFit(field, value);
  const at = offset + field.byte;
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

export function writeRaw(
  field: Field<'raw'>,
  value: Uint8Array | undefined,
  bytes: Uint8Array,
  offset: number,
): void {
  if (value === undefined) return;
  if (!(value instanceof Uint8Array) || value.length > field.byteCount) throw doesNotFit(field, value);
  const at = offset + field.byte;
  for (let i = 0; i < value.length; i += 1) bytes[at + i] = value[i] as number;
}

function doesNotFit(field: Field, value: unknown): RangeError {
  return new RangeError(`the ${field.kind} field at byte ${field.byte} cannot hold ${String(value)}`);
}
