/**
 * What a disk may hold after its server was killed, sector by sector. A sector holds the value of some write
 * that no other write has certainly replaced: W' has replaced W when W' was issued after W was acknowledged
 * and was acknowledged itself. A write that never was acknowledged may or may not have happened, for each of
 * its sectors.
 */
import assert from 'node:assert';

export const SECTOR_BYTES = 512;

/** What a sector holds is told by one number; 0 is all zeroes, written by nobody or unmapped. */
export type SectorValue = number;

interface Candidate {
  readonly value: SectorValue;
  /** When the write was acknowledged; undefined while it is in flight. */
  acknowledgedAt: number | undefined;
}

export interface Change {
  readonly value: SectorValue;
  readonly lba: number;
  readonly sectors: number;
  readonly issuedAt: number;
  readonly candidate: Candidate;
}

export interface Disagreement {
  readonly lba: number;
  readonly found: string;
  readonly allowed: readonly SectorValue[];
}

/**
 * The bytes that stand for a value at an address: no two values, and no two addresses, look alike anywhere.
 */
export function fillSector(sector: Uint8Array, { value, lba }: { value: SectorValue; lba: number }): void {
  if (value === 0) {
    sector.fill(0);
    return;
  }
  const words = new DataView(sector.buffer, sector.byteOffset, SECTOR_BYTES);
  let mixed = (Math.imul(value, 0x9e3779b1) ^ Math.imul(lba + 1, 0x85ebca6b)) >>> 0;
  words.setUint32(0, value);
  words.setUint32(4, lba);
  for (let offset = 8; offset < SECTOR_BYTES; offset += 4) {
    mixed = (Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d) + offset) >>> 0;
    words.setUint32(offset, mixed);
  }
}

/** The data of a write of one value. */
export function contentOf({ value, lba, sectors }: Pick<Change, 'value' | 'lba' | 'sectors'>): Uint8Array {
  const data = new Uint8Array(sectors * SECTOR_BYTES);
  for (let index = 0; index < sectors; index += 1) {
    fillSector(data.subarray(index * SECTOR_BYTES, (index + 1) * SECTOR_BYTES), { value, lba: lba + index });
  }
  return data;
}

export class SectorModel {
  readonly capacitySectors: number;
  /** Per sector the value it certainly holds, unless `#candidates` knows more. */
  readonly #settled: Uint32Array;
  readonly #candidates = new Map<number, Candidate[]>();
  readonly #expected = new Uint8Array(SECTOR_BYTES);
  #now = 0;

  constructor(capacitySectors: number) {
    this.capacitySectors = capacitySectors;
    this.#settled = new Uint32Array(capacitySectors);
  }

  /** A change has been sent; from now on its sectors may hold it. */
  issue({ value, lba, sectors }: Pick<Change, 'value' | 'lba' | 'sectors'>): Change {
    this.#now += 1;
    const candidate: Candidate = { value, acknowledgedAt: undefined };
    for (let at = lba; at < lba + sectors; at += 1) {
      const before = this.#candidates.get(at) ?? [{ value: this.#settled[at] ?? 0, acknowledgedAt: 0 }];
      this.#candidates.set(at, [...before, candidate]);
    }
    return { value, lba, sectors, issuedAt: this.#now, candidate };
  }

  /** The change was acknowledged: what had been acknowledged before it was sent is gone for good. */
  acknowledge({ lba, sectors, issuedAt, candidate }: Change): void {
    this.#now += 1;
    candidate.acknowledgedAt = this.#now;
    for (let at = lba; at < lba + sectors; at += 1) {
      const known = this.#candidates.get(at) ?? [];
      const left = known.filter((one) => one.acknowledgedAt === undefined || one.acknowledgedAt > issuedAt);
      this.#candidates.set(at, left);
    }
  }

  /** The values a sector may hold. */
  allowed(lba: number): SectorValue[] {
    return this.#candidates.get(lba)?.map((one) => one.value) ?? [this.#settled[lba] ?? 0];
  }

  /**
   * Compares what was read, and from then on takes it for what the sectors hold: nothing is in flight any
   * more. Returns the first sectors that hold what they must not.
   */
  settle({ lba, data }: { lba: number; data: Uint8Array }): Disagreement[] {
    assert(data.length % SECTOR_BYTES === 0);
    const wrong: Disagreement[] = [];
    for (let index = 0; index < data.length / SECTOR_BYTES; index += 1) {
      const at = lba + index;
      const sector = data.subarray(index * SECTOR_BYTES, (index + 1) * SECTOR_BYTES);
      const allowed = this.allowed(at);
      const held = allowed.find((value) => this.#holds(sector, { value, lba: at }));
      if (held === undefined) wrong.push({ lba: at, found: describe(sector), allowed });
      this.#settled[at] = held ?? 0;
      this.#candidates.delete(at);
    }
    return wrong;
  }

  #holds(sector: Uint8Array, what: { value: SectorValue; lba: number }): boolean {
    fillSector(this.#expected, what);
    return Buffer.compare(sector, this.#expected) === 0;
  }
}

/** Whose data a sector seems to hold. */
function describe(sector: Uint8Array): string {
  const words = new DataView(sector.buffer, sector.byteOffset, SECTOR_BYTES);
  const [value, lba] = [words.getUint32(0), words.getUint32(4)];
  const whole = new Uint8Array(SECTOR_BYTES);
  fillSector(whole, { value, lba });
  const intact = Buffer.compare(sector, whole) === 0;
  if (value === 0) return intact ? 'zeroes' : 'neither zeroes nor a write';
  return `write ${value} of sector ${lba}${intact ? '' : ', torn'}`;
}
