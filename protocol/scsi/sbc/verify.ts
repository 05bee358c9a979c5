/**
 * VERIFY and WRITE AND VERIFY (SBC-3 §5.31–5.33, §5.43–5.45). Every stored block carries a checksum
 * that a read verifies, so verifying the medium is reading it. A write is verified in the same way,
 * once it is stored.
 */
import type { Layout } from 'node-iscsi-pdu/fields';
import { isRepeated } from '../../../lun/bytes.ts';
import type { MaybePromise } from '../../../lun/units.ts';
import { type CommandRow, command, type Request } from '../command.ts';
import { checkCondition, type Failure, invalidCdbField, type Outcome, received } from '../outcome.ts';
import { Sense } from '../sense.ts';
import {
  CDB_10_FIELDS,
  CDB_12_FIELDS,
  CDB_16_FIELDS,
  PROTECTION,
  type TransferReader,
  VERIFY_LAYOUT_10,
  VERIFY_LAYOUT_12,
  VERIFY_LAYOUT_16,
} from './cdb.ts';
import { blockRange, LENGTH_BYTE, refuseTransfer, writeOptions, wrongDataOut } from './transfer.ts';

/** BYTCHK field (SBC-3 Table 91): what the medium is compared with. */
const ByteCheck = { MEDIUM_ONLY: 0, WHOLE_RANGE: 1, RESERVED: 2, ONE_BLOCK: 3 } as const;
const BYTE_CHECK_BIT = 2;

const MISCOMPARE: Failure = checkCondition(Sense.MISCOMPARE_DURING_VERIFY_OPERATION);

function byteCheckOf(cdb: Uint8Array): number {
  return ((cdb[1] as number) >> 1) & 0x03;
}

interface Stretch {
  readonly lba: number;
  readonly blocks: number;
}

function verify(request: Request, fields: TransferReader, lengthByte: number): MaybePromise<Outcome> {
  const { task, server } = request;
  const { geometry } = server.device;
  const lba = fields.lba(task.cdb);
  const blocks = fields.blocks(task.cdb);
  const byteCheck = byteCheckOf(task.cdb);
  if (byteCheck === ByteCheck.RESERVED) return invalidCdbField(1, BYTE_CHECK_BIT);
  const refusal = refuseTransfer(geometry, { lba, blocks, lengthByte });
  if (refusal !== undefined) return refusal;
  const comparedBlocks = byteCheck === ByteCheck.ONE_BLOCK ? Math.min(1, blocks) : blocks;
  const transferBytes = byteCheck === ByteCheck.MEDIUM_ONLY ? 0 : comparedBlocks * geometry.blockBytes;
  const presentBytes = Math.min(transferBytes, task.dataOut.byteLength);
  if (byteCheck === ByteCheck.ONE_BLOCK && presentBytes < transferBytes) return wrongDataOut(transferBytes);
  if (presentBytes % geometry.blockBytes !== 0) return wrongDataOut(transferBytes);
  const present = task.dataOut.subarray(0, presentBytes);
  const read = byteCheck === ByteCheck.WHOLE_RANGE ? presentBytes / geometry.blockBytes : blocks;
  return compareWithMedium(request, { lba, blocks: read }, present, transferBytes);
}

/**
 * Reads the stretch and compares it with `expected`, repeated as often as it fits; nothing expected
 * matches anything.
 */
function compareWithMedium(
  { server, target }: Request,
  { lba, blocks }: Stretch,
  expected: Uint8Array,
  transferBytes: number,
): MaybePromise<Outcome> {
  const result = received(transferBytes);
  if (blocks === 0) return result;
  const stored = target.allocate(blocks * server.device.geometry.blockBytes);
  const judge = (): Outcome =>
    expected.byteLength === 0 || isRepeated(expected, stored) ? result : { ...MISCOMPARE, transferBytes };
  const reading = server.device.read(blockRange(lba, blocks), stored);
  return reading instanceof Promise ? reading.then(judge) : judge();
}

