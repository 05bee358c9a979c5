/**
 * Places, counts and sizes. A wire LBA is a bigint; it becomes a number here, at one door, after
 * it was checked against the capacity. Everything behind the door asserts.
 */

declare const unit: unique symbol;

/** A place: the address of a logical block, from 0. */
export type Lba = number & { readonly [unit]: 'lba' };
/** A count of logical blocks. */
export type Blocks = number & { readonly [unit]: 'blocks' };

/** The value now, or a promise of it. Hot paths test for the promise and go on at once without one. */
export type MaybePromise<T> = T | Promise<T>;

export type LogicalBlockBytes = 512 | 4096;

/** The form of a logical unit at one moment; a resize replaces it. */
export interface Geometry {
  /** Bytes of one logical block. */
  readonly blockBytes: LogicalBlockBytes;
  /** Number of logical blocks: 1 … 2^53 / blockBytes. */
  readonly capacityBlocks: number;
}

/** `blocks` logical blocks from `lba` on. */
export interface BlockRange {
  readonly lba: Lba;
  readonly blocks: Blocks;
}

/**
 * The range, or undefined when any of it lies past the end of the unit (SBC-3 §4.5). Zero blocks at
 * the end are in range.
 */
export function toRange(lba: bigint | number, blocks: number, geometry: Geometry): BlockRange | undefined {
  const first = Number(lba);
  if (first + blocks > geometry.capacityBlocks) return undefined;
  return { lba: first as Lba, blocks: blocks as Blocks };
}

export function inRange(range: BlockRange, geometry: Geometry): boolean {
  return range.lba >= 0 && range.blocks >= 0 && range.lba + range.blocks <= geometry.capacityBlocks;
}

/** The last address of a unit: capacity minus one. */
export function lastLba(geometry: Geometry): number {
  return geometry.capacityBlocks - 1;
}

export function bytesOf(blocks: number, geometry: Geometry): number {
  return blocks * geometry.blockBytes;
}
