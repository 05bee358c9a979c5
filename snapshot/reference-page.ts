/**
 * How many table entries point at each of 512 neighbouring places, where that is more than one: what is kept
 * is the number beyond the first, so that 0 stands for a place with one entry and for one with none alike.
 *
 * Stored form, little-endian:
 *
 *     0  u32  checksum of everything behind it
 *     4  u8   version, 1
 *     5  u8   0 runs, 1 every place
 *     6  u16  places with more than one entry, 1 … 512
 *     8  u32  number of the page: place / 512
 *    12  u32  zero
 *    16  runs, ascending: { u16 first place, counted from the page's first; u16 places; u32 entries beyond
 *        the first }; or 512 × u32 entries beyond the first
 */
import { StoreError } from '../lun/errors.ts';
import type { Checksum } from './checksum.ts';
import type { TrackedItem } from './copy-on-change.ts';

/** Places of one page. */
export const REFERENCE_PLACES = 512;
const VERSION = 1;
const HEADER_BYTES = 16;
const RUN_BYTES = 8;
const RUNS_MAX = (REFERENCE_PLACES * 4) / RUN_BYTES;
const FORM_RUNS = 0;
const FORM_EVERY = 1;

/** What a resident page is reckoned to take: its array and the objects around it. */
export const REFERENCE_RESIDENT_BYTES = 2304;

interface ReferenceRun {
  readonly first: number;
  places: number;
  readonly beyond: number;
}

export class ReferencePage implements TrackedItem {
  readonly number: number;
  /**
   * Entries beyond the first, of each place; undefined while the places before `#split` have all the same and
   * so have those behind it, as in the midst of a long copy and after it.
   */
  #each: Uint32Array | undefined;
  #split = REFERENCE_PLACES;
  #before = 0;
  #behind = 0;
  /** Places that have more than one. */
  shared = 0;
  changedIn = 0;
  encodedIn = 0;

  constructor(number: number) {
    this.number = number;
  }

  copy(): ReferencePage {
    const copy = new ReferencePage(this.number);
    copy.#each = this.#each?.slice();
    copy.#split = this.#split;
    copy.#before = this.#before;
    copy.#behind = this.#behind;
    copy.shared = this.shared;
    return copy;
  }

