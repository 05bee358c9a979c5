/**
 * What the simulation writes: every 512-byte sector carries a *stamp*, a number that no other write of the
 * run uses, spread over the whole sector. Stamp 0 is a sector of zeroes. So a model need only remember one
 * number per sector, and a sector that is found where it does not belong, or is torn, says by its words where
 * it came from.
 */

export const SECTOR_BYTES = 512;
const WORDS = SECTOR_BYTES / 4;
/**
 * Odd, so that no two words of one sector are equal and no word of a stamped sector repeats at the same place
 * in another.
 */
const STEP = 0x9e3779b1;

/** The bytes of the sectors with these stamps. */
export function bytesOfStamps(stamps: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(stamps.length * SECTOR_BYTES);
  const words = new Uint32Array(bytes.buffer);
  for (let sector = 0; sector < stamps.length; sector += 1) {
    const stamp = stamps[sector] as number;
    if (stamp === 0) continue;
    for (let i = 0; i < WORDS; i += 1) words[sector * WORDS + i] = stamp + Math.imul(i, STEP);
  }
  return bytes;
}

function holds(words: Uint32Array, sector: number, stamp: number): boolean {
  const step = stamp === 0 ? 0 : STEP;
  for (let i = 0; i < WORDS; i += 1) {
    if (words[sector * WORDS + i] !== (stamp + Math.imul(i, step)) >>> 0) return false;
  }
  return true;
}

/**
 * The index of the first sector of `bytes` that does not hold the stamp expected there; undefined when all
 * do.
 */
export function firstWrongSector(bytes: Uint8Array, stamps: Uint32Array): number | undefined {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
  for (let sector = 0; sector < stamps.length; sector += 1) {
    if (!holds(words, sector, stamps[sector] as number)) return sector;
  }
  return undefined;
}

/** What a sector holds, in words, for a failure's message. */
export function describeSector(bytes: Uint8Array, sector: number): string {
  const own = bytes.slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
  const words = new Uint32Array(own.buffer);
  const stamp = words[0] as number;
  if (holds(words, 0, stamp)) return stamp === 0 ? 'zeroes' : `stamp ${stamp}`;
  if (holds(words, 0, 0)) return 'zeroes';
  return `no whole sector (its first words are ${words[0]}, ${words[1]})`;
}
