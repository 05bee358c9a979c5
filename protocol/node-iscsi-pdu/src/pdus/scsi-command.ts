import {
  readBit,
  readBits,
  readRaw,
  readU8,
  readU24,
  readU32,
  writeBit,
  writeU8,
  writeU24,
  writeU32,
} from '../direct.ts';
import { bit, bits, type RecordOf, raw, u8, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode } from './define.ts';

/** Task attributes, RFC 7143 §11.3.1. */
export const TaskAttribute = { UNTAGGED: 0, SIMPLE: 1, ORDERED: 2, HEAD_OF_QUEUE: 3, ACA: 4 } as const;
export type TaskAttribute = (typeof TaskAttribute)[keyof typeof TaskAttribute];

/** Response codes, RFC 7143 §11.4.3; 0x80 to 0xff are the vendor's. */
export const ScsiResponseCode = { COMMAND_COMPLETED_AT_TARGET: 0x00, TARGET_FAILURE: 0x01 } as const;
export type ScsiResponseCode = (typeof ScsiResponseCode)[keyof typeof ScsiResponseCode];

const SCSI_COMMAND = {
  immediate: bit(0, 6),
  final: bit(1, 7),
  read: bit(1, 6),
  write: bit(1, 5),
  attr: bits(1, 2, 0),
  ...LENGTHS,
  lun: raw(8, 8),
  initiatorTaskTag: u32(16),
  expectedDataTransferLength: u32(20),
  cmdSN: u32(24),
  expStatSN: u32(28),
  cdb: raw(32, 16),
} as const;

export const ScsiCommand = definePdu(
  {
    name: 'SCSI Command',
    opcode: Opcode.SCSI_COMMAND,
    cite: 'RFC 7143 §11.3',
    layout: SCSI_COMMAND,
  },
  {
    decode: (bytes, offset) => ({
      immediate: readBit(SCSI_COMMAND.immediate, bytes, offset),
      final: readBit(SCSI_COMMAND.final, bytes, offset),
      read: readBit(SCSI_COMMAND.read, bytes, offset),
      write: readBit(SCSI_COMMAND.write, bytes, offset),
      attr: readBits(SCSI_COMMAND.attr, bytes, offset),
      totalAHSLength: readU8(SCSI_COMMAND.totalAHSLength, bytes, offset),
      dataSegmentLength: readU24(SCSI_COMMAND.dataSegmentLength, bytes, offset),
      lun: readRaw(SCSI_COMMAND.lun, bytes, offset),
      initiatorTaskTag: readU32(SCSI_COMMAND.initiatorTaskTag, bytes, offset),
      expectedDataTransferLength: readU32(SCSI_COMMAND.expectedDataTransferLength, bytes, offset),
      cmdSN: readU32(SCSI_COMMAND.cmdSN, bytes, offset),
      expStatSN: readU32(SCSI_COMMAND.expStatSN, bytes, offset),
      cdb: readRaw(SCSI_COMMAND.cdb, bytes, offset),
    }),
  },
);
export type ScsiCommand = RecordOf<typeof ScsiCommand.layout>;

const SCSI_RESPONSE = {
  final: bit(1, 7),
  bidirectionalReadResidualOverflow: bit(1, 4),
  bidirectionalReadResidualUnderflow: bit(1, 3),
  residualOverflow: bit(1, 2),
  residualUnderflow: bit(1, 1),
  response: u8(2),
  status: u8(3),
  ...LENGTHS,
  initiatorTaskTag: u32(16),
  snackTag: u32(20),
  statSN: u32(24),
  expCmdSN: u32(28),
  maxCmdSN: u32(32),
  expDataSN: u32(36),
  bidirectionalReadResidualCount: u32(40),
  residualCount: u32(44),
} as const;

/** Small o, u and capital O, U of the figure: the bidirectional read residual and the residual. */
export const ScsiResponse = definePdu(
  {
    name: 'SCSI Response',
    opcode: Opcode.SCSI_RESPONSE,
    cite: 'RFC 7143 §11.4',
    layout: SCSI_RESPONSE,
    defaults: { final: true },
  },
  {
    encode(record, bytes, offset) {
      writeBit(SCSI_RESPONSE.final, record.final ?? true, bytes, offset);
      writeBit(
        SCSI_RESPONSE.bidirectionalReadResidualOverflow,
        record.bidirectionalReadResidualOverflow,
        bytes,
        offset,
      );
      writeBit(
        SCSI_RESPONSE.bidirectionalReadResidualUnderflow,
        record.bidirectionalReadResidualUnderflow,
        bytes,
        offset,
      );
      writeBit(SCSI_RESPONSE.residualOverflow, record.residualOverflow, bytes, offset);
      writeBit(SCSI_RESPONSE.residualUnderflow, record.residualUnderflow, bytes, offset);
      writeU8(SCSI_RESPONSE.response, record.response, bytes, offset);
      writeU8(SCSI_RESPONSE.status, record.status, bytes, offset);
      writeU8(SCSI_RESPONSE.totalAHSLength, record.totalAHSLength, bytes, offset);
      writeU24(SCSI_RESPONSE.dataSegmentLength, record.dataSegmentLength, bytes, offset);
      writeU32(SCSI_RESPONSE.initiatorTaskTag, record.initiatorTaskTag, bytes, offset);
      writeU32(SCSI_RESPONSE.snackTag, record.snackTag, bytes, offset);
      writeU32(SCSI_RESPONSE.statSN, record.statSN, bytes, offset);
      writeU32(SCSI_RESPONSE.expCmdSN, record.expCmdSN, bytes, offset);
      writeU32(SCSI_RESPONSE.maxCmdSN, record.maxCmdSN, bytes, offset);
      writeU32(SCSI_RESPONSE.expDataSN, record.expDataSN, bytes, offset);
      writeU32(
        SCSI_RESPONSE.bidirectionalReadResidualCount,
        record.bidirectionalReadResidualCount,
        bytes,
        offset,
      );
      writeU32(SCSI_RESPONSE.residualCount, record.residualCount, bytes, offset);
    },
  },
);
export type ScsiResponse = RecordOf<typeof ScsiResponse.layout>;
