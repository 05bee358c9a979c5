/** Which blocks of table pages lie at places with several entries, for a walk that makes nothing resident. */
import { type Bits, noBits, setBit } from './page-bits.ts';
import type { ReferenceCounts } from './reference-counts.ts';
import { REFERENCE_PLACES } from './reference-page.ts';
import { FIRST_DATA_PLACE, PAGE_BLOCKS, type TablePage } from './table-page.ts';

/** Pages of counts of which it is kept, for the next table page, which places are shared: about 8 MiB. */
const KEPT_MAX = 1 << 16;

export class SharedPlaces {
  readonly #references: ReferenceCounts;
  readonly #kept = new Map<number, Uint32Array>();

  constructor(references: ReferenceCounts) {
    this.#references = references;
  }

  /** A place of which it is not known yet; undefined: `bitsOf` can be asked for all of these, now. */
  missing(pages: readonly TablePage[]): number | undefined {
    if (this.#references.isEmpty) return undefined;
    for (const { places } of pages) {
      for (let at = 0; at < PAGE_BLOCKS; at += 1) {
        const place = places[at] as number;
        if (place < FIRST_DATA_PLACE || this.#references.isReady(place)) continue;
        if (!this.#kept.has(Math.floor(place / REFERENCE_PLACES))) return place;
      }
    }
    return undefined;
  }

  /** Fails with the store errors CORRUPT and IO. */
  async load(place: number): Promise<void> {
    const found = this.#references.peek(place);
    const page = found instanceof Promise ? await found : found;
    const bits = new Uint32Array(REFERENCE_PLACES / 32);
    for (let at = 0; at < REFERENCE_PLACES; at += 1) if (page.beyondAt(at) !== 0) setBit(bits, at);
    this.#kept.set(page.number, bits);
  }

  /** Another table page is next. What one needs is never dropped while it is asked for. */
  trim(): void {
    if (this.#kept.size > KEPT_MAX) this.#kept.clear();
  }

  bitsOf({ places }: TablePage): Bits {
    const bits = noBits();
    if (this.#references.isEmpty) return bits;
    for (let at = 0; at < PAGE_BLOCKS; at += 1) {
      const place = places[at] as number;
      if (place >= FIRST_DATA_PLACE && this.#isShared(place)) setBit(bits, at);
    }
    return bits;
  }

  #isShared(place: number): boolean {
    if (this.#references.isReady(place)) return this.#references.isShared(place);
    const at = place % REFERENCE_PLACES;
    const word = this.#kept.get(Math.floor(place / REFERENCE_PLACES))?.[at >>> 5] ?? 0;
    return (word & (1 << (at & 31))) !== 0;
  }
}
