import { bit, bits, type RecordOf, raw, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode } from './define.ts';

/** Types, RFC 7143 §11.16.1. */
export const SnackType = { DATA_OR_R2T: 0, STATUS: 1, DATA_ACK: 2, R_DATA: 3 } as const;
export type SnackType = (typeof SnackType)[keyof typeof SnackType];

/** `targetTransferTag` holds the SNACK Tag when the type is R-Data. */
export const SnackRequest = definePdu({
  name: 'SNACK Request',
  opcode: Opcode.SNACK_REQUEST,
  cite: 'RFC 7143 §11.16',
  layout: {
    final: bit(1, 7),
    type: bits(1, 3, 0),
    ...LENGTHS,
    lun: raw(8, 8),
    initiatorTaskTag: u32(16),
    targetTransferTag: u32(20),
    expStatSN: u32(28),
    begRun: u32(40),
    runLength: u32(44),
  },
  defaults: { final: true },
});
export type SnackRequest = RecordOf<typeof SnackRequest.layout>;
