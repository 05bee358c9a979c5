import { bit, type RecordOf, raw, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode } from './define.ts';

export const TextRequest = definePdu({
  name: 'Text Request',
  opcode: Opcode.TEXT_REQUEST,
  cite: 'RFC 7143 §11.10',
  layout: {
    immediate: bit(0, 6),
    final: bit(1, 7),
    continue: bit(1, 6),
    ...LENGTHS,
    lun: raw(8, 8),
    initiatorTaskTag: u32(16),
    targetTransferTag: u32(20),
    cmdSN: u32(24),
    expStatSN: u32(28),
  },
});
export type TextRequest = RecordOf<typeof TextRequest.layout>;

export const TextResponse = definePdu({
  name: 'Text Response',
  opcode: Opcode.TEXT_RESPONSE,
  cite: 'RFC 7143 §11.11',
  layout: {
    final: bit(1, 7),
    continue: bit(1, 6),
    ...LENGTHS,
    lun: raw(8, 8),
    initiatorTaskTag: u32(16),
    targetTransferTag: u32(20),
    statSN: u32(24),
    expCmdSN: u32(28),
    maxCmdSN: u32(32),
  },
});
export type TextResponse = RecordOf<typeof TextResponse.layout>;
