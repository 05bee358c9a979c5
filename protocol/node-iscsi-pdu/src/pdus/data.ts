import { bit, type RecordOf, raw, u8, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode } from './define.ts';

export const DataOut = definePdu({
  name: 'SCSI Data-Out',
  opcode: Opcode.DATA_OUT,
  cite: 'RFC 7143 §11.7',
  layout: {
    final: bit(1, 7),
    ...LENGTHS,
    lun: raw(8, 8),
    initiatorTaskTag: u32(16),
    targetTransferTag: u32(20),
    expStatSN: u32(28),
    dataSN: u32(36),
    bufferOffset: u32(40),
  },
});
export type DataOut = RecordOf<typeof DataOut.layout>;

/** With `statusPresent` (the S bit) the status, the residual bits and count and StatSN are meaningful. */
export const DataIn = definePdu({
  name: 'SCSI Data-In',
  opcode: Opcode.DATA_IN,
  cite: 'RFC 7143 §11.7',
  layout: {
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
  },
});
export type DataIn = RecordOf<typeof DataIn.layout>;
