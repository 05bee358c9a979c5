/**
 * FORMAT UNIT (SBC-3 §5.4): every block is given back, so the unit reads as zeroes. Its block length and
 * capacity stay what the operator made them. There are no defects to list and no pattern to choose: blocks
 * without data read as zeroes whatever would be stored in them. Snapshots keep what they have.
 *
 * Meanwhile commands that need the medium answer NOT READY, FORMAT IN PROGRESS, with the progress
 * (§4.33). With IMMED the answer comes before that; should the format then fail, the nexus that asked is
 * told at its next command.
 */
import { bit, bits, u8 } from 'node-iscsi-pdu/fields';
import type { MaybePromise } from '../../../lun/units.ts';
import { command, type Request } from '../command.ts';
import { FORMAT_STEP_BLOCKS } from '../limits.ts';
import {
  type Failure,
  invalidCdbField,
  invalidParameter,
  type Outcome,
  PARAMETER_LIST_LENGTH_ERROR,
  received,
  storeFailure,
} from '../outcome.ts';
import { viewOf } from '../parameter-data.ts';
import { Sense } from '../sense.ts';
import { blockRange, writeOptions } from './transfer.ts';

const SHORT_HEADER_BYTES = 4;
const LONG_HEADER_BYTES = 8;
const PROTECTION_FIELD_USAGE = 0x07;
/** Byte 1 of the parameter list header (SBC-3 Table 36). */
const FOV = 0x80;
const DPRY_DCRT_STPF = 0x70;
const IP = 0x08;
const DSP = 0x04;
const IMMED = 0x02;

interface Wish {
  readonly listBytes: number;
  readonly immediate: boolean;
}

const DEFAULT: Wish = { listBytes: 0, immediate: false };

/** What the parameter list asks for, or why that cannot be had. */
function wishOf(list: Uint8Array, longList: boolean): Wish | Failure {
  const listBytes = longList ? LONG_HEADER_BYTES : SHORT_HEADER_BYTES;
  if (list.byteLength < listBytes) return PARAMETER_LIST_LENGTH_ERROR;
  if (((list[0] as number) & PROTECTION_FIELD_USAGE) !== 0) return invalidParameter(0, 2);
  const flags = list[1] as number;
  // Without FOV the options are for the target to choose and must be zero.
  if ((flags & FOV) === 0 && (flags & (DPRY_DCRT_STPF | IP | DSP)) !== 0) return invalidParameter(1, 7);
  if ((flags & IP) !== 0) return invalidParameter(1, 3);
  const view = viewOf(list);
  if (longList && list[3] !== 0) return invalidParameter(3);
  const defectListBytes = longList ? view.getUint32(4) : view.getUint16(2);
  if (defectListBytes !== 0) return invalidParameter(longList ? 4 : 2);
  return { listBytes, immediate: (flags & IMMED) !== 0 };
}

/** Gives every block back, step by step. The unit may be given another size meanwhile. */
async function format({ server }: Request): Promise<void> {
  try {
    for (let lba = 0; lba < server.device.geometry.capacityBlocks; lba += FORMAT_STEP_BLOCKS) {
      const { capacityBlocks } = server.device.geometry;
      server.formatProgress = lba / capacityBlocks;
      const range = blockRange(lba, Math.min(FORMAT_STEP_BLOCKS, capacityBlocks - lba));
      await server.device.unmap([range], writeOptions(server, false));
    }
    await server.device.flush();
  } finally {
    server.formatProgress = undefined;
  }
}

function inBackground(request: Request): void {
  const { server, nexus } = request;
  format(request).catch((error: unknown) => {
    // Only what the store says is an outcome; `storeFailure` throws the rest on, as our own fault.
    storeFailure(error, 'write');
    nexus.attentions.raise(server, Sense.FORMAT_COMMAND_FAILED);
  });
}

export const FORMAT_UNIT = command({
  name: 'FORMAT UNIT',
  opcode: 0x04,
  cite: 'SBC-3 §5.4',
  cdbBytes: 6,
  cdb: {
    longList: bit(1, 5),
    formatData: bit(1, 4),
    completeList: bit(1, 3),
    defectListFormat: bits(1, 2, 0),
    vendorSpecific: u8(2),
  },
  refused: { formatProtectionInformation: bits(1, 7, 6) },
  needsMedium: true,
  writes: true,
  reserved: 'write',
  reserved6: 'conflict',
  run(request, { longList, formatData }): MaybePromise<Outcome> {
    const { task } = request;
    if (longList && !formatData) return invalidCdbField(1, 5);
    const wish = formatData ? wishOf(task.dataOut, longList) : DEFAULT;
    if ('failure' in wish) return wish;
    const result = received(wish.listBytes);
    if (!wish.immediate) return format(request).then(() => result);
    inBackground(request);
    return result;
  },
});
