/** Runs of sectors: what a command changes, and what of that an extent of a record covers. */
import type { CheckedExtent } from '../../snapshot/check-journal.ts';
import type { Before } from './model.ts';

export const SECTORS_PER_POOL_BLOCK = 8;

/** Sectors that a command changes. */
export interface Piece {
  readonly firstSector: number;
  readonly stamps: Uint32Array;
  /** One flag per sector: a record has covered it. */
  readonly covered: Uint8Array;
}

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
