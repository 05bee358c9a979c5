// The kinds of values in key=value text, RFC 7143 §6.1. Every parser is total: undefined says that the text
// is no value of its kind, and what to answer is the negotiation's business.

const DECIMAL = /^(0|[1-9][0-9]*)$/;
const HEX = /^0[xX]([0-9A-Fa-f]+)$/;
const BASE64 = /^0[bB]([A-Za-z0-9+/]+)(={0,2})$/;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Both ends are included. */
export interface TextRange {
  readonly from: number;
  readonly to: number;
}

/** A numerical-value, decimal or hex, up to 2^53 - 1. A decimal one has no leading zero. */
export function parseNumber(value: string): number | undefined {
  if (!DECIMAL.test(value) && !HEX.test(value)) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

/** A boolean-value: exactly Yes or No. */
export function parseBoolean(value: string): boolean | undefined {
  if (value === 'Yes') return true;
  return value === 'No' ? false : undefined;
}

export function formatBoolean(value: boolean): string {
  return value ? 'Yes' : 'No';
}

/** A list-of-values, in order of preference. An empty element makes it no list. */
export function parseList(value: string): string[] | undefined {
  const elements = value.split(',');
  return elements.includes('') ? undefined : elements;
}

export function formatList(elements: readonly string[]): string {
  return elements.join(',');
}

/** A numerical-range: two numbers joined by a tilde, the smaller first. */
export function parseRange(value: string): TextRange | undefined {
  const [low, high, ...others] = value.split('~');
  if (low === undefined || high === undefined || others.length > 0) return undefined;
  const from = parseNumber(low);
  const to = parseNumber(high);
  return from === undefined || to === undefined || from > to ? undefined : { from, to };
}

export function formatRange({ from, to }: TextRange): string {
  return `${from}~${to}`;
}

/** A binary-value in hex (0x…) or base64 (0b…). An odd count of hex digits is read with a zero before it. */
export function parseBinary(value: string): Uint8Array | undefined {
  const hex = HEX.exec(value)?.[1];
  if (hex !== undefined) return bytesOfHex(hex);
  const base64 = BASE64.exec(value);
  return base64 === null ? undefined : bytesOfBase64(base64[1] as string, base64[2] as string);
}

function bytesOfHex(digits: string): Uint8Array {
  const even = digits.length % 2 === 0 ? digits : `0${digits}`;
  const bytes = new Uint8Array(even.length / 2);
  for (let at = 0; at < bytes.length; at += 1)
    bytes[at] = Number.parseInt(even.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/** Padding may be left out, but what is there must be right. */
function bytesOfBase64(digits: string, padding: string): Uint8Array | undefined {
  const overhang = digits.length % 4;
  if (overhang === 1 || (padding !== '' && (digits.length + padding.length) % 4 !== 0)) return undefined;
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
  let held = 0;
  let heldBits = 0;
  let at = 0;
  for (const digit of digits) {
    held = ((held << 6) | ALPHABET.indexOf(digit)) & 0xffff;
    heldBits += 6;
    if (heldBits < 8) continue;
    heldBits -= 8;
    bytes[at] = held >>> heldBits;
    at += 1;
  }
  return bytes;
}

/** A binary value as a hex constant. */
export function formatHex(bytes: Uint8Array): string {
  return `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** A binary value as a base64 constant, padded. */
export function formatBase64(bytes: Uint8Array): string {
  let text = '0b';
  for (let at = 0; at < bytes.length; at += 3) {
    const group = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const digitCount = Math.min(bytes.length - at, 3) + 1;
    for (let digit = 0; digit < 4; digit += 1) {
      text += digit < digitCount ? ALPHABET[(group >>> (18 - 6 * digit)) & 0x3f] : '=';
    }
  }
  return text;
}
