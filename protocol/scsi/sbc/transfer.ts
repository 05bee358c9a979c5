/**
 * What all block transfers have in common: the range and length checks, and what to do with less
 * data-out than the CDB wants.
 */
import type { WriteOptions } from '../../../lun/block-device.ts';
import type { BlockRange, Blocks, Geometry, Lba } from '../../../lun/units.ts';
import type { DeviceServer } from '../device-server.ts';
import { TRANSFER_BYTES_MAX } from '../limits.ts';
import { checkCondition, type Failure, invalidCdbField, LBA_OUT_OF_RANGE } from '../outcome.ts';
import { Sense } from '../sense.ts';

export function blockRange(lba: number, blocks: number): BlockRange {
  return { lba: lba as Lba, blocks: blocks as Blocks };
}

/**
 * Refuses a range past the end and a length above MAXIMUM TRANSFER LENGTH; `lengthByte` is where the
 * CDB has the length. Zero blocks at the end of the unit are in range.
 */
export function refuseTransfer(
  geometry: Geometry,
  { lba, blocks, lengthByte }: { lba: number; blocks: number; lengthByte: number },
): Failure | undefined {
  if (lba + blocks > geometry.capacityBlocks) return LBA_OUT_OF_RANGE;
  if (blocks * geometry.blockBytes > TRANSFER_BYTES_MAX) return invalidCdbField(lengthByte);
  return undefined;
}

/** Where TRANSFER LENGTH stands, by the length of the CDB. */
export const LENGTH_BYTE = { 6: 4, 10: 7, 12: 6, 16: 10 } as const;

/** Durable at once when the command says so or the write cache is off. */
export function writeOptions(server: DeviceServer, forceUnitAccess: boolean): WriteOptions {
  return forceUnitAccess || !server.modes.writeCacheEnabled ? DURABLE : CACHED;
}

const CACHED: WriteOptions = { fua: false };
const DURABLE: WriteOptions = { fua: true };

/**
 * Data-out ends within a logical block, or a command that is one unit got another amount than it wants.
 * Nothing was written; the residual still counts from what was wanted.
 */
export function wrongDataOut(transferBytes: number): Failure {
  return { ...checkCondition(Sense.INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT), transferBytes };
}
