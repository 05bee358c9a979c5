/**
 * Makes a failing script short: operations are left out, in ever smaller pieces, as long as the rest still
 * fails in the same words, numbers and names aside.
 */
import type { Operation, Script } from './script.ts';

export interface ShrinkOptions {
  /** What went wrong, or undefined when nothing did. */
  readonly failure: (script: Script) => Promise<string | undefined>;
  /** Most runs that may be spent. */
  readonly runsMax: number;
}

export interface Shrunk {
  readonly script: Script;
  readonly failure: string;
}

export async function shrink(failing: Shrunk, { failure, runsMax }: ShrinkOptions): Promise<Shrunk> {
  let best = failing;
  let runs = 0;
  let pieces = 2;
  while (best.script.operations.length > 1 && runs < runsMax) {
    const { operations } = best.script;
    const each = Math.ceil(operations.length / pieces);
    let shorter: Shrunk | undefined;
    for (let from = 0; from < operations.length && shorter === undefined && runs < runsMax; from += each) {
      runs += 1;
      const script = { ...best.script, operations: without(operations, { from, count: each }) };
      const found = await failure(script);
      if (found !== undefined && kindOf(found) === kindOf(failing.failure))
        shorter = { script, failure: found };
    }
    if (shorter !== undefined) {
      best = shorter;
      pieces = Math.max(2, pieces - 1);
    } else if (each === 1) {
      break;
    } else {
      pieces = Math.min(operations.length, pieces * 2);
    }
  }
  return best;
}

function without(
  operations: readonly Operation[],
  { from, count }: { from: number; count: number },
): Operation[] {
  return [...operations.slice(0, from), ...operations.slice(from + count)];
}

/** The first words of a failure, without what differs from run to run. */
function kindOf(failure: string): string {
  return failure.replace(/\d+/g, '0').slice(0, 60);
}
