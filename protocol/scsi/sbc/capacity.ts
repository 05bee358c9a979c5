import { bit, u32, u64 } from 'node-iscsi-pdu/fields';
import { lastLba } from '../../../lun/units.ts';
import { command } from '../command.ts';
import { PHYSICAL_BLOCK_BYTES } from '../limits.ts';
import { good, invalidCdbField, truncated } from '../outcome.ts';
import { concatenated, u32Bytes, viewOf } from '../parameter-data.ts';

/** RETURNED LOGICAL BLOCK ADDRESS when the last one does not fit: ask READ CAPACITY(16). */
const TOO_LARGE_FOR_10 = 0xffffffff;

export const READ_CAPACITY_10 = command({
  name: 'READ CAPACITY(10)',
  opcode: 0x25,
  cite: 'SBC-3 §5.15',
  cdbBytes: 10,
  cdb: { lba: u32(2), partialMediumIndicator: bit(8, 0) },
  needsMedium: true,
  writes: false,
  reserved: 'allowed',
  reserved6: 'allowed',
  run({ server }, { lba, partialMediumIndicator }) {
    if (lba !== 0 && !partialMediumIndicator) return invalidCdbField(2);
    const { geometry } = server.device;
    const last = Math.min(lastLba(geometry), TOO_LARGE_FOR_10);
    return good(concatenated(u32Bytes(last), u32Bytes(geometry.blockBytes)));
  },
});

const READ_CAPACITY_16_BYTES = 32;
/** LBPME and LBPRZ in byte 14: thin, and unmapped blocks read as zeroes. */
const THIN_READS_ZEROES = 0xc0;

export const READ_CAPACITY_16 = command({
  name: 'READ CAPACITY(16)',
  opcode: 0x9e,
  serviceAction: 0x10,
  cite: 'SBC-3 §5.16',
  cdbBytes: 16,
  cdb: { lba: u64(2), allocationLength: u32(10), partialMediumIndicator: bit(14, 0) },
  needsMedium: true,
  writes: false,
  reserved: 'allowed',
  reserved6: 'allowed',
  run({ server }, { lba, allocationLength, partialMediumIndicator }) {
    if (lba !== 0n && !partialMediumIndicator) return invalidCdbField(2);
    const { geometry } = server.device;
    const data = new Uint8Array(READ_CAPACITY_16_BYTES);
    const view = viewOf(data);
    view.setBigUint64(0, BigInt(lastLba(geometry)));
    view.setUint32(8, geometry.blockBytes);
    // LOGICAL BLOCKS PER PHYSICAL BLOCK EXPONENT: the physical block is the pool's.
    data[13] = Math.log2(PHYSICAL_BLOCK_BYTES / geometry.blockBytes);
    if (server.unit.thin) data[14] = THIN_READS_ZEROES;
    return truncated(data, allocationLength);
  },
});
