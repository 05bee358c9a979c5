import { bit, bits, type Layout } from 'node-iscsi-pdu/fields';
import type { BlockRange, MaybePromise } from '../../../lun/units.ts';
import { type CommandRow, command, type Request } from '../command.ts';
import { WRITE_SAME_BYTES_MAX } from '../limits.ts';
import { DONE, invalidCdbField, LBA_OUT_OF_RANGE, type Outcome, received } from '../outcome.ts';
import {
  CDB_10_FIELDS,
  CDB_16_FIELDS,
  type TransferReader,
  WRITE_SAME_LAYOUT_10,
  WRITE_SAME_LAYOUT_16,
} from './cdb.ts';
import { blockRange, writeOptions, wrongDataOut } from './transfer.ts';

const UNMAP_BIT = 0x08;
const NO_DATA_OUT_BUFFER_BIT = 0x01;

/**
 * WRITE SAME (SBC-3 §5.46, §5.47). Zero blocks mean up to the end (WSNZ 0), within MAXIMUM WRITE SAME
 * LENGTH. With UNMAP the blocks are given back and read as zeroes, whatever block was sent: initiators
 * send zeroes with it, and the targets they know do the same. A single block must be sent, no less and
 * no more, as it stands for the whole range.
 */
function writeSame(
  { task, server }: Request,
  fields: TransferReader,
  lengthByte: number,
): MaybePromise<Outcome> {
  const { cdb, dataOut } = task;
  const { blockBytes, capacityBlocks } = server.device.geometry;
  const flags = cdb[1] as number;
  const noDataOut = lengthByte === LENGTH_BYTE_16 && (flags & NO_DATA_OUT_BUFFER_BIT) !== 0;
  const lba = fields.lba(cdb);
  const stated = fields.blocks(cdb);
  if (lba + stated > capacityBlocks) return LBA_OUT_OF_RANGE;
  const blocks = stated === 0 ? capacityBlocks - lba : stated;
  if (blocks * blockBytes > WRITE_SAME_BYTES_MAX) return invalidCdbField(lengthByte);
  if ((flags & UNMAP_BIT) !== 0 && !server.unit.thin) return invalidCdbField(1, 3);
  const transferBytes = noDataOut ? 0 : blockBytes;
  if (!noDataOut && dataOut.byteLength !== blockBytes) return wrongDataOut(transferBytes);
  if (blocks === 0) return transferBytes === 0 ? DONE : received(transferBytes);
  const pattern = noDataOut ? new Uint8Array(blockBytes) : dataOut;
  const storing = store(server, blockRange(lba, blocks), pattern, (flags & UNMAP_BIT) !== 0);
  const result = received(transferBytes);
  return storing instanceof Promise ? storing.then(() => result) : result;
}

const LENGTH_BYTE_10 = 7;
const LENGTH_BYTE_16 = 10;

function store(
  server: Request['server'],
  range: BlockRange,
  pattern: Uint8Array,
  unmap: boolean,
): MaybePromise<void> {
  const options = writeOptions(server, false);
  return unmap ? server.device.unmap([range], options) : server.device.writeSame(range, pattern, options);
}

interface WriteSameForm {
  readonly name: string;
  readonly opcode: number;
  readonly cite: string;
  readonly cdbBytes: 10 | 16;
  readonly cdb: Layout;
  runByHand(request: Request): MaybePromise<Outcome>;
}

function writeSameCommand(form: WriteSameForm): CommandRow {
  return command({
    ...form,
    refused: { protect: bits(1, 7, 5), anchor: bit(1, 4) },
    needsMedium: true,
    writes: true,
    reserved: 'write',
    reserved6: 'conflict',
    transfers: 'write',
  });
}

export const WRITE_SAME_10 = writeSameCommand({
  name: 'WRITE SAME(10)',
  opcode: 0x41,
  cite: 'SBC-3 §5.46',
  cdbBytes: 10,
  cdb: WRITE_SAME_LAYOUT_10,
  runByHand: (request) => writeSame(request, CDB_10_FIELDS, LENGTH_BYTE_10),
});

export const WRITE_SAME_16 = writeSameCommand({
  name: 'WRITE SAME(16)',
  opcode: 0x93,
  cite: 'SBC-3 §5.47',
  cdbBytes: 16,
  cdb: WRITE_SAME_LAYOUT_16,
  runByHand: (request) => writeSame(request, CDB_16_FIELDS, LENGTH_BYTE_16),
});
