// A layout names the bits of a wire structure once: field name → place. Everything else is computed from it:
// the record type, decoding, encoding, the mask of reserved bits, the usage bitmap, the byte and bit a bad
// field is reported at, and annotated dumps. PDU headers, AHSes and SCSI CDBs use the same kinds.
//
// All integers are big-endian; bits are numbered as in the standards, 7 the most significant of its byte. A
// layout is compiled once into a flat list of steps that one loop runs; nothing is generated as text.

type NumberKind = 'bits' | 'u8' | 'u16' | 'u24' | 'u32';
export type FieldKind = 'bit' | NumberKind | 'u64' | 'raw';

/** Where a field lies. `msb` and `lsb` are within its first byte; a field of whole bytes has 7 and 0. */
export interface Field<Kind extends FieldKind = FieldKind> {
  readonly kind: Kind;
  readonly byte: number;
  readonly byteCount: number;
  readonly msb: number;
  readonly lsb: number;
}

export type Layout = Readonly<Record<string, Field>>;

/** The value a kind holds: bit → boolean, u64 → bigint, raw → bytes, any other → number. */
export type ValueOf<Kind extends FieldKind> = Kind extends 'bit'
  ? boolean
  : Kind extends 'u64'
    ? bigint
    : Kind extends 'raw'
      ? Uint8Array
      : number;

export type RecordOf<L extends Layout> = {
  [Name in keyof L]: L[Name] extends Field<infer Kind> ? ValueOf<Kind> : never;
};

/** A place in a structure: what SCSI reports as field pointer and bit pointer. */
export interface BitPosition {
  readonly byte: number;
  readonly bit: number;
}

/** One bit, as a boolean. */
export function bit(byte: number, position: number): Field<'bit'> {
  return place('bit', { byte, byteCount: 1, msb: position, lsb: position });
}

/** Neighbouring bits of one byte, as a number; both ends are included. */
export function bits(byte: number, msb: number, lsb: number): Field<'bits'> {
  return place('bits', { byte, byteCount: 1, msb, lsb });
}

export function u8(offset: number): Field<'u8'> {
  return wholeBytes('u8', offset, 1);
}

export function u16(offset: number): Field<'u16'> {
  return wholeBytes('u16', offset, 2);
}

export function u24(offset: number): Field<'u24'> {
  return wholeBytes('u24', offset, 3);
}

export function u32(offset: number): Field<'u32'> {
  return wholeBytes('u32', offset, 4);
}

/** Eight bytes, as a bigint. */
export function u64(offset: number): Field<'u64'> {
  return wholeBytes('u64', offset, 8);
}

/** Bytes as they are. Decoding gives a view, not a copy; encoding pads what is shorter with zeroes. */
export function raw(offset: number, length: number): Field<'raw'> {
  return wholeBytes('raw', offset, length);
}

function wholeBytes<Kind extends FieldKind>(kind: Kind, byte: number, byteCount: number): Field<Kind> {
  return place(kind, { byte, byteCount, msb: 7, lsb: 0 });
}

function place<Kind extends FieldKind>(kind: Kind, where: Omit<Field, 'kind'>): Field<Kind> {
  const { byte, byteCount, msb, lsb } = where;
  const whole = [byte, byteCount, msb, lsb].every(Number.isInteger);
  if (!whole || byte < 0 || byteCount < 1 || lsb < 0 || msb > 7 || msb < lsb) {
    throw new RangeError(`no such place for a field: ${kind} at byte ${byte}, bits ${msb} to ${lsb}`);
  }
  return { kind, byte, byteCount, msb, lsb };
}

/** A compiled layout. */
export interface Codec<L extends Layout> {
  /** Bytes from the start of the structure to the end of its last field. */
  readonly byteCount: number;
  /** Reads every field. Raw fields are views of `bytes`. RangeError when the structure does not fit. */
  decode(bytes: Uint8Array, offset?: number): RecordOf<L>;
  /**
   * Writes every field and no other bit; a field that is missing gets its default, else zero. RangeError when
   * a value does not fit its field or the structure does not fit `bytes`.
   */
  encode(record: Partial<RecordOf<L>>, bytes: Uint8Array, offset?: number): void;
}

interface Step {
  readonly name: string;
  readonly kind: FieldKind;
  readonly byte: number;
  readonly byteCount: number;
  readonly shift: number;
  /** The largest value a number field holds. */
  readonly limit: number;
  readonly fallback: unknown;
}

type LooseRecord = Record<string, unknown>;

