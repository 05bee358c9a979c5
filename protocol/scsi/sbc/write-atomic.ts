/**
 * WRITE ATOMIC(16) (SBC-4 §5.50): all of the blocks or none, for readers and after power loss alike. It is
 * one journal record of whole physical blocks, which is why it must begin and end where those do. A shorter
 * data-out than the CDB asks for is refused, as half of an atomic write is none.
 */
import { bits, u16, u64 } from 'node-iscsi-pdu/fields';
import type { WriteOptions } from '../../../lun/block-device.ts';
import type { MaybePromise } from '../../../lun/units.ts';
import { command } from '../command.ts';
import { ATOMIC_BYTES_MAX, PHYSICAL_BLOCK_BYTES } from '../limits.ts';
import { DONE, invalidCdbField, LBA_OUT_OF_RANGE, type Outcome, received } from '../outcome.ts';
import { ACCESS, PROTECTION } from './cdb.ts';
import { blockRange, writeOptions, wrongDataOut } from './transfer.ts';

const LBA_BYTE = 2;
const TRANSFER_LENGTH_BYTE = 12;

const CACHED: WriteOptions = { fua: false, atomic: true };
const DURABLE: WriteOptions = { fua: true, atomic: true };

export const WRITE_ATOMIC_16 = command({
  name: 'WRITE ATOMIC(16)',
  opcode: 0x9c,
  cite: 'SBC-4 §5.50',
  cdbBytes: 16,
  cdb: { ...ACCESS, lba: u64(2), transferLength: u16(12), groupNumber: bits(14, 4, 0) },
  // MAXIMUM ATOMIC BOUNDARY SIZE is zero: no boundaries.
  refused: { ...PROTECTION, atomicBoundary: u16(10) },
  needsMedium: true,
  writes: true,
  reserved: 'write',
  reserved6: 'conflict',
  transfers: 'write',
  run({ server, task }, { lba, transferLength, forceUnitAccess }): MaybePromise<Outcome> {
    const { geometry } = server.device;
    const first = Number(lba);
    if (first + transferLength > geometry.capacityBlocks) return LBA_OUT_OF_RANGE;
    const granule = PHYSICAL_BLOCK_BYTES / geometry.blockBytes;
    if (first % granule !== 0) return invalidCdbField(LBA_BYTE);
    const transferBytes = transferLength * geometry.blockBytes;
    if (transferLength % granule !== 0 || transferBytes > ATOMIC_BYTES_MAX)
      return invalidCdbField(TRANSFER_LENGTH_BYTE);
    if (transferLength === 0) return DONE;
    if (task.dataOut.byteLength < transferBytes) return wrongDataOut(transferBytes);
    const from = task.dataOut.subarray(0, transferBytes);
    const options = writeOptions(server, forceUnitAccess).fua ? DURABLE : CACHED;
    const writing = server.device.write(blockRange(first, transferLength), from, options);
    const result = received(transferBytes);
    return writing instanceof Promise ? writing.then(() => result) : result;
  },
});
