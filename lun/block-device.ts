import type { BlockRange, Geometry, MaybePromise } from './units.ts';

export interface WriteOptions {
  /** Force Unit Access: complete only when the data survives power loss (SBC-3 §5.30, FUA). */
  readonly fua: boolean;
  /**
   * All of it survives power loss or none (SBC-4 §4.29). Any other `write` is only that per physical block.
   */
  readonly atomic?: boolean;
}

/** Blocks of a device. */
export interface DeviceRange {
  readonly device: BlockDevice;
  readonly range: BlockRange;
}

/** Blocks as they were at one time, at the addresses that they had; the others of the device mean nothing. */
export interface FrozenBlocks {
  readonly device: BlockDevice;
  /** Nobody reads them any more. */
  release(): Promise<void>;
}

/** A run of logical blocks that are all mapped or all deallocated (SBC-3 §5.6, GET LBA STATUS). */
export interface AllocationRun extends BlockRange {
  readonly mapped: boolean;
}

/**
 * What the SCSI layer sees of a logical unit's blocks. Callers have validated every range
 * (`toRange`); implementations assert it. Every call is one atomic step against concurrent calls
 * on an overlapping range, of this unit and of units that share its blocks.
 *
 * A method that can complete at once returns its value, not a promise. Failures are `StoreError`,
 * thrown or as a rejection. A buffer handed in belongs to the call until it completes.
 */
export interface BlockDevice {
  /** The present form; may be replaced between two commands. */
  readonly geometry: Geometry;
  /** Fills `into`, which holds exactly the range. Blocks never written read as zeroes. */
  read(range: BlockRange, into: Uint8Array): MaybePromise<void>;
  /** Stores `from`, which holds exactly the range. Survives process death once complete. */
  write(range: BlockRange, from: Uint8Array, options: WriteOptions): MaybePromise<void>;
  /** Deallocates all the ranges; they read as zeroes afterwards (LBPRZ). */
  unmap(ranges: readonly BlockRange[], options: WriteOptions): MaybePromise<void>;
  /** Stores one logical block's bytes in every block of the range. */
  writeSame(range: BlockRange, pattern: Uint8Array, options: WriteOptions): MaybePromise<void>;
  /**
   * Compares the range with `expected` and, when all of it is equal, stores `replacement`; both as one
   * atomic step. The offset of the first byte that differs, or undefined when it was stored.
   */
  compareAndWrite(
    range: BlockRange,
    expected: Uint8Array,
    replacement: Uint8Array,
    options: WriteOptions,
  ): MaybePromise<number | undefined>;
  /**
   * Makes the range hold what `from` holds, as long in bytes, where the two devices can share what is stored.
   * False: they cannot, and nothing was done. Where both overlap, the result is as if all had been read
   * first.
   */
  copyFrom?(range: BlockRange, from: DeviceRange, options: WriteOptions): MaybePromise<boolean>;
  /**
   * Keeps what the ranges hold, whatever is written to them afterwards; each of them is as it was at one
   * time. Absent, or undefined: the device cannot.
   */
  freeze?(ranges: readonly BlockRange[]): Promise<FrozenBlocks | undefined>;
  /**
   * When it completes, nothing of what was deallocated or overwritten before is left on the medium, where
   * nothing else has it. Absent: there is nothing to be done for that.
   */
  purge?(): Promise<void>;
  /** Everything completed before this call survives power loss once it completes. */
  flush(): MaybePromise<void>;
  /** The state of the range as runs in order; together they cover it. May stop early after `runsMax` runs. */
  allocation(range: BlockRange, runsMax: number): MaybePromise<readonly AllocationRun[]>;
}
