/**
 * What a simulated run does: a world and a list of operations, made from a seed alone and printable as JSON.
 * An operation that makes no sense where it comes (its VLUN does not exist, say) is passed over, so any part
 * of a script is a script: that is how a failing one is shrunk.
 */
import type { Operation as MediumOperation } from '../../snapshot/medium/fault-plan.ts';
import type { PoolOptions } from '../../snapshot/pool-types.ts';

/** The form of the medium and the bounds of the pool. */
export interface World {
  readonly capacityBlocks: number;
  readonly journalSegmentBytes: number;
  /** How likely a call of the medium completes at once; 1: the pool never waits. */
  readonly atOnceChance: number;
  /** Data blocks that find room on the device, where that is less than the capacity. */
  readonly spaceBlocks?: number;
  /** Slow calls of the medium outlast timers. */
  readonly patient?: boolean;
  /** Commands in flight at most. */
  readonly depth: number;
  readonly options: Partial<PoolOptions>;
}

/** For scripts to which the bounds of the pool do not matter. */
export const PLAIN_WORLD: World = {
  capacityBlocks: 6000,
  journalSegmentBytes: 65536,
  atOnceChance: 0.5,
  depth: 16,
  options: {},
};

/** What a VLUN and a write are in scripts that are about something else. */
export const PLAIN_VLUN = { blockBytes: 512, writeCache: true } as const;
export const PLAIN_WRITE = { do: 'write', fua: false, atomic: false } as const;

/** `at` and `blocks` are logical blocks; they are taken modulo the capacity of the VLUN that is met. */
export interface Range {
  readonly at: number;
  readonly blocks: number;
}

export type Operation =
  | {
      readonly do: 'create';
      readonly vlun: string;
      readonly sectors: number;
      readonly blockBytes: 512 | 4096;
      readonly writeCache: boolean;
    }
  | { readonly do: 'read'; readonly vlun: string; readonly range: Range }
  | { readonly do: 'read-snapshot'; readonly vlun: string; readonly snapshot: string; readonly range: Range }
  | {
      readonly do: 'write';
      readonly vlun: string;
      readonly range: Range;
      readonly fua: boolean;
      readonly atomic: boolean;
    }
  | {
      readonly do: 'write-same';
      readonly vlun: string;
      readonly range: Range;
      readonly zero: boolean;
      readonly fua: boolean;
    }
  | { readonly do: 'unmap'; readonly vlun: string; readonly ranges: readonly Range[] }
  | {
      readonly do: 'compare-and-write';
      readonly vlun: string;
      readonly range: Range;
      readonly match: boolean;
      readonly fua: boolean;
    }
  /** As many blocks from `at` on, of VLUN `from` or of its snapshot, go to the range. */
  | {
      readonly do: 'copy';
      readonly vlun: string;
      readonly range: Range;
      readonly from: string;
      readonly snapshot?: string;
      readonly at: number;
      readonly fua: boolean;
    }
  | { readonly do: 'flush'; readonly vlun: string }
  | {
      readonly do: 'snapshot';
      readonly targets: ReadonlyArray<{ readonly vlun: string; readonly snapshot: string }>;
    }
  | { readonly do: 'delete-snapshot'; readonly vlun: string; readonly snapshot: string }
  | { readonly do: 'clone'; readonly vlun: string; readonly snapshot: string; readonly newName: string }
  | { readonly do: 'rollback'; readonly vlun: string; readonly snapshot: string }
  | { readonly do: 'preserve'; readonly vlun: string; readonly newName: string }
  | { readonly do: 'release'; readonly vlun: string }
  | { readonly do: 'resize'; readonly vlun: string; readonly sectors: number }
  | { readonly do: 'delete'; readonly vlun: string }
  | { readonly do: 'document'; readonly name: string; readonly value: number | undefined }
  | { readonly do: 'diff'; readonly vlun: string; readonly from?: string; readonly to: string }
  /** By so many pool blocks. */
  | { readonly do: 'grow'; readonly blocks: number }
  /** The independent check beside what is served. */
  | { readonly do: 'check'; readonly data: boolean }
  | { readonly do: 'scrub' }
  | { readonly do: 'checkpoint' }
  /** Lets this many events happen. */
  | { readonly do: 'run'; readonly events: number }
  /** Waits for everything, then compares everything. */
  | { readonly do: 'settle' }
  /** The same, then closes the pool, checks it and opens it again. */
  | { readonly do: 'reopen' }
  | { readonly do: 'kill' }
  | { readonly do: 'power-cut' }
  /** The next opening is itself ended this way after so many events. */
  | { readonly do: 'crash-opening'; readonly how: 'kill' | 'power-cut'; readonly events: number }
  /** The call of this kind that comes after `skip` others fails. */
  | {
      readonly do: 'fault';
      readonly on: MediumOperation;
      readonly skip: number;
      readonly how: 'error' | 'no-space' | 'short';
    };

export interface Script {
  readonly seed: number;
  readonly world: World;
  readonly operations: readonly Operation[];
}
