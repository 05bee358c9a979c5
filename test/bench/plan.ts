/** What the measuring process and its load generators say to each other. */
import type { Case } from './cases.ts';
import type { TimelineParts } from './timeline.ts';
import type { Address } from './wire.ts';

export interface Plan {
  readonly address: Address;
  /** Without a target's name the server is the bare one, which wants no login. */
  readonly target: string | undefined;
  /** The unit that all sessions share, or one for each session. */
  readonly luns: readonly number[];
  /** What is written is zeroes, for a target that drops it. */
  readonly zeroes?: boolean;
  /** With CRC32C digests of headers and data. Those that come are passed over, not checked. */
  readonly digests?: boolean;
  /** A write that ends with CHECK CONDITION counts, and is not tried again: the unit was rolled back. */
  readonly attentions?: boolean;
  readonly pattern: Case;
  /** Which of the pattern's sessions this generator holds, counted from 0. */
  readonly sessions: readonly number[];
  /** Bytes from the beginning of the unit that are in play, over all sessions. */
  readonly spanBytes: number;
  readonly seed: number;
}

export type Order =
  | { readonly say: 'open'; readonly plan: Plan }
  | { readonly say: 'run'; readonly durationMs: number; readonly commandsMax: number }
  | { readonly say: 'close' };

/** What one generator counted in one run. */
export interface Tally {
  readonly commands: number;
  readonly elapsedMs: number;
  /** Processor time of the generator itself, user and system. */
  readonly processorMs: number;
  readonly latencyCounts: readonly number[];
  readonly timeline: TimelineParts;
}

export type Report =
  | { readonly say: 'done' }
  | { readonly say: 'ran'; readonly tally: Tally }
  | { readonly say: 'failed'; readonly why: string };
