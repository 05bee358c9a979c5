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
  /** Entries of each place beyond the first. Changed by `ReferenceCounts` alone. */
  readonly beyond = new Uint32Array(REFERENCE_PLACES);
  /** Places that have more than one. */
  shared = 0;
  changedIn = 0;
  encodedIn = 0;

  constructor(number: number) {
    this.number = number;
  }

  copy(): ReferencePage {
    const copy = new ReferencePage(this.number);
    copy.beyond.set(this.beyond);
    copy.shared = this.shared;
    return copy;
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
      for (const [at, beyond] of this.beyond.entries()) view.setUint32(HEADER_BYTES + at * 4, beyond, true);
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
    const runs: ReferenceRun[] = [];
    let last: ReferenceRun | undefined;
    for (let at = 0; at < REFERENCE_PLACES; at += 1) {
      const beyond = this.beyond[at] as number;
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
      page.beyond[at] = view.getUint32(HEADER_BYTES + at * 4, true);
    }
  } else if (form !== FORM_RUNS || bodyBytes % RUN_BYTES !== 0) {
    return 'its form is unknown';
  }
  for (let at = HEADER_BYTES; form === FORM_RUNS && at < bytes.byteLength; at += RUN_BYTES) {
    const first = view.getUint16(at, true);
    const end = first + view.getUint16(at + 2, true);
    if (end > REFERENCE_PLACES) return 'a run ends past it';
    page.beyond.fill(view.getUint32(at + 4, true), first, end);
  }
  for (const beyond of page.beyond) if (beyond > 0) page.shared += 1;
  return page.shared === view.getUint16(6, true) ? undefined : 'its count is wrong';
}
