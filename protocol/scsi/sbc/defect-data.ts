/**
 * READ DEFECT DATA (SBC-3 §5.17, §5.18). A store that moves every write to a fresh place has no list of bad
 * places to show: both the primary and the grown defect list are valid and empty, in whatever format of the
 * standard is asked for.
 */
import { bit, bits, u16, u32 } from 'node-iscsi-pdu/fields';
import { command } from '../command.ts';
import { invalidCdbField, type Outcome, truncated } from '../outcome.ts';

/** DEFECT LIST FORMAT (SBC-3 Table 45): 110b is vendor specific and 111b reserved. */
const FORMAT_MAX = 5;

interface Lists {
  readonly requestPrimaryList: boolean;
  readonly requestGrownList: boolean;
  readonly format: number;
}

/** PLISTV, GLISTV and the format, for the second byte of the header. */
function flagsOf({ requestPrimaryList, requestGrownList, format }: Lists): number {
  return (requestPrimaryList ? 0x10 : 0) | (requestGrownList ? 0x08 : 0) | format;
}

function listFields(byte: 1 | 2) {
  return {
    requestPrimaryList: bit(byte, 4),
    requestGrownList: bit(byte, 3),
    format: bits(byte, 2, 0),
  };
}

export const READ_DEFECT_DATA_10 = command({
  name: 'READ DEFECT DATA(10)',
  opcode: 0x37,
  cite: 'SBC-3 §5.17',
  cdbBytes: 10,
  cdb: { ...listFields(2), allocationLength: u16(7) },
  needsMedium: true,
  writes: false,
  reserved: 'read',
  reserved6: 'conflict',
  run(_request, { allocationLength, ...lists }): Outcome {
    if (lists.format > FORMAT_MAX) return invalidCdbField(2, 2);
    return truncated(Uint8Array.of(0, flagsOf(lists), 0, 0), allocationLength);
  },
});

export const READ_DEFECT_DATA_12 = command({
  name: 'READ DEFECT DATA(12)',
  opcode: 0xb7,
  cite: 'SBC-3 §5.18',
  cdbBytes: 12,
  cdb: { ...listFields(1), addressDescriptorIndex: u32(2), allocationLength: u32(6) },
  needsMedium: true,
  writes: false,
  reserved: 'read',
  reserved6: 'conflict',
  run(_request, { addressDescriptorIndex, allocationLength, ...lists }): Outcome {
    if (lists.format > FORMAT_MAX) return invalidCdbField(1, 2);
    // An index past the end of the list gives what is left of it: here always nothing (SBC-3 §5.18.1).
    return truncated(Uint8Array.of(0, flagsOf(lists), 0, 0, 0, 0, 0, 0), allocationLength);
  },
});