/** Compiles a layout, once. RangeError when two of its fields overlap. */
export function compileLayout<L extends Layout>(layout: L, defaults: Partial<RecordOf<L>> = {}): Codec<L> {
  const byteCount = extentOf(layout);
  refuseOverlap(layout, byteCount);
  const given: LooseRecord = defaults;
  const steps = Object.entries(layout).map(([name, field]) => toStep(name, field, given[name]));
  return {
    byteCount,
    decode(bytes, offset = 0) {
      if (offset < 0 || offset + byteCount > bytes.length) throw tooShort(bytes, offset, byteCount);
      return decodeSteps(steps, bytes, offset) as RecordOf<L>;
    },
    encode(record, bytes, offset = 0) {
      if (offset < 0 || offset + byteCount > bytes.length) throw tooShort(bytes, offset, byteCount);
      encodeSteps(steps, record, bytes, offset);
    },
  };
}

function toStep(name: string, field: Field, fallback: unknown): Step {
  const { kind, byte, byteCount, msb, lsb } = field;
  const limit = kind === 'bits' ? 2 ** (msb - lsb + 1) - 1 : 2 ** (8 * Math.min(byteCount, 4)) - 1;
  return { name, kind, byte, byteCount, shift: lsb, limit, fallback: fallback ?? zeroOf(kind) };
}

function zeroOf(kind: FieldKind): unknown {
  if (kind === 'bit') return false;
  if (kind === 'u64') return 0n;
  return kind === 'raw' ? new Uint8Array(0) : 0;
}

function tooShort(bytes: Uint8Array, offset: number, byteCount: number): RangeError {
  return new RangeError(
    `a structure of ${byteCount} bytes does not fit at ${offset} in ${bytes.length} bytes`,
  );
}

const codecs = new WeakMap<Layout, Codec<Layout>>();

function codecOf<L extends Layout>(layout: L): Codec<L> {
  let codec = codecs.get(layout);
  if (codec === undefined) {
    codec = compileLayout<Layout>(layout);
    codecs.set(layout, codec);
  }
  return codec as unknown as Codec<L>;
}

/**
 * {@link Codec.decode} of a layout that is compiled on first use. A hot caller keeps `compileLayout`'s
 * result.
 */
export function decodeFields<L extends Layout>(layout: L, bytes: Uint8Array, offset = 0): RecordOf<L> {
  return codecOf(layout).decode(bytes, offset);
}

/** {@link Codec.encode} of a layout that is compiled on first use. */
export function encodeFields<L extends Layout>(
  layout: L,
  record: Partial<RecordOf<L>>,
  bytes: Uint8Array,
  offset = 0,
): void {
  codecOf(layout).encode(record, bytes, offset);
}

const wide = new DataView(new ArrayBuffer(8));

function readU32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
  return (high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0;
}

function readU64(bytes: Uint8Array, at: number): bigint {
  wide.setUint32(0, readU32(bytes, at));
  wide.setUint32(4, readU32(bytes, at + 4));
  return wide.getBigUint64(0);
}

function decodeSteps(steps: readonly Step[], bytes: Uint8Array, offset: number): LooseRecord {
  const record: LooseRecord = {};
  for (let i = 0; i < steps.length; i += 1) {
    const step = steps[i] as Step;
    record[step.name] = readStep(step, bytes, offset + step.byte);
  }
  return record;
}

