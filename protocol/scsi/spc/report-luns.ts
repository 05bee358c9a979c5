import { u8, u32 } from 'node-iscsi-pdu/fields';
import { command, type TargetFacts } from '../command.ts';
import { lunField } from '../lun-field.ts';
import type { NexusState } from '../nexus-state.ts';
import { invalidCdbField, type Outcome, truncated } from '../outcome.ts';
import { concatenated, u32Bytes } from '../parameter-data.ts';
import { Sense } from '../sense.ts';

/** SELECT REPORT field (SPC-4 Table 304). There are no well known logical units here. */
const SelectReport = { ADDRESSABLE: 0x00, WELL_KNOWN: 0x01, ALL: 0x02 } as const;

/** Shorter allocations are an error of the initiator (SPC-4 §6.33). */
const ALLOCATION_LENGTH_MIN = 16;

interface Fields {
  readonly selectReport: number;
  readonly allocationLength: number;
}

function reportLuns(target: TargetFacts, nexus: NexusState, fields: Fields): Outcome {
  const { selectReport, allocationLength } = fields;
  if (selectReport > SelectReport.ALL) return invalidCdbField(2);
  if (allocationLength < ALLOCATION_LENGTH_MIN) return invalidCdbField(6);
  const numbers = selectReport === SelectReport.WELL_KNOWN ? [] : target.lunNumbers(nexus);
  nexus.attentions.clearEverywhere(Sense.REPORTED_LUNS_DATA_HAS_CHANGED);
  const header = concatenated(u32Bytes(numbers.length * 8), u32Bytes(0));
  return truncated(concatenated(header, ...numbers.map(lunField)), allocationLength);
}

export const REPORT_LUNS = command({
  name: 'REPORT LUNS',
  opcode: 0xa0,
  cite: 'SPC-4 §6.33',
  cdbBytes: 12,
  cdb: { selectReport: u8(2), allocationLength: u32(6) },
  needsMedium: false,
  writes: false,
  reserved: 'allowed',
  reserved6: 'allowed',
  runsInSanitize: true,
  runsIn: 'unavailable',
  ignoresAttention: true,
  run: ({ target, nexus }, fields) => reportLuns(target, nexus, fields),
  absent: ({ target, nexus }, fields) => reportLuns(target, nexus, fields),
});
