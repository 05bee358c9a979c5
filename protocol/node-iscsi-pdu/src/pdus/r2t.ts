import { writeBit, writeRaw, writeU8, writeU24, writeU32 } from '../direct.ts';
import { bit, type RecordOf, raw, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode } from './define.ts';

const R2_T = {
  final: bit(1, 7),
  ...LENGTHS,
  lun: raw(8, 8),
  initiatorTaskTag: u32(16),
  targetTransferTag: u32(20),
  statSN: u32(24),
  expCmdSN: u32(28),
  maxCmdSN: u32(32),
  r2tSN: u32(36),
  bufferOffset: u32(40),
  desiredDataTransferLength: u32(44),
} as const;

export const R2T = definePdu(
  {
    name: 'Ready To Transfer',
    opcode: Opcode.R2T,
    cite: 'RFC 7143 §11.8',
    layout: R2_T,
    defaults: { final: true },
  },
  {
    encode(record, bytes, offset) {
      writeBit(R2_T.final, record.final ?? true, bytes, offset);
      writeU8(R2_T.totalAHSLength, record.totalAHSLength, bytes, offset);
      writeU24(R2_T.dataSegmentLength, record.dataSegmentLength, bytes, offset);
      writeRaw(R2_T.lun, record.lun, bytes, offset);
      writeU32(R2_T.initiatorTaskTag, record.initiatorTaskTag, bytes, offset);
      writeU32(R2_T.targetTransferTag, record.targetTransferTag, bytes, offset);
      writeU32(R2_T.statSN, record.statSN, bytes, offset);
      writeU32(R2_T.expCmdSN, record.expCmdSN, bytes, offset);
      writeU32(R2_T.maxCmdSN, record.maxCmdSN, bytes, offset);
      writeU32(R2_T.r2tSN, record.r2tSN, bytes, offset);
      writeU32(R2_T.bufferOffset, record.bufferOffset, bytes, offset);
      writeU32(R2_T.desiredDataTransferLength, record.desiredDataTransferLength, bytes, offset);
    },
  },
);
export type R2T = RecordOf<typeof R2T.layout>;
