/** A command that was given to the pool, and what has become of it. */
import type { Restructuring } from './model.ts';
import type { Piece } from './pieces.ts';

/** Sectors of a VLUN, or of a snapshot. */
export interface CopySource {
  readonly vlun: string;
  readonly snapshot?: string;
  readonly firstSector: number;
}

/** Moments count issues and ends of commands over the whole run. */
export interface Command {
  readonly id: number;
  readonly what: string;
  readonly issuedAt: number;
  /** Pieces that it changes, and of which VLUN. */
  readonly vlun?: string;
  readonly pieces: readonly Piece[];
  /** A copy: where its only piece comes from; the stamps of that are known when their records come. */
  readonly copied?: CopySource;
  /**
   * What the source held at the first record, or when deleted: nobody changes it while it is copied. Several
   * where another command's record may have been the first, and none of its own has told them apart yet.
   */
  sources?: readonly Uint32Array[];
  /** What it held at records that may have been the first, or another command's. */
  maybeSources?: readonly Uint32Array[];
  /** What COMPARE AND WRITE wants to find, and whether all of a command must be one record. */
  readonly expected?: Uint32Array;
  readonly atomic?: boolean;
  /** What a structural verb does to the model; any pieces are records that come before that. */
  readonly restructure?: Restructuring;
  restructured: boolean;
  ended?: { readonly at: number; readonly good: boolean };
  /** Of its last record. */
  sequence: number;
  records: number;
  /** How many of them began at this pool block of its VLUN, those in doubt left out. */
  readonly recordsOf: Map<number, number>;
}

/**
 * The newest change of a region is by a command of which some records are still to come: no moment for a
 * reader.
 */
export function torn(command: Command, newest: boolean): boolean {
  // Of a copy nobody knows here which records are still to come.
  if (!newest || command.ended !== undefined || command.copied !== undefined) return false;
  const uncovered = command.pieces.some(({ covered }) => covered.includes(0));
  return uncovered && command.pieces.some(({ stamps }) => stamps.some((stamp) => stamp !== 0));
}
