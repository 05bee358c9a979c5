/**
 * The four headers of the read and write paths, without a record in between. Every place is taken
 * from the layouts of node-iscsi-pdu, and a test holds each function against its table.
 */
import { DataIn, DataOut, Opcode, RESERVED_TAG, ScsiCommand, ScsiResponse } from 'node-iscsi-pdu';

const FINAL = 1 << DataIn.layout.final.lsb;
const STATUS_PRESENT = 1 << DataIn.layout.statusPresent.lsb;
const OVERFLOW = 1 << DataIn.layout.residualOverflow.lsb;
const UNDERFLOW = 1 << DataIn.layout.residualUnderflow.lsb;
const FLAGS_BYTE = DataIn.layout.final.byte;
const STATUS_BYTE = DataIn.layout.status.byte;
const LENGTH_BYTE = DataIn.layout.dataSegmentLength.byte;
const TAG_BYTE = DataIn.layout.initiatorTaskTag.byte;
const TRANSFER_TAG_BYTE = DataIn.layout.targetTransferTag.byte;
const STAT_SN_BYTE = DataIn.layout.statSN.byte;
const EXP_CMD_SN_BYTE = DataIn.layout.expCmdSN.byte;
const MAX_CMD_SN_BYTE = DataIn.layout.maxCmdSN.byte;
const DATA_SN_BYTE = DataIn.layout.dataSN.byte;
const OFFSET_BYTE = DataIn.layout.bufferOffset.byte;
const RESIDUAL_BYTE = DataIn.layout.residualCount.byte;
const EXP_DATA_SN_BYTE = ScsiResponse.layout.expDataSN.byte;

const COMMAND_EXPECTED_BYTE = ScsiCommand.layout.expectedDataTransferLength.byte;
const COMMAND_CMD_SN_BYTE = ScsiCommand.layout.cmdSN.byte;
const COMMAND_READ = 1 << ScsiCommand.layout.read.lsb;
const COMMAND_WRITE = 1 << ScsiCommand.layout.write.lsb;
const COMMAND_ATTRIBUTE_MASK = (1 << (ScsiCommand.layout.attr.msb + 1)) - 1;
const COMMAND_CDB_BYTE = ScsiCommand.layout.cdb.byte;
const CDB_BYTES = ScsiCommand.layout.cdb.byteCount;
const LUN_BYTE = ScsiCommand.layout.lun.byte;
const LUN_BYTES = ScsiCommand.layout.lun.byteCount;

const OUT_TRANSFER_TAG_BYTE = DataOut.layout.targetTransferTag.byte;
const OUT_DATA_SN_BYTE = DataOut.layout.dataSN.byte;
const OUT_OFFSET_BYTE = DataOut.layout.bufferOffset.byte;

/** Reads 32 bits, unsigned. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

export const commandTag = (bhs: Uint8Array): number => readU32(bhs, TAG_BYTE);
export const commandCmdSN = (bhs: Uint8Array): number => readU32(bhs, COMMAND_CMD_SN_BYTE);
export const commandExpectedBytes = (bhs: Uint8Array): number => readU32(bhs, COMMAND_EXPECTED_BYTE);
export const commandIsFinal = (bhs: Uint8Array): boolean => ((bhs[FLAGS_BYTE] as number) & FINAL) !== 0;
export const commandReads = (bhs: Uint8Array): boolean => ((bhs[FLAGS_BYTE] as number) & COMMAND_READ) !== 0;
export const commandWrites = (bhs: Uint8Array): boolean =>
  ((bhs[FLAGS_BYTE] as number) & COMMAND_WRITE) !== 0;
export const commandAttribute = (bhs: Uint8Array): number =>
  (bhs[FLAGS_BYTE] as number) & COMMAND_ATTRIBUTE_MASK;
/** Views of the header. */
export const commandCdb = (bhs: Uint8Array): Uint8Array =>
  new Uint8Array(bhs.buffer, bhs.byteOffset + COMMAND_CDB_BYTE, CDB_BYTES);
export const headerLun = (bhs: Uint8Array): Uint8Array =>
  new Uint8Array(bhs.buffer, bhs.byteOffset + LUN_BYTE, LUN_BYTES);

export const dataOutTransferTag = (bhs: Uint8Array): number => readU32(bhs, OUT_TRANSFER_TAG_BYTE);
export const dataOutDataSN = (bhs: Uint8Array): number => readU32(bhs, OUT_DATA_SN_BYTE);
export const dataOutOffset = (bhs: Uint8Array): number => readU32(bhs, OUT_OFFSET_BYTE);

