import { bit, type RecordOf, raw, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode } from './define.ts';

export const R2T = definePdu({
  name: 'Ready To Transfer',
  opcode: Opcode.R2T,
  cite: 'RFC 7143 §11.8',
  layout: {
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
  },
  defaults: { final: true },
});
export type R2T = RecordOf<typeof R2T.layout>;
