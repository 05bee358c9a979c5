/**
 * The commands that are about more than the blocks of one VLUN: growing the pool, the check and the scrub
 * beside what is served, and what differs between two snapshots.
 */
import { OperatorError } from '../../lun/errors.ts';
import { POOL_BLOCK_BYTES } from '../../snapshot/medium/medium.ts';
import { SECTOR_BYTES } from './content.ts';
import { Disagreement } from './disagreement.ts';
import { type ModelSnapshot, snapshotKey } from './model.ts';
import type { Operation } from './script.ts';
import type { Stage } from './stage.ts';

type On<K extends Operation['do']> = Extract<Operation, { do: K }>;

function refused(error: unknown, codes: readonly string[]): boolean {
  return error instanceof OperatorError && codes.includes(error.code);
}

export function grow(stage: Stage, { blocks }: On<'grow'>): void {
  const { pool, history } = stage;
  const capacityBlocks = pool.status().capacityBytes / POOL_BLOCK_BYTES + blocks;
  const command = history.issue({ what: `grow the pool to ${capacityBlocks} blocks` });
  stage.track({
    command,
    call: () => pool.grow(capacityBlocks),
    good: () => {
      history.abandon(command);
      if (pool.status().capacityBytes >= capacityBlocks * POOL_BLOCK_BYTES) return;
      throw new Disagreement(`${command.what} came back good, and it is smaller`);
    },
    // Another one may have made it larger meanwhile.
    mayFail: (error) => refused(error, ['bad-size']),
  });
}

/** The check of the pool while it serves: it may give way, but what it says has to be that all is well. */
export function checkOnline(stage: Stage, { data }: On<'check'>): void {
  const { pool, history } = stage;
  const command = history.issue({ what: 'check beside the server' });
  stage.track({
    command,
    call: () => pool.check({ data }),
    good: (report) => {
      history.abandon(command);
      if (!report.ok) throw new Disagreement(`${command.what}: ${report.errors.slice(0, 5).join('; ')}`);
    },
    mayFail: (error) => refused(error, ['busy']),
  });
}

/** Everything read and compared beside the server. What it finds it reports as a fact, and that is judged. */
export function scrub(stage: Stage): void {
  const { pool, history } = stage;
  const command = history.issue({ what: 'scrub' });
  stage.track({
    command,
    call: () => pool.scrub(),
    good: ({ state }) => {
      history.abandon(command);
      // A pool that fails stops its scrub.
      if (state !== 'done' && pool.state === 'serving')
        throw new Disagreement(`${command.what} came back ${state}`);
    },
    mayFail: (error) => refused(error, ['busy']),
  });
}

/** Every sector that differs between two snapshots lies in a range that `diff` names, and none past the end. */
export function diff(stage: Stage, operation: On<'diff'>): void {
  const { pool, history } = stage;
  const { vlun, from, to } = operation;
  const { snapshots } = history.head;
  const newer = snapshots.get(snapshotKey(vlun, to));
  const older = from === undefined ? undefined : snapshots.get(snapshotKey(vlun, from));
  if (newer === undefined || (from !== undefined && older === undefined)) return;
  const request = { to: snapshotKey(vlun, to), ...(from && { from: snapshotKey(vlun, from) }) };
  const command = history.issue({ what: `diff ${request.from ?? 'nothing'} ${request.to}` });
  stage.track({
    command,
    call: () => pool.diff(request),
    good: ({ ranges }) => {
      history.abandon(command);
      const there = [request.to, ...(from ? [snapshotKey(vlun, from)] : [])];
      if (there.some((key) => !history.head.snapshots.has(key))) return;
      const missed = firstMissed({ newer, older }, ranges);
      if (missed !== undefined) throw new Disagreement(`${command.what} leaves out sector ${missed}`);
    },
    // One of the two was deleted before its turn came.
    mayFail: (error) => refused(error, ['not-found']),
  });
}

function firstMissed(
  { newer, older }: { newer: ModelSnapshot; older: ModelSnapshot | undefined },
  ranges: ReadonlyArray<{ readonly offsetBytes: number; readonly lengthBytes: number }>,
): number | undefined {
  const sectors = Math.max(newer.sectors, older?.sectors ?? 0);
  const named = new Uint8Array(sectors);
  for (const { offsetBytes, lengthBytes } of ranges) {
    named.fill(1, offsetBytes / SECTOR_BYTES, (offsetBytes + lengthBytes) / SECTOR_BYTES);
  }
  for (let at = 0; at < sectors; at += 1) {
    if (stampAt(newer, at) !== stampAt(older, at) && named[at] === 0) return at;
  }
  return undefined;
}

function stampAt(snapshot: ModelSnapshot | undefined, sector: number): number {
  if (snapshot === undefined || sector >= snapshot.sectors) return 0;
  return snapshot.stamps[sector] as number;
}
