/**
 * The rules of SYSTEM §3 in the plainest form: every VLUN has an array of bytes and, per sector of 512 bytes,
 * a flag whether that sector is its own. No tables, no layers, no journal: the oracle of the model tests.
 */
import assert from 'node:assert';

export const SECTOR_BYTES = 512;

export class PlainVlun {
  readonly name: string;
  bytes: Uint8Array;
  own: boolean[];
  above: PlainVlun | undefined;
  readonly below: PlainVlun[] = [];

  constructor(name: string, sectors: number, above?: PlainVlun) {
    this.name = name;
    this.bytes = new Uint8Array(sectors * SECTOR_BYTES);
    this.own = new Array<boolean>(sectors).fill(above === undefined);
    this.above = above;
    above?.below.push(this);
  }

  get sectors(): number {
    return this.own.length;
  }

  /** P3 and P6: its own sector, else what the VLUN it tracks reads; past the end of that, zeroes (P15). */
  sector(at: number): Uint8Array {
    if (at >= this.sectors) return new Uint8Array(SECTOR_BYTES);
    if (this.own[at] || this.above === undefined) {
      return this.bytes.subarray(at * SECTOR_BYTES, (at + 1) * SECTOR_BYTES);
    }
    return this.above.sector(at);
  }

  /** P4, P5 and P10: the sectors are its own, and no longer of any VLUN below. */
  write(at: number, bytes: Uint8Array): void {
    assert.equal(bytes.byteLength % SECTOR_BYTES, 0);
    this.bytes.set(bytes, at * SECTOR_BYTES);
    for (let i = at; i < at + bytes.byteLength / SECTOR_BYTES; i += 1) {
      this.own[i] = true;
      this.#forgetBelow(i);
    }
  }

  /** What it reads: these sectors, or all. */
  read(from = 0, count = this.sectors): Uint8Array {
    const bytes = new Uint8Array(count * SECTOR_BYTES);
    for (let i = 0; i < count; i += 1) bytes.set(this.sector(from + i), i * SECTOR_BYTES);
    return bytes;
  }

  /** P12: it keeps what it reads, and follows no more. */
  release(): void {
    assert(this.above);
    this.bytes = this.read();
    this.own.fill(true);
    this.above.below.splice(this.above.below.indexOf(this), 1);
    this.above = undefined;
  }

  /** Sectors past a new end are gone; new ones read as zeroes, or as those of the VLUN it tracks. */
  resize(sectors: number): void {
    for (let at = sectors; at < this.sectors; at += 1) this.#forgetBelow(at);
    const bytes = new Uint8Array(sectors * SECTOR_BYTES);
    bytes.set(this.bytes.subarray(0, bytes.byteLength));
    this.bytes = bytes;
    const tracks = this.above !== undefined;
    this.own = Array.from({ length: sectors }, (_, at) => this.own[at] ?? !tracks);
  }

  #forgetBelow(at: number): void {
    for (const tracker of this.below) {
      if (at < tracker.sectors) tracker.own[at] = false;
      tracker.#forgetBelow(at);
    }
  }
}