function writeAndVerify(request: Request, fields: TransferReader, lengthByte: number): MaybePromise<Outcome> {
  const { task, server } = request;
  const { geometry } = server.device;
  const lba = fields.lba(task.cdb);
  const blocks = fields.blocks(task.cdb);
  // BYTCHK 10b and 11b are reserved here (SBC-3 §5.43).
  if (byteCheckOf(task.cdb) > ByteCheck.WHOLE_RANGE) return invalidCdbField(1, BYTE_CHECK_BIT);
  const refusal = refuseTransfer(geometry, { lba, blocks, lengthByte });
  if (refusal !== undefined) return refusal;
  const transferBytes = blocks * geometry.blockBytes;
  const presentBytes = Math.min(transferBytes, task.dataOut.byteLength);
  if (presentBytes % geometry.blockBytes !== 0) return wrongDataOut(transferBytes);
  const present = task.dataOut.subarray(0, presentBytes);
  const stretch = { lba, blocks: presentBytes / geometry.blockBytes };
  if (stretch.blocks === 0) return received(transferBytes);
  const expected = byteCheckOf(task.cdb) === ByteCheck.WHOLE_RANGE ? present : present.subarray(0, 0);
  const judge = (): MaybePromise<Outcome> => compareWithMedium(request, stretch, expected, transferBytes);
  const options = writeOptions(server, false);
  const writing = server.device.write(blockRange(lba, stretch.blocks), present, options);
  return writing instanceof Promise ? writing.then(judge) : judge();
}

interface VerifyForm {
  readonly name: string;
  readonly opcode: number;
  readonly cite: string;
  readonly cdbBytes: 10 | 12 | 16;
  readonly cdb: Layout;
  readonly fields: TransferReader;
}

function verifyCommand({ fields, ...form }: VerifyForm): CommandRow {
  return command({
    ...form,
    refused: PROTECTION,
    needsMedium: true,
    writes: false,
    reserved: 'read',
    reserved6: 'conflict',
    transfers: 'verify',
    runByHand: (request) => verify(request, fields, LENGTH_BYTE[form.cdbBytes]),
  });
}

function writeAndVerifyCommand({ fields, ...form }: VerifyForm): CommandRow {
  return command({
    ...form,
    refused: PROTECTION,
    needsMedium: true,
    writes: true,
    reserved: 'write',
    reserved6: 'conflict',
    transfers: 'write',
    runByHand: (request) => writeAndVerify(request, fields, LENGTH_BYTE[form.cdbBytes]),
  });
}

const FORM_10 = { cdbBytes: 10, cdb: VERIFY_LAYOUT_10, fields: CDB_10_FIELDS } as const;
const FORM_12 = { cdbBytes: 12, cdb: VERIFY_LAYOUT_12, fields: CDB_12_FIELDS } as const;
const FORM_16 = { cdbBytes: 16, cdb: VERIFY_LAYOUT_16, fields: CDB_16_FIELDS } as const;

export const VERIFY_10 = verifyCommand({ name: 'VERIFY(10)', opcode: 0x2f, cite: 'SBC-3 §5.31', ...FORM_10 });
export const VERIFY_12 = verifyCommand({ name: 'VERIFY(12)', opcode: 0xaf, cite: 'SBC-3 §5.32', ...FORM_12 });
export const VERIFY_16 = verifyCommand({ name: 'VERIFY(16)', opcode: 0x8f, cite: 'SBC-3 §5.33', ...FORM_16 });

export const WRITE_AND_VERIFY_10 = writeAndVerifyCommand({
  name: 'WRITE AND VERIFY(10)',
  opcode: 0x2e,
  cite: 'SBC-3 §5.43',
  ...FORM_10,
});

export const WRITE_AND_VERIFY_12 = writeAndVerifyCommand({
  name: 'WRITE AND VERIFY(12)',
  opcode: 0xae,
  cite: 'SBC-3 §5.44',
  ...FORM_12,
});

export const WRITE_AND_VERIFY_16 = writeAndVerifyCommand({
  name: 'WRITE AND VERIFY(16)',
  opcode: 0x8e,
  cite: 'SBC-3 §5.45',
  ...FORM_16,
});
