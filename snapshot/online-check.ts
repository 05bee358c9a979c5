/**
 * The check of a pool that serves. A checkpoint is taken, and no other begins until the check has ended; so
 * what it reads of the ordered values is the state at one record, and changes no more, while commands go on
 * in memory and in the journal. It judges that state alone. With data, what it reads counts as a running
 * command, so that no place it may still come to is used again. It gives way between portions.
 *
 * What the pool gains meanwhile stays in memory and in the journal. Where that, or the room for new data,
 * reaches a bound, the check is broken off: it must never be what a command waits for.
 */
import { OperatorError } from '../lun/errors.ts';
import { type CheckReport, checkPool } from './check.ts';
import type { Medium } from './medium/medium.ts';
import type { PoolService } from './service.ts';

/** The journal and the changed pages may grow to this many times what begins a checkpoint. */
const GROWTH_MAX = 4;
/** With less than this share of the pool free, places must not be held back. */
const FREE_SHARE_MIN = 1 / 32;

/** Rejects with OperatorError 'busy' where it was broken off. */
export async function checkServing(
  service: PoolService,
  options: { readonly data: boolean },
): Promise<CheckReport> {
  const { environment, epochs } = service.parts;
  const generation = options.data ? epochs.enter() : undefined;
  try {
    return await service.checkpointer.hold(() =>
      checkPool(heldMedium(service, options.data), {
        checksum: (bytes) => environment.checksum(bytes),
        data: options.data,
        dropCaches: false,
      }),
    );
  } finally {
    if (generation !== undefined) epochs.leave(generation);
  }
}

/** The medium as the check may see it: without the journal, in turns, and while the pool can bear it. */
function heldMedium(service: PoolService, data: boolean): Medium {
  const { medium, environment } = service.parts;
  const begunBytes = medium.journal.keptBytes;
  const turn = async (): Promise<void> => {
    await new Promise<void>((resolve) => environment.defer(resolve));
    refuseBurden(service, { begunBytes, data });
  };
  const never = (): never => {
    throw new OperatorError('busy', 'A check changes nothing.');
  };
  return {
    description: medium.description,
    lease: medium.lease,
    journal: {
      appendBytesMax: medium.journal.appendBytesMax,
      segment: medium.journal.segment,
      keptBytes: begunBytes,
      replay: noSegments,
      append: never,
      flush: never,
      beginSegment: never,
      dropBefore: never,
    },
    meta: {
      get: (key) => medium.meta.get(key),
      scan: (range) => turn().then(() => medium.meta.scan(range)),
      commit: never,
    },
    data: {
      capacityBlocks: medium.data.capacityBlocks,
      read: (place, into) => turn().then(() => medium.data.read(place, into)),
      write: never,
      discard: never,
      flush: never,
      grow: never,
    },
    dropCaches: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

function refuseBurden(
  service: PoolService,
  at: { readonly begunBytes: number; readonly data: boolean },
): void {
  const { medium, tables, options, allocator } = service.parts;
  service.gate.check();
  const grown = medium.journal.keptBytes - at.begunBytes > options.checkpointJournalBytes * GROWTH_MAX;
  const dirty = tables.dirtyPages > options.checkpointDirtyPages * GROWTH_MAX;
  const full = at.data && allocator.freeBlocks < allocator.capacityBlocks * FREE_SHARE_MIN;
  if (!grown && !dirty && !full) return;
  const why = full ? 'is nearly full' : 'is written to faster than the check can follow';
  throw new OperatorError(
    'busy',
    `the check was broken off, for the pool ${why}; check it when it is quiet, or offline`,
  );
}

/** The checkpoint has just been taken: what the journal holds beyond it is not judged. */
async function* noSegments(): AsyncGenerator<never> {
  // There is nothing to give.
}
