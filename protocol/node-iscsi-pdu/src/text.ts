// Key=value text, RFC 7143 §6.1: pairs, each followed by a zero byte, in the data segments of Login and Text
// PDUs. A pair may be cut anywhere when it continues in the next PDU (the C bit), so segments are collected
// before they are parsed. Pairs keep their order, and keys may repeat: judging a key given twice is the
// negotiation's business.

import { PduError } from './errors.ts';

/** Longest key name, in bytes, RFC 7143 §6.1. */
export const TEXT_KEY_BYTES_MAX = 63;

/** Longest simple value, in bytes, where a key's section says nothing else, RFC 7143 §6.1. */
export const TEXT_VALUE_BYTES_MAX = 255;

/**
 * What every receiver must take in one negotiation, RFC 7143 §6, and with lengthy authentication methods.
 */
export const TEXT_TOTAL_BYTES_MIN = 8192;
export const TEXT_TOTAL_BYTES_WITH_AUTHENTICATION = 65536;

export type TextPair = readonly [key: string, value: string];

/**
 * The longest simple value of a key, in bytes: of one element of a list, and of a hex or base64 constant
 * after decoding. Without it every key has {@link TEXT_VALUE_BYTES_MAX}.
 */
export type ValueBytesMax = (key: string) => number;

const NUL = 0;
const EQUALS = 0x3d;
/**
 * Any printable name, wider than a standard-label of RFC 7143 §6.1 on purpose: a name that nobody knows is
 * still answered with NotUnderstood, so whatever is read must be writable.
 */
const KEY_NAME = /^[!-<>-~]+$/;

/**
 * The pairs of a whole text. Every key name is printable and within its limit, but not checked against the
 * keys there are: a name nobody knows is answered NotUnderstood. PduError `text` or `text-too-long`.
 */
export function decodeText(bytes: Uint8Array, valueBytesMax: ValueBytesMax = defaultMax): TextPair[] {
  const pairs: TextPair[] = [];
  let start = 0;
  while (start < bytes.length) {
    const nul = bytes.indexOf(NUL, start);
    const end = nul < 0 ? bytes.length : nul;
    if (end > start) pairs.push(decodePair(bytes.subarray(start, end), valueBytesMax));
    start = end + 1;
  }
  return pairs;
}

function defaultMax(): number {
  return TEXT_VALUE_BYTES_MAX;
}

function decodePair(bytes: Uint8Array, valueBytesMax: ValueBytesMax): TextPair {
  const equals = bytes.indexOf(EQUALS);
  if (equals < 0) throw new PduError('text', 'a text item has no "="');
  if (equals > TEXT_KEY_BYTES_MAX) {
    throw new PduError('text-too-long', `a key name of ${equals} bytes: at most ${TEXT_KEY_BYTES_MAX}`);
  }
  const key = decodeUtf8(bytes.subarray(0, equals));
  if (!KEY_NAME.test(key)) throw new PduError('text', 'a key name is empty or not printable');
  const value = decodeUtf8(bytes.subarray(equals + 1));
  checkValue(key, value, valueBytesMax(key));
  return [key, value];
}

function checkValue(key: string, value: string, bytesMax: number): void {
  for (const element of value.split(',')) {
    const byteCount = valueBytes(element);
    if (byteCount > bytesMax) {
      throw new PduError('text-too-long', `a value of ${key} has ${byteCount} bytes: at most ${bytesMax}`);
    }
  }
}

/** Bytes of a simple value, not of its encoded representation. */
function valueBytes(value: string): number {
  const prefix = value.slice(0, 2).toLowerCase();
  if (prefix === '0x') return Math.ceil((value.length - 2) / 2);
  if (prefix === '0b') return Math.floor(((value.length - 2) * 3) / 4);
  return encodeUtf8(value).length;
}

/** The text of these pairs. RangeError when a key name or a value cannot be written. */
export function encodeText(pairs: readonly TextPair[]): Uint8Array {
  const items = pairs.map(encodePair);
  const bytes = new Uint8Array(items.reduce((total, item) => total + item.length + 1, 0));
  let at = 0;
  for (const item of items) {
    bytes.set(item, at);
    at += item.length + 1;
  }
  return bytes;
}

