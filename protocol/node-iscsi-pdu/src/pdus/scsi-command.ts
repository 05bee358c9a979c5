import { bit, bits, type RecordOf, raw, u8, u32 } from '../fields.ts';
import { definePdu, LENGTHS, Opcode } from './define.ts';

/** Task attributes, RFC 7143 §11.3.1. */
export const TaskAttribute = { UNTAGGED: 0, SIMPLE: 1, ORDERED: 2, HEAD_OF_QUEUE: 3, ACA: 4 } as const;
export type TaskAttribute = (typeof TaskAttribute)[keyof typeof TaskAttribute];

/** Response codes, RFC 7143 §11.4.3; 0x80 to 0xff are the vendor's. */
export const ScsiResponseCode = { COMMAND_COMPLETED_AT_TARGET: 0x00, TARGET_FAILURE: 0x01 } as const;
export type ScsiResponseCode = (typeof ScsiResponseCode)[keyof typeof ScsiResponseCode];

export const ScsiCommand = definePdu({
  name: 'SCSI Command',
  opcode: Opcode.SCSI_COMMAND,
  cite: 'RFC 7143 §11.3',
  layout: {
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
  },
});
export type ScsiCommand = RecordOf<typeof ScsiCommand.layout>;

/** Small o, u and capital O, U of the figure: the bidirectional read residual and the residual. */
export const ScsiResponse = definePdu({
  name: 'SCSI Response',
  opcode: Opcode.SCSI_RESPONSE,
  cite: 'RFC 7143 §11.4',
  layout: {
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
  },
  defaults: { final: true },
});
export type ScsiResponse = RecordOf<typeof ScsiResponse.layout>;
