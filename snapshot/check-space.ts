/** Which places have an entry, as bits, and the allocator's own bitmaps and counts to compare them with. */
import { Fields, hasBit } from './check-bytes.ts';
import type { Findings } from './check-report.ts';
import type { Checksum } from './checksum.ts';

export const PLACES_PER_GROUP = 16_384;
export const GROUPS_PER_CHUNK = 1024;
const GROUP_BYTES = PLACES_PER_GROUP / 8;

/** A bit for each place, and the entries beyond the first; groups without one take no memory. */
export class PlaceBits {
  readonly #groups = new Map<number, Uint8Array>();
  /** Places with an entry. */
  count = 0;
  /** How many entries a place has beyond the first, where it has such. */
  readonly beyond = new Map<number, number>();

  has(place: number): boolean {
    const bits = this.#groups.get(Math.floor(place / PLACES_PER_GROUP));
    return bits !== undefined && hasBit(bits, place % PLACES_PER_GROUP);
  }

  /** False where it was set already. */
  add(place: number): boolean {
    const group = Math.floor(place / PLACES_PER_GROUP);
    let bits = this.#groups.get(group);
    if (bits === undefined) {
      bits = new Uint8Array(GROUP_BYTES);
      this.#groups.set(group, bits);
    }
    const bit = place % PLACES_PER_GROUP;
    if (hasBit(bits, bit)) return false;
    bits[bit >>> 3] = (bits[bit >>> 3] as number) | (1 << (bit & 7));
    this.count += 1;
    return true;
  }

  /** One entry more of a place that has one. */
  addBeyond(place: number): void {
    this.beyond.set(place, (this.beyond.get(place) ?? 0) + 1);
  }

  /** One entry less. */
  delete(place: number): void {
    const beyond = this.beyond.get(place);
    if (beyond !== undefined) {
      if (beyond > 1) this.beyond.set(place, beyond - 1);
      else this.beyond.delete(place);
      return;
    }
    const bits = this.#groups.get(Math.floor(place / PLACES_PER_GROUP));
    const bit = place % PLACES_PER_GROUP;
    if (bits === undefined || !hasBit(bits, bit)) return;
    bits[bit >>> 3] = (bits[bit >>> 3] as number) & ~(1 << (bit & 7));
    this.count -= 1;
  }

  group(group: number): Uint8Array | undefined {
    return this.#groups.get(group);
  }

  /** Groups of which a bit was ever set. */
  groups(): number[] {
    return [...this.#groups.keys()];
  }
}

/** The bits of a stored group, or why there are none. */
export function readGroup(bytes: Uint8Array, group: number, checksum: Checksum): Uint8Array | string {
  const fields = new Fields(bytes);
  if (bytes.byteLength < 16) return 'is cut short';
  if (!fields.sealed(checksum)) return 'has a wrong checksum';
  if (fields.u8(4) !== 1) return `has version ${fields.u8(4)}`;
  if (fields.u32(8) !== group) return 'names another group';
  const full = fields.u8(5) === 1;
  if (bytes.byteLength !== 16 + (full ? 0 : GROUP_BYTES)) return 'has a wrong length';
  const bits = full ? new Uint8Array(GROUP_BYTES).fill(0xff) : bytes.slice(16);
  return countBits(bits) === fields.u16(6) ? bits : 'has a wrong count';
}

/** Places marked in each group of a chunk, or why there are none. */
export function readCounts(bytes: Uint8Array, chunk: number, checksum: Checksum): number[] | string {
  const fields = new Fields(bytes);
  if (bytes.byteLength !== 16 + GROUPS_PER_CHUNK * 2) return 'has a wrong length';
  if (!fields.sealed(checksum)) return 'has a wrong checksum';
  if (fields.u8(4) !== 1) return `has version ${fields.u8(4)}`;
  if (fields.u32(8) !== chunk) return 'names another chunk';
  return Array.from({ length: GROUPS_PER_CHUNK }, (_, i) => fields.u16(16 + i * 2));
}

export function countBits(bits: Uint8Array): number {
  let count = 0;
  for (const byte of bits) for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

/** I4 for one group: what is stored against what the tables say. */
export function judgeGroup(
  group: number,
  found: { readonly stored: Uint8Array | undefined; readonly wanted: Uint8Array | undefined },
  findings: Findings,
): void {
  const { stored, wanted } = found;
  for (let i = 0; i < GROUP_BYTES; i += 1) {
    const differing = (stored?.[i] ?? 0) ^ (wanted?.[i] ?? 0);
    if (differing === 0) continue;
    for (let bit = 0; bit < 8; bit += 1) {
      if ((differing & (1 << bit)) === 0) continue;
      const place = group * PLACES_PER_GROUP + i * 8 + bit;
      const marked = hasBit(stored ?? new Uint8Array(GROUP_BYTES), i * 8 + bit);
      findings.add(
        'I4',
        marked
          ? `place ${place} is marked and has no entry`
          : `place ${place} has an entry and is not marked`,
      );
    }
  }
}