function encodePair([key, value]: TextPair): Uint8Array {
  if (!KEY_NAME.test(key) || key.length > TEXT_KEY_BYTES_MAX) {
    throw new RangeError(`${JSON.stringify(key)} is no key name`);
  }
  if (value.includes('\0')) throw new RangeError(`the value of ${key} contains a zero byte`);
  return encodeUtf8(`${key}=${value}`);
}

/**
 * The text of these pairs, cut for data segments of at most `bytesMax` bytes: every segment but the last goes
 * out with the C bit. Without pairs there is one empty segment. The segments are views of one buffer.
 */
export function encodeTextSegments(pairs: readonly TextPair[], bytesMax: number): Uint8Array[] {
  if (!(bytesMax >= 1)) throw new RangeError(`a segment of ${bytesMax} bytes cannot carry text`);
  const bytes = encodeText(pairs);
  const segments = [bytes.subarray(0, bytesMax)];
  for (let at = bytesMax; at < bytes.length; at += bytesMax) segments.push(bytes.subarray(at, at + bytesMax));
  return segments;
}

export interface TextCollectorOptions {
  /** Most bytes of text that may be collected before the last segment has come. */
  readonly totalBytesMax: number;
  readonly valueBytesMax?: ValueBytesMax;
}

const FIRST_CAPACITY_BYTES = 1024;

/**
 * Collects the segments of one text until the one without the C bit. Reusable for the next text after that.
 */
export class TextCollector {
  readonly #totalBytesMax: number;
  readonly #valueBytesMax: ValueBytesMax;
  #collected = new Uint8Array(0);
  #collectedBytes = 0;

  constructor({ totalBytesMax, valueBytesMax = defaultMax }: TextCollectorOptions) {
    this.#totalBytesMax = totalBytesMax;
    this.#valueBytesMax = valueBytesMax;
  }

  /** Bytes held of a text that is not complete. */
  get bufferedBytes(): number {
    return this.#collectedBytes;
  }

  /**
   * Takes in one data segment; `continues` is the C bit of its PDU. Gives the pairs once the text is
   * complete, undefined before. PduError `text-too-long` when it passes the limit, or as {@link decodeText};
   * what was collected is dropped.
   */
  add(segment: Uint8Array, continues: boolean): TextPair[] | undefined {
    const totalBytes = this.#collectedBytes + segment.length;
    if (totalBytes > this.#totalBytesMax) {
      this.reset();
      throw new PduError('text-too-long', `a text of ${totalBytes} bytes: at most ${this.#totalBytesMax}`);
    }
    if (!continues && this.#collectedBytes === 0) return decodeText(segment, this.#valueBytesMax);
    this.#append(segment, totalBytes);
    if (continues) return undefined;
    const text = this.#collected.subarray(0, totalBytes);
    this.reset();
    return decodeText(text, this.#valueBytesMax);
  }

  /** Drops what was collected. */
  reset(): void {
    this.#collected = new Uint8Array(0);
    this.#collectedBytes = 0;
  }

  #append(segment: Uint8Array, totalBytes: number): void {
    if (totalBytes > this.#collected.length) {
      const wanted = Math.max(totalBytes, 2 * this.#collected.length, FIRST_CAPACITY_BYTES);
      const larger = new Uint8Array(Math.min(wanted, this.#totalBytesMax));
      larger.set(this.#collected.subarray(0, this.#collectedBytes));
      this.#collected = larger;
    }
    this.#collected.set(segment, this.#collectedBytes);
    this.#collectedBytes = totalBytes;
  }
}

const PERCENT = 0x25;

/** UTF-8 to text by way of percent-encoding: the language itself has no other decoder. */
function decodeUtf8(bytes: Uint8Array): string {
  let text = '';
  let encoded = false;
  for (const byte of bytes) {
    const literal = byte < 0x80 && byte !== PERCENT;
    encoded ||= !literal;
    text += literal ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`;
  }
  if (!encoded) return text;
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new PduError('text', 'text is not UTF-8', undefined, { cause: error });
  }
}

function encodeUtf8(text: string): Uint8Array {
  if (/\p{Surrogate}/u.test(text)) throw new RangeError('text has half a surrogate pair');
  const encoded = encodeURIComponent(text);
  const bytes: number[] = [];
  for (let at = 0; at < encoded.length; at += 1) {
    const escaped = encoded[at] === '%';
    bytes.push(escaped ? Number.parseInt(encoded.slice(at + 1, at + 3), 16) : encoded.charCodeAt(at));
    if (escaped) at += 2;
  }
  return Uint8Array.from(bytes);
}
