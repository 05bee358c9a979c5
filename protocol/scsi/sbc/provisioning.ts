/** Commands that give blocks back or ask which are stored: UNMAP and GET LBA STATUS. */
import { bit } from 'node-iscsi-pdu/fields';
import type { LogicalUnit } from '../../../lun/logical-unit.ts';
import type { BlockRange, Geometry, MaybePromise } from '../../../lun/units.ts';
import { command } from '../command.ts';
import { LBA_STATUS_DESCRIPTORS_MAX, UNMAP_BLOCKS_MAX, UNMAP_DESCRIPTORS_MAX } from '../limits.ts';
import {
  DONE,
  type Failure,
  invalidParameter,
  LBA_OUT_OF_RANGE,
  type Outcome,
  PARAMETER_LIST_LENGTH_ERROR,
  received,
  truncated,
} from '../outcome.ts';
import { concatenated, u32Bytes, u64Bytes, viewOf } from '../parameter-data.ts';
import { LBA_STATUS_LAYOUT, UNMAP_LAYOUT } from './cdb.ts';
import { blockRange, writeOptions } from './transfer.ts';

const isThin = ({ thin }: LogicalUnit): boolean => thin;

const UNMAP_HEADER_BYTES = 8;
const UNMAP_DESCRIPTOR_BYTES = 16;
/** There are no anchored blocks (ANC_SUP is zero). */
const ANCHOR_BIT = { anchor: bit(1, 0) };

/**
 * UNMAP (SBC-3 §5.30). A list that ends within a descriptor, or says more than was sent, loses only
 * that tail.
 */
export const UNMAP = command({
  name: 'UNMAP',
  opcode: 0x42,
  cite: 'SBC-3 §5.30',
  cdbBytes: 10,
  cdb: UNMAP_LAYOUT,
  refused: ANCHOR_BIT,
  needsMedium: true,
  writes: true,
  reserved: 'write',
  reserved6: 'conflict',
  available: isThin,
  run({ server, task }, { parameterListLength }): MaybePromise<Outcome> {
    if (parameterListLength === 0) return DONE;
    const list = task.dataOut.subarray(0, parameterListLength);
    if (list.byteLength < UNMAP_HEADER_BYTES) return PARAMETER_LIST_LENGTH_ERROR;
    const ranges = unmapRanges(list, server.device.geometry);
    if (!Array.isArray(ranges)) return ranges as Failure;
    const result = received(parameterListLength);
    if (ranges.length === 0) return result;
    const unmapping = server.device.unmap(ranges, writeOptions(server, false));
    return unmapping instanceof Promise ? unmapping.then(() => result) : result;
  },
});

function unmapRanges(list: Uint8Array, geometry: Geometry): BlockRange[] | Failure {
  const view = viewOf(list);
  const stated = view.getUint16(2);
  const present = list.byteLength - UNMAP_HEADER_BYTES;
  const descriptors = Math.floor(Math.min(stated, present) / UNMAP_DESCRIPTOR_BYTES);
  if (descriptors > UNMAP_DESCRIPTORS_MAX) return invalidParameter(2);
  const ranges: BlockRange[] = [];
  let blocksOfAll = 0;
  for (let i = 0; i < descriptors; i += 1) {
    const at = UNMAP_HEADER_BYTES + i * UNMAP_DESCRIPTOR_BYTES;
    const lba = Number(view.getBigUint64(at));
    const blocks = view.getUint32(at + 8);
    if (lba + blocks > geometry.capacityBlocks) return LBA_OUT_OF_RANGE;
    blocksOfAll += blocks;
    if (blocksOfAll > UNMAP_BLOCKS_MAX) return invalidParameter(at + 8);
    if (blocks > 0) ranges.push(blockRange(lba, blocks));
  }
  return ranges;
}

const LBA_STATUS_HEADER_BYTES = 8;
const LBA_STATUS_DESCRIPTOR_BYTES = 16;
/** PROVISIONING STATUS (SBC-3 Table 42). */
const ProvisioningStatus = { MAPPED: 0, DEALLOCATED: 1 } as const;

/** GET LBA STATUS (SBC-3 §5.5). A unit that is not thin has every block mapped. */
export const GET_LBA_STATUS = command({
  name: 'GET LBA STATUS',
  opcode: 0x9e,
  serviceAction: 0x12,
  cite: 'SBC-3 §5.5',
  cdbBytes: 16,
  cdb: LBA_STATUS_LAYOUT,
  needsMedium: true,
  writes: false,
  reserved: 'read',
  reserved6: 'conflict',
  run({ server }, { startingLba, allocationLength }): MaybePromise<Outcome> {
    const { capacityBlocks } = server.device.geometry;
    const first = Number(startingLba);
    if (first >= capacityBlocks) return LBA_OUT_OF_RANGE;
    const room = Math.floor((allocationLength - LBA_STATUS_HEADER_BYTES) / LBA_STATUS_DESCRIPTOR_BYTES);
    const runsMax = Math.min(Math.max(room, 1), LBA_STATUS_DESCRIPTORS_MAX);
    const rest = blockRange(first, Math.min(capacityBlocks - first, 0xffffffff));
    const answer = (runs: readonly { lba: number; blocks: number; mapped: boolean }[]): Outcome =>
      truncated(statusList(runs.slice(0, runsMax)), allocationLength);
    if (!server.unit.thin) return answer([{ ...rest, mapped: true }]);
    const looking = server.device.allocation(rest, runsMax);
    return looking instanceof Promise ? looking.then(answer) : answer(looking);
  },
});

function statusList(runs: readonly { lba: number; blocks: number; mapped: boolean }[]): Uint8Array {
  const descriptors = runs.map(({ lba, blocks, mapped }) => {
    const status = mapped ? ProvisioningStatus.MAPPED : ProvisioningStatus.DEALLOCATED;
    return concatenated(u64Bytes(lba), u32Bytes(blocks), Uint8Array.of(status, 0, 0, 0));
  });
  // PARAMETER DATA LENGTH counts what follows itself.
  const length = LBA_STATUS_HEADER_BYTES - 4 + descriptors.length * LBA_STATUS_DESCRIPTOR_BYTES;
  return concatenated(u32Bytes(length), u32Bytes(0), ...descriptors);
}
