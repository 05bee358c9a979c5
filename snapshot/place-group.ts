/**
 * What is known of 16,384 neighbouring places: which are referenced by a table entry, and which are taken,
 * that is, referenced or busy (given to a command, or freed and not yet allocatable). Only references are
 * stored; after a restart nothing is busy.
 *
 * A change may come to a group that is not in memory. It is noted without a load: `unknown` has a bit for
 * every place of which only what is stored can tell; the stored bitmap fills those in later.
 *
 * Stored form, little-endian:
 *
 *     0  u32  checksum of everything behind it
 *     4  u8   version, 1
 *     5  u8   0 bitmap, 1 every place is referenced
 *     6  u16  count of references, 1 … 16,384
 *     8  u32  group
 *    12  u32  zero
 *    16  2,048 bytes, for a bitmap: bit b of byte i stands for place 16,384 group + 8 i + b
 */
import assert from 'node:assert';
import { StoreError } from '../lun/errors.ts';
import { countRange, firstClear, firstSet } from './bit-runs.ts';
import type { Checksum } from './checksum.ts';
import type { TrackedItem } from './copy-on-change.ts';

/** Places of one group. */
export const GROUP_PLACES = 16_384;
const GROUP_WORDS = GROUP_PLACES / 32;
const BITMAP_BYTES = GROUP_PLACES / 8;
const HEADER_BYTES = 16;
const VERSION = 1;
const FORM_BITMAP = 0;
const FORM_FULL = 1;

/** What a resident group is reckoned to take: two bitmaps and the objects around them. */
export const GROUP_RESIDENT_BYTES = 4608;

export class PlaceGroup implements TrackedItem {
  readonly number: number;
  readonly referenced = new Uint32Array(GROUP_WORDS);
  readonly taken = new Uint32Array(GROUP_WORDS);
  /** Places of which only the stored bitmap can tell; undefined when it was read, or none is stored. */
  unknown: Uint32Array | undefined;
  loading: Promise<void> | undefined;
  /** Places taken and not referenced. */
  busyBlocks = 0;
  /** No run of free places is longer than this. */
  longestRunBlocks = GROUP_PLACES;
  /** Since it was last looked at for eviction. */
  used = false;
  changedIn = 0;
  encodedIn = 0;

  constructor(number: number, options: { readonly known: boolean }) {
    this.number = number;
    if (!options.known) this.unknown = new Uint32Array(GROUP_WORDS).fill(0xffffffff);
  }

  /** What a checkpoint needs of the group. */
  copy(): PlaceGroup {
    const copy = new PlaceGroup(this.number, { known: true });
    copy.referenced.set(this.referenced);
    copy.unknown = this.unknown?.slice();
    return copy;
  }

  /** Fills in what only the stored bitmap can tell. */
  fill(stored: Uint32Array): void {
    const { unknown } = this;
    if (unknown === undefined) return;
    for (let at = 0; at < GROUP_WORDS; at += 1) {
      const found = (stored[at] as number) & (unknown[at] as number);
      this.referenced[at] = (this.referenced[at] as number) | found;
      this.taken[at] = (this.taken[at] as number) | found;
    }
    this.unknown = undefined;
  }

  /** The stored form; undefined when no place is referenced. */
  encode(checksum: Checksum): Uint8Array | undefined {
    assert(this.unknown === undefined, 'a group is whole when it is stored');
    const count = countRange(this.referenced, 0, GROUP_PLACES);
    if (count === 0) return undefined;
    const full = count === GROUP_PLACES;
    const bytes = new Uint8Array(full ? HEADER_BYTES : HEADER_BYTES + BITMAP_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint8(4, VERSION);
    view.setUint8(5, full ? FORM_FULL : FORM_BITMAP);
    view.setUint16(6, count, true);
    view.setUint32(8, this.number, true);
    for (let at = 0; !full && at < GROUP_WORDS; at += 1) {
      view.setUint32(HEADER_BYTES + at * 4, this.referenced[at] as number, true);
    }
    view.setUint32(0, checksum(bytes.subarray(4)), true);
    return bytes;
  }
}

/**
 * The free runs between `start` and `end`, in order; one of twice `blocksMax` or more comes in pieces of that
 * many, of which the last is longer instead of a small one. What was given may have been taken meanwhile.
 */
export function* freePieces(
  { taken }: PlaceGroup,
  { start, end, blocksMax }: { readonly start: number; readonly end: number; readonly blocksMax: number },
): Generator<{ readonly from: number; readonly to: number }> {
  let from = firstClear(taken, start, end);
  while (from < end) {
    const runEnd = firstSet(taken, from, Math.min(end, from + 2 * blocksMax));
    const to = runEnd - from < 2 * blocksMax ? runEnd : from + blocksMax;
    yield { from, to };
    from = firstClear(taken, to, end);
  }
}

/** Shows `visit` the places before `end` by the groups they are in: its number, and where in it. */
export function eachGroupPart(
  place: number,
  end: number,
  visit: (number: number, from: number, to: number) => void,
): void {
  for (let at = place; at < end; ) {
    const number = Math.floor(at / GROUP_PLACES);
    const base = number * GROUP_PLACES;
    const to = Math.min(end - base, GROUP_PLACES);
    visit(number, at - base, to);
    at = base + to;
  }
}

/** The bitmap stored for a group; all clear when nothing is. Anything else is the store error CORRUPT. */
export function decodeGroup(bytes: Uint8Array | undefined, number: number, checksum: Checksum): Uint32Array {
  const words = new Uint32Array(GROUP_WORDS);
  if (bytes === undefined) return words;
  const fault = decodeInto(words, { bytes, number, checksum });
  if (fault === undefined) return words;
  throw new StoreError('CORRUPT', `The bitmap of allocator group ${number} is damaged: ${fault}.`);
}

interface StoredGroup {
  readonly bytes: Uint8Array;
  readonly number: number;
  readonly checksum: Checksum;
}

function decodeInto(words: Uint32Array, { bytes, number, checksum }: StoredGroup): string | undefined {
  if (bytes.byteLength < HEADER_BYTES) return `it has ${bytes.byteLength} bytes`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (checksum(bytes.subarray(4)) !== view.getUint32(0, true)) return 'its checksum is wrong';
  if (view.getUint8(4) !== VERSION) return `its version is ${view.getUint8(4)}`;
  if (view.getUint32(8, true) !== number) return `it is that of group ${view.getUint32(8, true)}`;
  const form = view.getUint8(5);
  if (form !== FORM_FULL && form !== FORM_BITMAP) return 'its form is unknown';
  const bodyBytes = form === FORM_FULL ? 0 : BITMAP_BYTES;
  if (bytes.byteLength !== HEADER_BYTES + bodyBytes) return `it has ${bytes.byteLength} bytes`;
  if (form === FORM_FULL) words.fill(0xffffffff);
  for (let at = 0; at < bodyBytes / 4; at += 1) words[at] = view.getUint32(HEADER_BYTES + at * 4, true);
  return countRange(words, 0, GROUP_PLACES) === view.getUint16(6, true) ? undefined : 'its count is wrong';
}
