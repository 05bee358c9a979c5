import { bit, type RecordOf, raw, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode } from './define.ts';

export const NopOut = definePdu({
  name: 'NOP-Out',
  opcode: Opcode.NOP_OUT,
  cite: 'RFC 7143 §11.18',
  layout: {
    immediate: bit(0, 6),
    final: bit(1, 7),
    ...LENGTHS,
    lun: raw(8, 8),
    initiatorTaskTag: u32(16),
    targetTransferTag: u32(20),
    cmdSN: u32(24),
    expStatSN: u32(28),
  },
  defaults: { final: true },
});
export type NopOut = RecordOf<typeof NopOut.layout>;

export const NopIn = definePdu({
  name: 'NOP-In',
  opcode: Opcode.NOP_IN,
  cite: 'RFC 7143 §11.19',
  layout: {
    final: bit(1, 7),
    ...LENGTHS,
    lun: raw(8, 8),
    initiatorTaskTag: u32(16),
    targetTransferTag: u32(20),
    statSN: u32(24),
    expCmdSN: u32(28),
    maxCmdSN: u32(32),
  },
  defaults: { final: true },
});
export type NopIn = RecordOf<typeof NopIn.layout>;
