/**
 * Reads of a unit that begin or end inside a pool block: whole blocks are read and verified, the rest is left
 * out.
 */
import { StoreError } from '../lun/errors.ts';
import type { MaybePromise } from '../lun/units.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { BlockReader } from './reader.ts';
import type { Span } from './span.ts';
import type { View } from './views.ts';

/** Fills `into` with the bytes of the span. */
export function readSpan(reader: BlockReader, view: View, span: Span, into: Uint8Array): MaybePromise<void> {
  const run = { block: span.firstBlock, blocks: span.lastBlock - span.firstBlock + 1 };
  if (span.aligned) return reader.read(view, run, into);
  const whole = new Uint8Array(run.blocks * POOL_BLOCK_BYTES);
  const skipBytes = span.offsetBytes - span.firstBlock * POOL_BLOCK_BYTES;
  const take = (): void => into.set(whole.subarray(skipBytes, skipBytes + span.bytes));
  const refuse = (cause: unknown): never => {
    throw notBefore(cause, span.offsetBytes / view.blockBytes);
  };
  try {
    const done = reader.read(view, run, whole);
    if (done instanceof Promise) return done.then(take, refuse);
  } catch (cause) {
    refuse(cause);
  }
  take();
  return undefined;
}

/**
 * A failure that names a logical block before the first one asked for, because the pool block it is in begins
 * there, names that first one instead (SBC-3 §4.18.1: INFORMATION is of the command's own blocks).
 */
export function notBefore(cause: unknown, firstLba: number): unknown {
  if (!(cause instanceof StoreError) || cause.lba === undefined || cause.lba >= firstLba) return cause;
  return new StoreError(cause.code, cause.message, { cause, lba: firstLba });
}
