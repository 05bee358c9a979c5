/** REPORT SUPPORTED OPERATION CODES (SPC-4 §6.35): read off the rows. */
import { bit, bits, u8, u16, u32 } from 'node-iscsi-pdu/fields';
import type { LogicalUnit } from '../../../lun/logical-unit.ts';
import { type CommandRow, type CommandTable, command } from '../command.ts';
import { invalidCdbField, type Outcome, truncated } from '../outcome.ts';
import { concatenated, u16Bytes, u32Bytes } from '../parameter-data.ts';

/** REPORTING OPTIONS field (SPC-4 Table 311). */
const ReportingOptions = { ALL: 0, OPCODE: 1, SERVICE_ACTION: 2, EITHER: 3 } as const;

/** SUPPORT field (SPC-4 Table 314). */
const Support = { NOT_SUPPORTED: 1, AS_STANDARD: 3 } as const;

/** Seconds after which an initiator may ask what became of a command. */
const RECOMMENDED_TIMEOUT_SECONDS = 30;
const TIMEOUTS_LENGTH = 0x0a;

/** Command timeouts descriptor (SPC-4 §6.35.4); no nominal time is stated. */
function timeouts(): Uint8Array {
  return concatenated(
    u16Bytes(TIMEOUTS_LENGTH),
    u16Bytes(0),
    u32Bytes(0),
    u32Bytes(RECOMMENDED_TIMEOUT_SECONDS),
  );
}

const SERVACTV = 0x01;
const CTDP_OF_ALL = 0x02;
const CTDP_OF_ONE = 0x80;

interface Asked {
  readonly unit: LogicalUnit;
  readonly withTimeouts: boolean;
}

function isAvailable(row: CommandRow, unit: LogicalUnit): boolean {
  return row.available === undefined || row.available(unit);
}

function all(table: CommandTable, { unit, withTimeouts }: Asked): Uint8Array {
  const descriptors = table.rows
    .filter((row) => isAvailable(row, unit))
    .map((row) => {
      const servactv = row.serviceAction === undefined ? 0 : SERVACTV;
      const flags = servactv | (withTimeouts ? CTDP_OF_ALL : 0);
      const descriptor = concatenated(
        Uint8Array.of(row.opcode, 0),
        u16Bytes(row.serviceAction ?? 0),
        Uint8Array.of(0, flags),
        u16Bytes(row.cdbBytes),
      );
      return withTimeouts ? concatenated(descriptor, timeouts()) : descriptor;
    });
  const body = concatenated(...descriptors);
  return concatenated(u32Bytes(body.byteLength), body);
}

function one(row: CommandRow | undefined, { unit, withTimeouts }: Asked): Uint8Array {
  if (row === undefined || !isAvailable(row, unit)) return Uint8Array.of(0, Support.NOT_SUPPORTED, 0, 0);
  const flags = Support.AS_STANDARD | (withTimeouts ? CTDP_OF_ONE : 0);
  const data = concatenated(Uint8Array.of(0, flags), u16Bytes(row.cdbBytes), row.usage);
  return withTimeouts ? concatenated(data, timeouts()) : data;
}

interface Fields {
  readonly reportingOptions: number;
  readonly requestedOperationCode: number;
  readonly requestedServiceAction: number;
}

/** The answer, or undefined for a combination that the standard calls an error: see Table 311. */
function report(table: CommandTable, fields: Fields, asked: Asked): Uint8Array | undefined {
  const { reportingOptions, requestedOperationCode: opcode, requestedServiceAction } = fields;
  const hasActions = table.hasServiceActions(opcode);
  switch (reportingOptions) {
    case ReportingOptions.ALL:
      return all(table, asked);
    case ReportingOptions.OPCODE:
      return hasActions ? undefined : one(table.findBy(opcode, undefined), asked);
    case ReportingOptions.SERVICE_ACTION:
      if (!hasActions && table.findBy(opcode, undefined) !== undefined) return undefined;
      return one(table.findBy(opcode, requestedServiceAction), asked);
    case ReportingOptions.EITHER:
      if (!hasActions && requestedServiceAction !== 0) return one(undefined, asked);
      return one(table.findBy(opcode, hasActions ? requestedServiceAction : undefined), asked);
    default:
      return undefined;
  }
}

export const REPORT_SUPPORTED_OPERATION_CODES = command({
  name: 'REPORT SUPPORTED OPERATION CODES',
  opcode: 0xa3,
  serviceAction: 0x0c,
  cite: 'SPC-4 §6.35',
  cdbBytes: 12,
  cdb: {
    returnTimeouts: bit(2, 7),
    reportingOptions: bits(2, 2, 0),
    requestedOperationCode: u8(3),
    requestedServiceAction: u16(4),
    allocationLength: u32(6),
  },
  needsMedium: false,
  writes: false,
  reserved: 'read',
  reserved6: 'conflict',
  runsInSanitize: true,
  run({ target, server }, fields): Outcome {
    const asked = { unit: server.unit, withTimeouts: fields.returnTimeouts };
    const data = report(target.commands, fields, asked);
    if (data !== undefined) return truncated(data, fields.allocationLength);
    return fields.reportingOptions > ReportingOptions.EITHER ? invalidCdbField(2, 2) : invalidCdbField(3);
  },
});

/** ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET and TARGET RESET. */
const TASK_MANAGEMENT_BITS = 0x80 | 0x40 | 0x10 | 0x08 | 0x02;

export const REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS = command({
  name: 'REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS',
  opcode: 0xa3,
  serviceAction: 0x0d,
  cite: 'SPC-4 §6.36',
  cdbBytes: 12,
  cdb: { reportExtended: bit(2, 7), allocationLength: u32(6) },
  needsMedium: false,
  writes: false,
  reserved: 'read',
  reserved6: 'conflict',
  runsInSanitize: true,
  run(_request, { reportExtended, allocationLength }) {
    const data = new Uint8Array(reportExtended ? 16 : 4);
    data[0] = TASK_MANAGEMENT_BITS;
    if (reportExtended) data[3] = data.byteLength - 4;
    return truncated(data, allocationLength);
  },
});
