/** What a check looks for, and what it found. The texts are those of FORMAT.md, which a test compares. */

/** The invariants of a pool at rest. FORMAT.md says more on each. */
export const INVARIANTS = {
  I1: 'Every stored value is whole: it has its form, its own checksum, a version known here, and names the key it is stored under.',
  I2: 'A table page has at least one entry, and every entry is a hole or a place inside the data space.',
  I3: 'The entries of a place, over all images, are as many as its count says, and at most one where it has none.',
  I4: 'The bitmaps mark exactly the places that have an entry.',
  I5: 'The free counts say how many places of each group are marked.',
  I6: 'The summaries name exactly the pages that are stored.',
  I7: 'The counters of an image are the sums over its pages.',
  I8: 'Numbers and names in the catalogue are unique, lie below the counters, and stand under their own key.',
  I9: 'Every image that one not dropped mentions is in the catalogue; bases and followed images are frozen; no image reads itself.',
  I10: 'Every VLUN has a live image of its own, which is not frozen; every snapshot stands on a frozen one.',
  I11: 'A VLUN tracks a VLUN that exists and has its block size, and never itself through others.',
  I12: 'An image is marked dropped exactly when nothing reads it, and tables belong to images of the catalogue.',
  I13: 'The journal continues the checkpoint without a gap, at least up to the last record that a flush mark proves.',
  I14: 'Every record can be applied: it names what exists at its place of the journal.',
  I15: 'A record stores data only in places that have no entry at that moment, and shares only places that have one.',
  I16: 'Every block that an entry points at has the checksum that the entry says.',
} as const;

export type Invariant = keyof typeof INVARIANTS;

/** More than these are counted, not listed. */
const LISTED_MAX = 200;

export class Findings {
  readonly errors: string[] = [];
  count = 0;

  /** Something is not as the invariant says. */
  add(invariant: Invariant, what: string): void {
    this.count += 1;
    if (this.errors.length < LISTED_MAX) this.errors.push(`${invariant}: ${what}`);
  }
}
