/** Copies inside the pool, by reference where blocks allow it. */
import { copyBlocks } from '../../lun/copy-blocks.ts';
import type { BlockRange } from '../../lun/units.ts';
import { SECTOR_BYTES } from './content.ts';
import { change, rangeOf, shown, type Target, targetOf } from './data-commands.ts';
import { piece, SECTORS_PER_POOL_BLOCK } from './pieces.ts';
import type { Operation } from './script.ts';
import type { Stage } from './stage.ts';

export function copy(stage: Stage, operation: Extract<Operation, { do: 'copy' }>): void {
  const { vlun: name, from, snapshot, fua } = operation;
  const target = targetOf(stage, name);
  const source = sourceDevice(stage, from, snapshot);
  if (target === undefined || source === undefined) return;
  const bytesEach = Math.max(target.vlun.blockBytes, source.geometry.blockBytes);
  const to = rangeOf(target, operation.range);
  const wanted = rangeOf({ device: source }, { at: operation.at, blocks: Number.MAX_SAFE_INTEGER });
  const toBytesMax =
    Math.min((to.lba + to.blocks) * target.vlun.blockBytes, from === name ? Infinity : wholeBytes(target)) -
    to.lba * target.vlun.blockBytes;
  const bytesMax = Math.min(toBytesMax, wanted.blocks * source.geometry.blockBytes);
  const bytes = Math.floor(bytesMax / bytesEach) * bytesEach;
  if (bytes <= 0) return;
  const range = { lba: to.lba, blocks: bytes / target.vlun.blockBytes } as BlockRange;
  const sourceRange = { lba: wanted.lba, blocks: bytes / source.geometry.blockBytes } as BlockRange;
  const label = snapshot === undefined ? from : `${from}@${snapshot}`;
  change(stage, target, {
    what: `copy${fua ? ' fua' : ''} ${shown(label, sourceRange)} to ${shown(name, range)}`,
    pieces: [piece(range.lba * target.sectorsEach, new Uint32Array(bytes / SECTOR_BYTES))],
    copied: {
      vlun: from,
      firstSector: (sourceRange.lba * source.geometry.blockBytes) / SECTOR_BYTES,
      ...(snapshot !== undefined && { snapshot }),
    },
    fua,
    call: () => copyBlocks({ device: target.device, range }, { device: source, range: sourceRange }, { fua }),
    buffers: [],
  });
}

/**
 * Up to the last whole pool block: of one that goes past the end the model sees no sums. Commands on one unit
 * keep their order, but a copy may wait for its source, and a record of that block could be anybody's.
 */
function wholeBytes({ vlun }: Target): number {
  return Math.floor(vlun.sectors / SECTORS_PER_POOL_BLOCK) * SECTORS_PER_POOL_BLOCK * SECTOR_BYTES;
}

function sourceDevice(stage: Stage, vlun: string, snapshot: string | undefined) {
  if (snapshot === undefined) return targetOf(stage, vlun)?.device;
  // Its deletion may stand in the journal already while the pool still has it.
  const there = stage.history.head.sourceOf({ vlun, snapshot }) !== undefined;
  if (
    !there ||
    stage.pool.info(vlun) === undefined ||
    !stage.pool.snapshots(vlun).some(({ name }) => name === snapshot)
  )
    return undefined;
  return stage.pool.snapshotUnit(vlun, snapshot).device;
}
