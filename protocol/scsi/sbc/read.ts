import type { Layout } from 'node-iscsi-pdu/fields';
import type { MaybePromise } from '../../../lun/units.ts';
import { type CommandRow, command, type Request } from '../command.ts';
import { DONE, type Outcome, Status } from '../outcome.ts';
import {
  CDB_6_FIELDS,
  CDB_10_FIELDS,
  CDB_12_FIELDS,
  CDB_16_FIELDS,
  PROTECTION,
  TRANSFER_6,
  TRANSFER_10,
  TRANSFER_12,
  TRANSFER_16,
  type TransferReader,
} from './cdb.ts';
import { blockRange, LENGTH_BYTE, refuseTransfer } from './transfer.ts';

/**
 * READ (SBC-3 §5.10–5.13). Blocks that the initiator has no room for are not fetched; the residual
 * counts from what the CDB wanted all the same. DPO is advice, and data that was written is what a
 * read returns whether it is durable or not, so FUA changes nothing here.
 */
function read(request: Request, fields: TransferReader, lengthByte: number): MaybePromise<Outcome> {
  const { task, server, target } = request;
  const { geometry } = server.device;
  const lba = fields.lba(task.cdb);
  const blocks = fields.blocks(task.cdb);
  const refusal = refuseTransfer(geometry, { lba, blocks, lengthByte });
  if (refusal !== undefined) return refusal;
  if (blocks === 0) return DONE;
  const transferBytes = blocks * geometry.blockBytes;
  const wanted = Math.min(blocks, Math.ceil(task.dataInBytesMax / geometry.blockBytes));
  const dataIn = target.allocate(wanted * geometry.blockBytes);
  const result = { status: Status.GOOD, dataIn, transferBytes };
  const reading = server.device.read(blockRange(lba, wanted), dataIn);
  return reading instanceof Promise ? reading.then(() => result) : result;
}

interface ReadForm {
  readonly name: string;
  readonly opcode: number;
  readonly cite: string;
  readonly cdbBytes: 6 | 10 | 12 | 16;
  readonly cdb: Layout;
  readonly fields: TransferReader;
}

function readCommand({ fields, ...form }: ReadForm): CommandRow {
  return command({
    ...form,
    refused: form.cdbBytes === 6 ? {} : PROTECTION,
    needsMedium: true,
    writes: false,
    reserved: 'read',
    reserved6: 'conflict',
    transfers: 'read',
    runByHand: (request) => read(request, fields, LENGTH_BYTE[form.cdbBytes]),
  });
}

export const READ_6 = readCommand({
  name: 'READ(6)',
  opcode: 0x08,
  cite: 'SBC-2 §5.6',
  cdbBytes: 6,
  cdb: TRANSFER_6,
  fields: CDB_6_FIELDS,
});

export const READ_10 = readCommand({
  name: 'READ(10)',
  opcode: 0x28,
  cite: 'SBC-3 §5.11',
  cdbBytes: 10,
  cdb: TRANSFER_10,
  fields: CDB_10_FIELDS,
});

export const READ_12 = readCommand({
  name: 'READ(12)',
  opcode: 0xa8,
  cite: 'SBC-3 §5.12',
  cdbBytes: 12,
  cdb: TRANSFER_12,
  fields: CDB_12_FIELDS,
});

export const READ_16 = readCommand({
  name: 'READ(16)',
  opcode: 0x88,
  cite: 'SBC-3 §5.13',
  cdbBytes: 16,
  cdb: TRANSFER_16,
  fields: CDB_16_FIELDS,
});
