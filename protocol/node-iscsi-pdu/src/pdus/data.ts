import {
  readBit,
  readRaw,
  readU8,
  readU24,
  readU32,
  writeBit,
  writeRaw,
  writeU8,
  writeU24,
  writeU32,
} from '../direct.ts';
import { bit, type RecordOf, raw, u8, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode } from './define.ts';

const DATA_OUT = {
  final: bit(1, 7),
  ...LENGTHS,
  lun: raw(8, 8),
  initiatorTaskTag: u32(16),
  targetTransferTag: u32(20),
  expStatSN: u32(28),
  dataSN: u32(36),
  bufferOffset: u32(40),
} as const;

export const DataOut = definePdu(
  {
    name: 'SCSI Data-Out',
    opcode: Opcode.DATA_OUT,
    cite: 'RFC 7143 §11.7',
    layout: DATA_OUT,
  },
  {
    decode: (bytes, offset) => ({
      final: readBit(DATA_OUT.final, bytes, offset),
      totalAHSLength: readU8(DATA_OUT.totalAHSLength, bytes, offset),
      dataSegmentLength: readU24(DATA_OUT.dataSegmentLength, bytes, offset),
      lun: readRaw(DATA_OUT.lun, bytes, offset),
      initiatorTaskTag: readU32(DATA_OUT.initiatorTaskTag, bytes, offset),
      targetTransferTag: readU32(DATA_OUT.targetTransferTag, bytes, offset),
      expStatSN: readU32(DATA_OUT.expStatSN, bytes, offset),
      dataSN: readU32(DATA_OUT.dataSN, bytes, offset),
      bufferOffset: readU32(DATA_OUT.bufferOffset, bytes, offset),
    }),
  },
);
export type DataOut = RecordOf<typeof DataOut.layout>;

const DATA_IN = {
  final: bit(1, 7),
  acknowledge: bit(1, 6),
  residualOverflow: bit(1, 2),
  residualUnderflow: bit(1, 1),
  statusPresent: bit(1, 0),
  status: u8(3),
  ...LENGTHS,
  lun: raw(8, 8),
  initiatorTaskTag: u32(16),
  targetTransferTag: u32(20),
  statSN: u32(24),
  expCmdSN: u32(28),
  maxCmdSN: u32(32),
  dataSN: u32(36),
  bufferOffset: u32(40),
  residualCount: u32(44),
} as const;

/** With `statusPresent` (the S bit) the status, the residual bits and count and StatSN are meaningful. */
export const DataIn = definePdu(
  {
    name: 'SCSI Data-In',
    opcode: Opcode.DATA_IN,
    cite: 'RFC 7143 §11.7',
    layout: DATA_IN,
  },
  {
    encode(record, bytes, offset) {
      writeBit(DATA_IN.final, record.final, bytes, offset);
      writeBit(DATA_IN.acknowledge, record.acknowledge, bytes, offset);
      writeBit(DATA_IN.residualOverflow, record.residualOverflow, bytes, offset);
      writeBit(DATA_IN.residualUnderflow, record.residualUnderflow, bytes, offset);
      writeBit(DATA_IN.statusPresent, record.statusPresent, bytes, offset);
      writeU8(DATA_IN.status, record.status, bytes, offset);
      writeU8(DATA_IN.totalAHSLength, record.totalAHSLength, bytes, offset);
      writeU24(DATA_IN.dataSegmentLength, record.dataSegmentLength, bytes, offset);
      writeRaw(DATA_IN.lun, record.lun, bytes, offset);
      writeU32(DATA_IN.initiatorTaskTag, record.initiatorTaskTag, bytes, offset);
      writeU32(DATA_IN.targetTransferTag, record.targetTransferTag, bytes, offset);
      writeU32(DATA_IN.statSN, record.statSN, bytes, offset);
      writeU32(DATA_IN.expCmdSN, record.expCmdSN, bytes, offset);
      writeU32(DATA_IN.maxCmdSN, record.maxCmdSN, bytes, offset);
      writeU32(DATA_IN.dataSN, record.dataSN, bytes, offset);
      writeU32(DATA_IN.bufferOffset, record.bufferOffset, bytes, offset);
      writeU32(DATA_IN.residualCount, record.residualCount, bytes, offset);
    },
  },
);
export type DataIn = RecordOf<typeof DataIn.layout>;
