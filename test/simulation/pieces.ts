/** Runs of sectors: what a command changes, and what of that an extent of a record covers. */
import type { CheckedExtent } from '../../snapshot/check-journal.ts';
import type { Before } from './model.ts';

export const SECTORS_PER_POOL_BLOCK = 8;

/** Sectors that a command changes. */
export interface Piece {
  readonly firstSector: number;
  readonly stamps: Uint32Array;
  /** One flag per sector: whether a record has covered it. */
  readonly covered: Uint8Array;
}

const UNCOVERED = 0;
export const COVERED = 1;
/** By a record that is more likely another command's. */
export const PERHAPS = 2;

export function piece(firstSector: number, stamps: Uint32Array): Piece {
  return { firstSector, stamps, covered: new Uint8Array(stamps.length) };
}

export interface Portion {
  readonly of: Piece;
  /** First sector within the piece. */
  readonly from: number;
  readonly firstSector: number;
  readonly stamps: Uint32Array;
}

export function portionOf(of: Piece, extent: CheckedExtent): Portion[] {
  const first = Math.max(of.firstSector, extent.block * SECTORS_PER_POOL_BLOCK);
  const end = Math.min(
    of.firstSector + of.stamps.length,
    (extent.block + extent.blocks) * SECTORS_PER_POOL_BLOCK,
  );
  if (end <= first) return [];
  const from = first - of.firstSector;
  const stamps = of.stamps.subarray(from, from + end - first);
  return [{ of, from, firstSector: first, stamps }];
}

/** A record has covered these portions. */
export function cover(portions: readonly Portion[], how: typeof COVERED | typeof PERHAPS): void {
  for (const { of, from, stamps } of portions) {
    for (let i = 0; i < stamps.length; i += 1) {
      if (how === PERHAPS && of.covered[from + i] !== UNCOVERED) continue;
      of.stamps[from + i] = stamps[i] as number;
      of.covered[from + i] = how;
    }
  }
}

/** How many of the pieces lie in this pool block, at least in part. */
export function piecesIn(pieces: readonly Piece[], block: number): number {
  const first = block * SECTORS_PER_POOL_BLOCK;
  return pieces.filter(
    ({ firstSector, stamps }) =>
      firstSector < first + SECTORS_PER_POOL_BLOCK && first < firstSector + stamps.length,
  ).length;
}

/** Pieces of zeroes for these runs of sectors; runs that touch or overlap are one. */
export function zeroesOver(
  runs: ReadonlyArray<{ readonly first: number; readonly sectors: number }>,
): Piece[] {
  const joined: Array<{ first: number; end: number }> = [];
  for (const { first, sectors } of [...runs].sort((a, b) => a.first - b.first)) {
    const last = joined.at(-1);
    if (last !== undefined && first <= last.end) last.end = Math.max(last.end, first + sectors);
    else joined.push({ first, end: first + sectors });
  }
  return joined.map(({ first, end }) => piece(first, new Uint32Array(end - first)));
}

/** The same portions of a copy's only piece, with what its source holds from the piece's first sector on. */
export function copiedPortions(portions: readonly Portion[], source: Uint32Array): Portion[] {
  return portions.map((portion) => {
    const { from, stamps } = portion;
    return { ...portion, stamps: source.slice(from, from + stamps.length) };
  });
}

export function overlaps(
  before: Before,
  region: { readonly firstSector: number; readonly sectors: number },
): boolean {
  return (
    before.firstSector < region.firstSector + region.sectors &&
    region.firstSector < before.firstSector + before.stamps.length
  );
}

/** Puts what a step replaced back into a copy of a region that begins at `firstSector`. */
export function putBack(region: Uint32Array, firstSector: number, before: Before): void {
  for (let i = 0; i < before.stamps.length; i += 1) {
    const at = before.firstSector + i - firstSector;
    if (at >= 0 && at < region.length) region[at] = before.stamps[i] as number;
  }
}

export function equal(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
