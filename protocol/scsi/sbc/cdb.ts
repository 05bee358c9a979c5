/**
 * Layouts that block commands share (SBC-3 §5), and the hand-read fields of the hot ones. LBAs of
 * eight bytes become numbers here: a number loses low bits above 2^53, but such an LBA lies past the
 * end of every unit and rounding cannot bring it back.
 */
import { bit, bits, u8, u16, u32, u64 } from 'node-iscsi-pdu/fields';

const group = { groupNumber: bits(6, 4, 0) };
const groupOf12 = { groupNumber: bits(10, 4, 0) };
const groupOf16 = { groupNumber: bits(14, 4, 0) };

/** RDPROTECT, WRPROTECT, VRPROTECT or ORPROTECT: there is no protection information here. */
export const PROTECTION = { protect: bits(1, 7, 5) };

/** READ(6) and WRITE(6). */
export const TRANSFER_6 = { logicalBlockAddressHigh: bits(1, 4, 0), lba: u16(2), transferLength: u8(4) };

/** FUA_NV is obsolete but still sent; the cache is never non-volatile, so it changes nothing. */
export const ACCESS = {
  disablePageOut: bit(1, 4),
  forceUnitAccess: bit(1, 3),
  forceUnitAccessNonVolatile: bit(1, 1),
};

export const TRANSFER_10 = { ...ACCESS, lba: u32(2), ...group, transferLength: u16(7) };
export const TRANSFER_12 = { ...ACCESS, lba: u32(2), transferLength: u32(6), ...groupOf12 };
export const TRANSFER_16 = { ...ACCESS, lba: u64(2), transferLength: u32(10), ...groupOf16 };

/** VERIFY and WRITE AND VERIFY. */
const verify = { disablePageOut: bit(1, 4), byteCheck: bits(1, 2, 1) };

export const VERIFY_LAYOUT_10 = { ...verify, lba: u32(2), ...group, verificationLength: u16(7) };
export const VERIFY_LAYOUT_12 = { ...verify, lba: u32(2), verificationLength: u32(6), ...groupOf12 };
export const VERIFY_LAYOUT_16 = { ...verify, lba: u64(2), verificationLength: u32(10), ...groupOf16 };

/** PRE-FETCH and SYNCHRONIZE CACHE. SYNC_NV is obsolete but still sent. */
const cache = { syncNonVolatile: bit(1, 2), immediate: bit(1, 1) };

export const SYNCHRONIZE_10 = { ...cache, lba: u32(2), ...group, blocks: u16(7) };
export const SYNCHRONIZE_16 = { ...cache, lba: u64(2), blocks: u32(10), ...groupOf16 };
export const PRE_FETCH_LAYOUT_10 = { immediate: bit(1, 1), lba: u32(2), ...group, blocks: u16(7) };
export const PRE_FETCH_LAYOUT_16 = { immediate: bit(1, 1), lba: u64(2), blocks: u32(10), ...groupOf16 };

/** ANCHOR is not here: there are no anchored blocks. */
const writeSame = { unmap: bit(1, 3) };

export const WRITE_SAME_LAYOUT_10 = { ...writeSame, lba: u32(2), ...group, blocks: u16(7) };
export const WRITE_SAME_LAYOUT_16 = {
  ...writeSame,
  noDataOutBuffer: bit(1, 0),
  lba: u64(2),
  blocks: u32(10),
  ...groupOf16,
};

export const COMPARE_AND_WRITE_LAYOUT = { ...ACCESS, lba: u64(2), blocks: u8(13), ...groupOf16 };
export const ORWRITE_LAYOUT = TRANSFER_16;
export const UNMAP_LAYOUT = { ...group, parameterListLength: u16(7) };
export const LBA_STATUS_LAYOUT = { startingLba: u64(2), allocationLength: u32(10) };

const FORCE_UNIT_ACCESS = 0x08;
/** TRANSFER LENGTH 0 of READ(6) and WRITE(6). */
const BLOCKS_OF_ZERO_6 = 256;

export function hasForceUnitAccess(cdb: Uint8Array): boolean {
  return ((cdb[1] as number) & FORCE_UNIT_ACCESS) !== 0;
}

export function u16At(cdb: Uint8Array, at: number): number {
  return ((cdb[at] as number) << 8) | (cdb[at + 1] as number);
}

export function u32At(cdb: Uint8Array, at: number): number {
  return (cdb[at] as number) * 0x1000000 + (((cdb[at + 1] as number) << 16) | u16At(cdb, at + 2));
}

/** Where a transfer begins and how long it is, by the length of the CDB. */
export interface TransferReader {
  lba(cdb: Uint8Array): number;
  blocks(cdb: Uint8Array): number;
}

export const CDB_6_FIELDS: TransferReader = {
  lba: (cdb) => (((cdb[1] as number) & 0x1f) << 16) | u16At(cdb, 2),
  blocks: (cdb) => (cdb[4] === 0 ? BLOCKS_OF_ZERO_6 : (cdb[4] as number)),
};
export const CDB_10_FIELDS: TransferReader = { lba: (cdb) => u32At(cdb, 2), blocks: (cdb) => u16At(cdb, 7) };
export const CDB_12_FIELDS: TransferReader = { lba: (cdb) => u32At(cdb, 2), blocks: (cdb) => u32At(cdb, 6) };
export const CDB_16_FIELDS: TransferReader = {
  lba: (cdb) => u32At(cdb, 2) * 0x100000000 + u32At(cdb, 6),
  blocks: (cdb) => u32At(cdb, 10),
};
