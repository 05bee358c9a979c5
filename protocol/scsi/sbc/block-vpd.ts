/** The VPD pages of block devices (SBC-3 §6.6): what the limits of this target mean in logical blocks. */
import type { LogicalUnit } from '../../../lun/logical-unit.ts';
import {
  ATOMIC_BYTES_MAX,
  COMPARE_AND_WRITE_BLOCKS_MAX,
  PHYSICAL_BLOCK_BYTES,
  THRESHOLD_SET_BYTES,
  TRANSFER_BYTES_MAX,
  TRANSFER_BYTES_OPTIMAL,
  UNMAP_BLOCKS_MAX,
  UNMAP_DESCRIPTORS_MAX,
  WRITE_SAME_BYTES_MAX,
} from '../limits.ts';
import { viewOf } from '../parameter-data.ts';

const PAGE_BODY_BYTES = 60;
/** UGAVALID: the unmap granularity alignment, zero, is valid. */
const ALIGNMENT_VALID = 0x80000000;

/** Block Limits, B0h (SBC-3 §6.6.4). Offsets of the standard count from the page's header of four bytes. */
export function blockLimits({ device, thin }: LogicalUnit): Uint8Array {
  const { blockBytes } = device.geometry;
  const body = new Uint8Array(PAGE_BODY_BYTES);
  const view = viewOf(body);
  const blocksPerGranule = PHYSICAL_BLOCK_BYTES / blockBytes;
  body[5 - 4] = COMPARE_AND_WRITE_BLOCKS_MAX;
  view.setUint16(6 - 4, blocksPerGranule);
  view.setUint32(8 - 4, TRANSFER_BYTES_MAX / blockBytes);
  view.setUint32(12 - 4, TRANSFER_BYTES_OPTIMAL / blockBytes);
  if (thin) {
    view.setUint32(20 - 4, UNMAP_BLOCKS_MAX);
    view.setUint32(24 - 4, UNMAP_DESCRIPTORS_MAX);
    view.setUint32(28 - 4, blocksPerGranule);
    view.setUint32(32 - 4, ALIGNMENT_VALID);
  }
  view.setBigUint64(36 - 4, BigInt(WRITE_SAME_BYTES_MAX / blockBytes));
  view.setUint32(44 - 4, ATOMIC_BYTES_MAX / blockBytes);
  // ATOMIC ALIGNMENT and ATOMIC TRANSFER LENGTH GRANULARITY: whole physical blocks. Without boundaries.
  view.setUint32(48 - 4, blocksPerGranule);
  view.setUint32(52 - 4, blocksPerGranule);
  return body;
}

const NON_ROTATING_MEDIUM = 0x0001;
/** WABEREQ 01b: blocks read as zeroes after SANITIZE, BLOCK ERASE. */
const READ_AFTER_BLOCK_ERASE = 0x40;

/** Block Device Characteristics, B1h (SBC-3 §6.6.3). */
export function blockDeviceCharacteristics(): Uint8Array {
  const body = new Uint8Array(PAGE_BODY_BYTES);
  viewOf(body).setUint16(0, NON_ROTATING_MEDIUM);
  body[7 - 4] = READ_AFTER_BLOCK_ERASE;
  return body;
}

/** LBPU, LBPWS, LBPWS10 and LBPRZ: UNMAP and both WRITE SAME unmap, and unmapped blocks read as zeroes. */
const PROVISIONING_BITS = 0x80 | 0x40 | 0x20 | 0x04;
const THIN_PROVISIONED = 0x02;

/** Logical Block Provisioning, B2h (SBC-3 §6.6.5). */
export function logicalBlockProvisioning({ thin, device, availableBytes }: LogicalUnit): Uint8Array {
  if (!thin) return new Uint8Array(4);
  const blocks = THRESHOLD_SET_BYTES / device.geometry.blockBytes;
  const thresholdExponent = availableBytes === undefined ? 0 : Math.log2(blocks);
  return Uint8Array.of(thresholdExponent, PROVISIONING_BITS, THIN_PROVISIONED, 0);
}