function readStep(step: Step, bytes: Uint8Array, at: number): unknown {
  const first = bytes[at] as number;
  switch (step.kind) {
    case 'bit':
      return ((first >>> step.shift) & 1) === 1;
    case 'bits':
      return (first >>> step.shift) & step.limit;
    case 'u8':
      return first;
    case 'u16':
      return (first << 8) | (bytes[at + 1] as number);
    case 'u24':
      return (first << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    case 'u32':
      return readU32(bytes, at);
    case 'u64':
      return readU64(bytes, at);
    case 'raw':
      return new Uint8Array(bytes.buffer, bytes.byteOffset + at, step.byteCount);
    default:
      return step.kind satisfies never;
  }
}

function encodeSteps(steps: readonly Step[], record: LooseRecord, bytes: Uint8Array, offset: number): void {
  for (let i = 0; i < steps.length; i += 1) {
    const step = steps[i] as Step;
    writeStep(step, record[step.name] ?? step.fallback, bytes, offset + step.byte);
  }
}

function writeStep(step: Step, value: unknown, bytes: Uint8Array, at: number): void {
  switch (step.kind) {
    case 'bit':
      if (typeof value !== 'boolean') throw doesNotFit(step, value);
      bytes[at] = ((bytes[at] as number) & ~(1 << step.shift)) | (Number(value) << step.shift);
      return;
    case 'u64':
      if (typeof value !== 'bigint' || BigInt.asUintN(64, value) !== value) throw doesNotFit(step, value);
      wide.setBigUint64(0, value);
      writeU32(bytes, at, wide.getUint32(0));
      writeU32(bytes, at + 4, wide.getUint32(4));
      return;
    case 'raw':
      if (!(value instanceof Uint8Array) || value.length > step.byteCount) throw doesNotFit(step, value);
      bytes.set(value, at);
      if (value.length < step.byteCount) bytes.fill(0, at + value.length, at + step.byteCount);
      return;
    default:
      writeNumber(step, value, bytes, at);
  }
}

function writeNumber(step: Step, value: unknown, bytes: Uint8Array, at: number): void {
  if (typeof value !== 'number' || !(value >= 0 && value <= step.limit) || !Number.isInteger(value)) {
    throw doesNotFit(step, value);
  }
  if (step.kind === 'bits') {
    bytes[at] = ((bytes[at] as number) & ~(step.limit << step.shift)) | (value << step.shift);
    return;
  }
  for (let last = at + step.byteCount - 1, rest = value; last >= at; last -= 1, rest >>>= 8)
    bytes[last] = rest;
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function doesNotFit(step: Step, value: unknown): RangeError {
  const shown = value instanceof Uint8Array ? `${value.length} bytes` : String(value);
  return new RangeError(`${step.name} (${step.kind}) cannot hold ${shown}`);
}

function extentOf(layout: Layout): number {
  return Object.values(layout).reduce((end, { byte, byteCount }) => Math.max(end, byte + byteCount), 0);
}

function maskOf(field: Field): number {
  return ((1 << (field.msb - field.lsb + 1)) - 1) << field.lsb;
}

function refuseOverlap(layout: Layout, byteCount: number): void {
  const taken = new Uint8Array(byteCount);
  for (const [name, field] of Object.entries(layout)) {
    const mask = maskOf(field);
    for (let at = field.byte; at < field.byte + field.byteCount; at += 1) {
      if (((taken[at] as number) & mask) !== 0) throw new RangeError(`${name} overlaps another field`);
      taken[at] = (taken[at] as number) | mask;
    }
  }
}

/** The bits that a layout names, set; `length` bytes. RangeError when a field ends beyond them. */
export function usageBitmap(layout: Layout, length: number): Uint8Array {
  const bitmap = new Uint8Array(length);
  if (extentOf(layout) > length) throw tooShort(bitmap, 0, extentOf(layout));
  for (const field of Object.values(layout)) {
    const mask = maskOf(field);
    for (let at = field.byte; at < field.byte + field.byteCount; at += 1)
      bitmap[at] = (bitmap[at] as number) | mask;
  }
  return bitmap;
}

/** The bits that a layout does not name, set; `length` bytes. */
export function reservedMask(layout: Layout, length: number): Uint8Array {
  return usageBitmap(layout, length).map((named) => ~named);
}

/** Where a field begins: its most significant bit, as field and bit pointers want it. */
export function positionOf(field: Field): BitPosition {
  return { byte: field.byte, bit: field.msb };
}

/** The first bit, from byte 0 and bit 7 on, that is set both in `mask` and in `bytes` from `offset`. */
export function firstBitSet(mask: Uint8Array, bytes: Uint8Array, offset = 0): BitPosition | undefined {
  for (let at = 0; at < mask.length; at += 1) {
    const both = (mask[at] as number) & (bytes[offset + at] ?? 0);
    if (both !== 0) return { byte: at, bit: 31 - Math.clz32(both) };
  }
  return undefined;
}

/** An annotated dump: one line for each field, in the order of the bytes, with its place, name and value. */
export function describe(layout: Layout, bytes: Uint8Array, offset = 0): string {
  const record: LooseRecord = decodeFields(layout, bytes, offset);
  const inOrder = Object.entries(layout).sort(([, a], [, b]) => a.byte - b.byte || b.msb - a.msb);
  return inOrder
    .map(([name, field]) => `${placeText(field)}  ${name} = ${valueText(record[name])}`)
    .join('\n');
}

function placeText({ byte, byteCount, msb, lsb }: Field): string {
  const whole = msb - lsb === 7;
  const inByte = msb === lsb ? `.${msb}` : `.${msb}-${lsb}`;
  return `${byte}${byteCount > 1 ? `-${byte + byteCount - 1}` : ''}${whole ? '' : inByte}`.padStart(7);
}

function valueText(value: unknown): string {
  if (value instanceof Uint8Array) {
    return Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  }
  if (typeof value === 'number' || typeof value === 'bigint') return `0x${value.toString(16)} (${value})`;
  return String(value);
}