  /** Entries beyond the first of a place, counted from the page's first. */
  beyondAt(at: number): number {
    if (this.#each !== undefined) return this.#each[at] as number;
    return at < this.#split ? this.#before : this.#behind;
  }

  /** Up to where, at most `end`, the places from `first` on are all shared, or all are not. */
  alikeUntil(first: number, end: number): number {
    const each = this.#each;
    let at = first + 1;
    if (each === undefined) {
      const allAlike = this.shared === 0 || this.shared === REFERENCE_PLACES;
      return allAlike || first >= this.#split ? end : Math.min(end, this.#split);
    }
    for (const none = each[first] === 0; at < end && (each[at] === 0) === none; ) at += 1;
    return at;
  }

  /** The places from `first` to before `end` have so many entries beyond the first more. */
  add(first: number, end: number, entries: number): void {
    if (this.#each === undefined && this.#addToParts(first, end, entries)) return;
    const each = this.#widened();
    for (let at = first; at < end; at += 1) {
      const before = each[at] as number;
      each[at] = before + entries;
      if (before === 0) this.shared += 1;
      else if (each[at] === 0) this.shared -= 1;
    }
  }

  /** Places that have entries beyond the first, from `first` to before `end`, have one less. */
  take(first: number, end: number): void {
    this.add(first, end, -1);
  }

  /** False where the page would be of more than two parts; then nothing was done. */
  #addToParts(first: number, end: number, entries: number): boolean {
    if (first > 0 && end < REFERENCE_PLACES) return false;
    const cut = first > 0 ? first : end;
    if (cut < REFERENCE_PLACES && cut !== this.#split) {
      if (this.#split < REFERENCE_PLACES) return false;
      this.#split = cut;
      this.#behind = this.#before;
    }
    if (first < this.#split) this.#before += entries;
    if (end > this.#split) this.#behind += entries;
    if (this.#before === this.#behind) this.#split = REFERENCE_PLACES;
    const behind = this.#behind > 0 ? REFERENCE_PLACES - this.#split : 0;
    this.shared = (this.#before > 0 ? this.#split : 0) + behind;
    return true;
  }

  #widened(): Uint32Array {
    this.#each ??= new Uint32Array(REFERENCE_PLACES)
      .fill(this.#before, 0, this.#split)
      .fill(this.#behind, this.#split);
    return this.#each;
  }

  /** The stored form; undefined when no place is shared. */
  encode(checksum: Checksum): Uint8Array | undefined {
    if (this.shared === 0) return undefined;
    const runs = this.#runs();
    const every = runs.length > RUNS_MAX;
    const bytes = new Uint8Array(HEADER_BYTES + (every ? REFERENCE_PLACES * 4 : runs.length * RUN_BYTES));
    const view = new DataView(bytes.buffer);
    view.setUint8(4, VERSION);
    view.setUint8(5, every ? FORM_EVERY : FORM_RUNS);
    view.setUint16(6, this.shared, true);
    view.setUint32(8, this.number, true);
    if (every) {
      for (let at = 0; at < REFERENCE_PLACES; at += 1)
        view.setUint32(HEADER_BYTES + at * 4, this.beyondAt(at), true);
    } else {
      for (const [i, { first, places, beyond }] of runs.entries()) {
        const at = HEADER_BYTES + i * RUN_BYTES;
        view.setUint16(at, first, true);
        view.setUint16(at + 2, places, true);
        view.setUint32(at + 4, beyond, true);
      }
    }
    view.setUint32(0, checksum(bytes.subarray(4)), true);
    return bytes;
  }

  #runs(): ReferenceRun[] {
    if (this.#each === undefined) {
      const before = { first: 0, places: this.#split, beyond: this.#before };
      const behind = {
        first: this.#split,
        places: REFERENCE_PLACES - this.#split,
        beyond: this.#behind,
      };
      return [before, behind].filter(({ places, beyond }) => places > 0 && beyond > 0);
    }
    const runs: ReferenceRun[] = [];
    let last: ReferenceRun | undefined;
    for (let at = 0; at < REFERENCE_PLACES; at += 1) {
      const beyond = this.beyondAt(at);
      if (beyond === 0) continue;
      if (last !== undefined && last.beyond === beyond && last.first + last.places === at) {
        last.places += 1;
        continue;
      }
      last = { first: at, places: 1, beyond };
      runs.push(last);
    }
    return runs;
  }
}

/** The page stored under this number; anything else in `bytes` is the store error CORRUPT. */
export function decodeReferences(bytes: Uint8Array, number: number, checksum: Checksum): ReferencePage {
  const page = new ReferencePage(number);
  const fault = decodeInto(page, bytes, checksum);
  if (fault === undefined) return page;
  throw corruptReferences(number, fault);
}

/** A page that is not what was stored there. */
export function corruptReferences(number: number, why: string): StoreError {
  return new StoreError('CORRUPT', `Page ${number} of the reference counts is damaged: ${why}.`);
}

function decodeInto(page: ReferencePage, bytes: Uint8Array, checksum: Checksum): string | undefined {
  if (bytes.byteLength < HEADER_BYTES) return `it has ${bytes.byteLength} bytes`;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (checksum(bytes.subarray(4)) !== view.getUint32(0, true)) return 'its checksum is wrong';
  if (view.getUint8(4) !== VERSION) return `its version is ${view.getUint8(4)}`;
  if (view.getUint32(8, true) !== page.number) return `it is page ${view.getUint32(8, true)}`;
  const bodyBytes = bytes.byteLength - HEADER_BYTES;
  const form = view.getUint8(5);
  if (form === FORM_EVERY && bodyBytes === REFERENCE_PLACES * 4) {
    for (let at = 0; at < REFERENCE_PLACES; at += 1) {
      const beyond = view.getUint32(HEADER_BYTES + at * 4, true);
      if (beyond > 0) page.add(at, at + 1, beyond);
    }
  } else if (form !== FORM_RUNS || bodyBytes % RUN_BYTES !== 0) {
    return 'its form is unknown';
  }
  for (let at = HEADER_BYTES; form === FORM_RUNS && at < bytes.byteLength; at += RUN_BYTES) {
    const first = view.getUint16(at, true);
    const end = first + view.getUint16(at + 2, true);
    if (end > REFERENCE_PLACES) return 'a run ends past it';
    const beyond = view.getUint32(at + 4, true);
    if (beyond > 0) page.add(first, end, beyond);
  }
  return page.shared === view.getUint16(6, true) ? undefined : 'its count is wrong';
}
