import type { Layout } from 'node-iscsi-pdu/fields';
import type { MaybePromise } from '../../../lun/units.ts';
import { type CommandRow, command, type Request } from '../command.ts';
import { DONE, type Outcome, received } from '../outcome.ts';
import {
  CDB_6_FIELDS,
  CDB_10_FIELDS,
  CDB_12_FIELDS,
  CDB_16_FIELDS,
  hasForceUnitAccess,
  PROTECTION,
  TRANSFER_6,
  TRANSFER_10,
  TRANSFER_12,
  TRANSFER_16,
  type TransferReader,
} from './cdb.ts';
import { blockRange, LENGTH_BYTE, refuseTransfer, writeOptions, wrongDataOut } from './transfer.ts';

/**
 * WRITE (SBC-3 §5.39–5.42). An initiator may send less than the CDB wants (RFC 7143 §11.4.5.1): the
 * whole blocks that came are written and the residual tells the rest; data that ends within a block
 * is refused, as a torn block is nobody's wish.
 */
function write(request: Request, fields: TransferReader, lengthByte: number): MaybePromise<Outcome> {
  const { task, server } = request;
  const { cdb, dataOut } = task;
  const { geometry } = server.device;
  const lba = fields.lba(cdb);
  const blocks = fields.blocks(cdb);
  const refusal = refuseTransfer(geometry, { lba, blocks, lengthByte });
  if (refusal !== undefined) return refusal;
  const transferBytes = blocks * geometry.blockBytes;
  const presentBytes = Math.min(transferBytes, dataOut.byteLength);
  if (presentBytes % geometry.blockBytes !== 0) return wrongDataOut(transferBytes);
  if (presentBytes === 0) return blocks === 0 ? DONE : received(transferBytes);
  const from = presentBytes === dataOut.byteLength ? dataOut : dataOut.subarray(0, presentBytes);
  const forceUnitAccess = cdb[0] !== WRITE_6_OPCODE && hasForceUnitAccess(cdb);
  const options = writeOptions(server, forceUnitAccess);
  const writing = server.device.write(blockRange(lba, presentBytes / geometry.blockBytes), from, options);
  const result = received(transferBytes);
  return writing instanceof Promise ? writing.then(() => result) : result;
}

/** The only WRITE without FUA: its bit is part of the LBA. */
const WRITE_6_OPCODE = 0x0a;

interface WriteForm {
  readonly name: string;
  readonly opcode: number;
  readonly cite: string;
  readonly cdbBytes: 6 | 10 | 12 | 16;
  readonly cdb: Layout;
  readonly fields: TransferReader;
}

function writeCommand({ fields, ...form }: WriteForm): CommandRow {
  return command({
    ...form,
    refused: form.cdbBytes === 6 ? {} : PROTECTION,
    needsMedium: true,
    writes: true,
    reserved: 'write',
    reserved6: 'conflict',
    transfers: 'write',
    runByHand: (request) => write(request, fields, LENGTH_BYTE[form.cdbBytes]),
  });
}

export const WRITE_6 = writeCommand({
  name: 'WRITE(6)',
  opcode: WRITE_6_OPCODE,
  cite: 'SBC-2 §5.25',
  cdbBytes: 6,
  cdb: TRANSFER_6,
  fields: CDB_6_FIELDS,
});

export const WRITE_10 = writeCommand({
  name: 'WRITE(10)',
  opcode: 0x2a,
  cite: 'SBC-3 §5.40',
  cdbBytes: 10,
  cdb: TRANSFER_10,
  fields: CDB_10_FIELDS,
});

export const WRITE_12 = writeCommand({
  name: 'WRITE(12)',
  opcode: 0xaa,
  cite: 'SBC-3 §5.41',
  cdbBytes: 12,
  cdb: TRANSFER_12,
  fields: CDB_12_FIELDS,
});

export const WRITE_16 = writeCommand({
  name: 'WRITE(16)',
  opcode: 0x8a,
  cite: 'SBC-3 §5.42',
  cdbBytes: 16,
  cdb: TRANSFER_16,
  fields: CDB_16_FIELDS,
});
