/** Spans of bytes, locked as the pool blocks that they touch. */
import type { LockRange, RangeLock, Ticket } from './range-lock.ts';
import type { Span } from './span.ts';

/** The ticket, once it is granted. */
export function acquire(lock: RangeLock, ranges: readonly LockRange[], exclusive: boolean): Promise<Ticket> {
  return new Promise((resolve) => {
    const [only] = ranges;
    const ticket =
      only !== undefined && ranges.length === 1
        ? lock.acquire(only.first, only.last, exclusive, resolve)
        : lock.acquireMany(ranges, exclusive, resolve);
    if (ticket !== undefined) resolve(ticket);
  });
}

/** Runs it while nothing changes in the span. */
export async function holding<T>(lock: RangeLock, span: Span, run: () => Promise<T>): Promise<T> {
  const ticket = await acquire(lock, [rangeOf(span)], false);
  try {
    return await run();
  } finally {
    lock.release(ticket);
  }
}

export function rangeOf(span: Span): LockRange {
  return { first: span.firstBlock, last: span.lastBlock };
}

/** The pool blocks of spans in order; two spans may share one. */
export function lockRangesOf(spans: readonly Span[]): LockRange[] {
  const ranges: Array<{ first: number; last: number }> = [];
  for (const { firstBlock, lastBlock } of spans) {
    const previous = ranges[ranges.length - 1];
    if (previous !== undefined && firstBlock <= previous.last) previous.last = lastBlock;
    else ranges.push({ first: firstBlock, last: lastBlock });
  }
  return ranges;
}