/** The numbers every PDU to the initiator carries. */
export interface ResponseNumbers {
  readonly expCmdSN: number;
  readonly maxCmdSN: number;
}

/**
 * Outcome fields that the last Data-In and the SCSI Response share. `residual` is signed: more than 0
 * is overflow.
 */
export interface StatusFields {
  readonly status: number;
  readonly statSN: number;
  readonly residual: number;
}

export interface DataInFields {
  readonly tag: number;
  readonly dataSN: number;
  readonly offsetBytes: number;
  readonly dataBytes: number;
  readonly final: boolean;
}

/** Writes a Data-In header into 48 zero bytes. With `status` it is the phase-collapsed one (the S bit). */
export function writeDataIn(
  target: Uint8Array,
  fields: DataInFields,
  numbers: ResponseNumbers,
  status: StatusFields | undefined,
): void {
  target[0] = Opcode.DATA_IN;
  let flags = fields.final ? FINAL : 0;
  if (status !== undefined) {
    flags |= STATUS_PRESENT | residualFlag(status.residual);
    target[STATUS_BYTE] = status.status;
    writeU32(target, STAT_SN_BYTE, status.statSN);
    writeU32(target, RESIDUAL_BYTE, Math.abs(status.residual));
  }
  target[FLAGS_BYTE] = flags;
  target[LENGTH_BYTE] = fields.dataBytes >>> 16;
  target[LENGTH_BYTE + 1] = fields.dataBytes >>> 8;
  target[LENGTH_BYTE + 2] = fields.dataBytes;
  writeU32(target, TAG_BYTE, fields.tag);
  writeU32(target, TRANSFER_TAG_BYTE, RESERVED_TAG);
  writeU32(target, EXP_CMD_SN_BYTE, numbers.expCmdSN);
  writeU32(target, MAX_CMD_SN_BYTE, numbers.maxCmdSN);
  writeU32(target, DATA_SN_BYTE, fields.dataSN);
  writeU32(target, OFFSET_BYTE, fields.offsetBytes);
}

export interface ScsiResponseFields {
  readonly tag: number;
  /** Data-In and R2T PDUs that went before (RFC 7143 §11.4.9). */
  readonly expDataSN: number;
  readonly dataBytes: number;
}

/** Writes a SCSI Response header ("command completed at target") into 48 zero bytes. */
export function writeScsiResponse(
  target: Uint8Array,
  fields: ScsiResponseFields,
  numbers: ResponseNumbers,
  status: StatusFields,
): void {
  target[0] = Opcode.SCSI_RESPONSE;
  target[FLAGS_BYTE] = FINAL | residualFlag(status.residual);
  target[STATUS_BYTE] = status.status;
  target[LENGTH_BYTE] = fields.dataBytes >>> 16;
  target[LENGTH_BYTE + 1] = fields.dataBytes >>> 8;
  target[LENGTH_BYTE + 2] = fields.dataBytes;
  writeU32(target, TAG_BYTE, fields.tag);
  writeU32(target, STAT_SN_BYTE, status.statSN);
  writeU32(target, EXP_CMD_SN_BYTE, numbers.expCmdSN);
  writeU32(target, MAX_CMD_SN_BYTE, numbers.maxCmdSN);
  writeU32(target, EXP_DATA_SN_BYTE, fields.expDataSN);
  writeU32(target, RESIDUAL_BYTE, Math.abs(status.residual));
}

function residualFlag(residual: number): number {
  if (residual === 0) return 0;
  return residual > 0 ? OVERFLOW : UNDERFLOW;
}

const HEADER_BYTES = 48;
const DIGEST_BYTES = 4;
const SLAB_BYTES = 16_384;

/** Hands out zeroed pieces of header size, each used once, from allocations shared by many. */
export class HeaderSlab {
  #slab = new ArrayBuffer(SLAB_BYTES);
  #used = 0;

  /** 48 bytes, or 52 with room for a digest. */
  take(withDigest: boolean): Uint8Array {
    const byteCount = withDigest ? HEADER_BYTES + DIGEST_BYTES : HEADER_BYTES;
    if (this.#used + byteCount > SLAB_BYTES) {
      this.#slab = new ArrayBuffer(SLAB_BYTES);
      this.#used = 0;
    }
    const piece = new Uint8Array(this.#slab, this.#used, byteCount);
    this.#used += byteCount;
    return piece;
  }
}
