import { bits, u32 } from 'node-iscsi-pdu/fields';
import { command } from '../command.ts';
import { invalidCdbField, type Outcome, truncated } from '../outcome.ts';
import { concatenated, u16Bytes, u32Bytes } from '../parameter-data.ts';

/** ASYMMETRIC ACCESS STATE active/optimized, set by nobody (SPC-4 §6.37). */
const ACTIVE_OPTIMIZED = 0x00;
/** AO_SUP: the only state there is. */
const ACTIVE_OPTIMIZED_SUPPORTED = 0x01;

/** PARAMETER DATA FORMAT field: length only header, or extended header (SPC-4 Table 319). */
const DataFormat = { LENGTH_ONLY: 0, EXTENDED: 1 } as const;
const EXTENDED_FORMAT = 0x10;

/** One target port group with the one port that a target has; it is always active. */
export const REPORT_TARGET_PORT_GROUPS = command({
  name: 'REPORT TARGET PORT GROUPS',
  opcode: 0xa3,
  serviceAction: 0x0a,
  cite: 'SPC-4 §6.37',
  cdbBytes: 12,
  cdb: { parameterDataFormat: bits(1, 7, 5), allocationLength: u32(6) },
  needsMedium: false,
  writes: false,
  reserved: 'allowed',
  reserved6: 'conflict',
  run({ target }, { parameterDataFormat, allocationLength }): Outcome {
    if (parameterDataFormat > DataFormat.EXTENDED) return invalidCdbField(1, 7);
    const group = concatenated(
      Uint8Array.of(ACTIVE_OPTIMIZED, ACTIVE_OPTIMIZED_SUPPORTED),
      u16Bytes(target.portGroupTag),
      Uint8Array.of(0, 0, 0, 1),
      u16Bytes(0),
      u16Bytes(target.portGroupTag),
    );
    const extended = Uint8Array.of(EXTENDED_FORMAT, 0, 0, 0);
    const body = parameterDataFormat === DataFormat.EXTENDED ? concatenated(extended, group) : group;
    return truncated(concatenated(u32Bytes(body.byteLength), body), allocationLength);
  },
});
