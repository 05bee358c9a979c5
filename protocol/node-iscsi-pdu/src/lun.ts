// The eight-byte LUN field, SAM-5 §4.7, as far as a target with one level of units needs it. The two highest
// bits of the first byte are the address method; bytes 2 to 7 address deeper levels and are zero here.

/** Length of the LUN field, RFC 7143 §11.2.1.7. */
export const LUN_BYTES = 8;

/** The highest number that peripheral device addressing can name, SAM-5 §4.7.7.2. */
export const PERIPHERAL_LUN_MAX = 255;

/** The highest number that flat space addressing can name, SAM-5 §4.7.7.3. */
export const FLAT_LUN_MAX = 16383;

/** What a LUN field says. Only the first three kinds can name a unit of a single-level target. */
export type LunAddress =
  | { readonly kind: 'peripheral'; readonly bus: number; readonly number: number }
  | { readonly kind: 'flat'; readonly number: number }
  | { readonly kind: 'logical-unit'; readonly bus: number; readonly target: number; readonly number: number }
  | { readonly kind: 'well-known'; readonly number: number }
  | { readonly kind: 'extended'; readonly method: number }
  | { readonly kind: 'deeper-level' };

/**
 * Reads the eight bytes at `offset`. Total: every bit pattern has a kind. RangeError when there are fewer
 * bytes.
 */
export function parseLun(bytes: Uint8Array, offset = 0): LunAddress {
  if (offset + LUN_BYTES > bytes.length) throw new RangeError(`no LUN of ${LUN_BYTES} bytes at ${offset}`);
  const first = bytes[offset] as number;
  const second = bytes[offset + 1] as number;
  const low = first & 0x3f;
  if (first >>> 6 === 3) return parseExtended(low, second);
  for (let at = offset + 2; at < offset + LUN_BYTES; at += 1) {
    if (bytes[at] !== 0) return { kind: 'deeper-level' };
  }
  if (first >>> 6 === 0) return { kind: 'peripheral', bus: low, number: second };
  if (first >>> 6 === 1) return { kind: 'flat', number: (low << 8) | second };
  return { kind: 'logical-unit', target: low, bus: second >>> 5, number: second & 0x1f };
}

function parseExtended(low: number, second: number): LunAddress {
  return low === 1 ? { kind: 'well-known', number: second } : { kind: 'extended', method: low & 0x0f };
}

/**
 * The number of the unit that a LUN field names, whichever of the three methods it is written in; undefined
 * when it can name no unit of a single-level target: another bus or target, a deeper level, extended or
 * well-known addressing.
 */
export function decodeLun(bytes: Uint8Array, offset = 0): number | undefined {
  if (bytes[offset] === 0 && isZero(bytes, offset + 2)) return bytes[offset + 1];
  const address = parseLun(bytes, offset);
  switch (address.kind) {
    case 'flat':
      return address.number;
    case 'peripheral':
      return address.bus === 0 ? address.number : undefined;
    case 'logical-unit':
      return address.bus === 0 && address.target === 0 ? address.number : undefined;
    case 'well-known':
    case 'extended':
    case 'deeper-level':
      return undefined;
    default:
      return address satisfies never;
  }
}

function isZero(bytes: Uint8Array, offset: number): boolean {
  for (let at = offset; at < offset + LUN_BYTES - 2; at += 1) {
    if (bytes[at] !== 0) return false;
  }
  return true;
}

/** The field that names unit `number`: peripheral addressing below 256, flat space addressing up to 16383. */
export function encodeLun(number: number): Uint8Array {
  if (!Number.isInteger(number) || number < 0 || number > FLAT_LUN_MAX) {
    throw new RangeError(`a LUN is 0 to ${FLAT_LUN_MAX}, not ${number}`);
  }
  const bytes = new Uint8Array(LUN_BYTES);
  bytes[0] = number > PERIPHERAL_LUN_MAX ? 0x40 | (number >>> 8) : 0;
  bytes[1] = number & 0xff;
  return bytes;
}
