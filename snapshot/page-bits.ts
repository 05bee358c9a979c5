/** The blocks of one table page as bits, for counting what several images have of the same page. */
import { ABSENT, FIRST_DATA_PLACE, PAGE_BLOCKS, type TablePage } from './table-page.ts';

const WORDS = PAGE_BLOCKS / 32;

/** 256 bits, one for each block of a page. */
export type Bits = Uint32Array;

export interface PageBits {
  /** Blocks that are not absent. */
  readonly entries: Bits;
  /** Those that have a place. */
  readonly data: Bits;
}

export function noBits(): Bits {
  return new Uint32Array(WORDS);
}

export function setBit(bits: Uint32Array, at: number): void {
  bits[at >>> 5] = (bits[at >>> 5] as number) | (1 << (at & 31));
}

/** With `end`, what lies at or past that block of the page does not count. */
export function bitsOf(page: TablePage, end = PAGE_BLOCKS): PageBits {
  const [entries, data] = [noBits(), noBits()];
  for (let at = 0; at < end; at += 1) {
    const place = page.places[at] as number;
    if (place === ABSENT) continue;
    setBit(entries, at);
    if (place >= FIRST_DATA_PLACE) setBit(data, at);
  }
  return { entries, data };
}

/** Puts an upper layer over a lower one: what is read of both is in `data` then, where either has entries. */
export function overlay(lower: PageBits, upper: PageBits): void {
  for (let i = 0; i < WORDS; i += 1) {
    const covered = upper.entries[i] as number;
    lower.data[i] = ((lower.data[i] as number) & ~covered) | (upper.data[i] as number);
    lower.entries[i] = (lower.entries[i] as number) | covered;
  }
}

export function countBits(bits: Bits): number {
  let count = 0;
  for (let i = 0; i < WORDS; i += 1) count += ones(bits[i] as number);
  return count;
}

export function countCommon(one: Bits, other: Bits): number {
  let count = 0;
  for (let i = 0; i < WORDS; i += 1) count += ones((one[i] as number) & (other[i] as number));
  return count;
}

/** Bits of a word that are set. */
function ones(word: number): number {
  let pairs = word - ((word >>> 1) & 0x55555555);
  pairs = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((pairs + (pairs >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Of several readers of one page: blocks that at least one, and that at least two of them read here. */
export class ReadBits {
  readonly once = noBits();
  readonly twice: Bits;

  /** The blocks that count as read by two, whoever reads them. */
  constructor(twice = noBits()) {
    this.twice = twice;
  }

  add(bits: Bits, readers: number): void {
    for (let i = 0; i < WORDS; i += 1) {
      const word = bits[i] as number;
      this.twice[i] = (this.twice[i] as number) | (readers > 1 ? word : word & (this.once[i] as number));
      this.once[i] = (this.once[i] as number) | word;
    }
  }

  /** Of these blocks, those that one reader alone reads here. */
  countSingle(bits: Bits): number {
    let count = 0;
    for (let i = 0; i < WORDS; i += 1) count += ones((bits[i] as number) & ~(this.twice[i] as number));
    return count;
  }
}
