/**
 * EXTENDED COPY(LID1) (SPC-4 §6.4): segments of blocks from one unit that the nexus may read to one that it
 * may write, each in its turn. Units of one pool share the blocks; others are read and written.
 */
import { u32 } from 'node-iscsi-pdu/fields';
import { copyBlocks } from '../../../lun/copy-blocks.ts';
import { StoreError } from '../../../lun/errors.ts';
import { type BlockRange, toRange } from '../../../lun/units.ts';
import { command, type Request } from '../command.ts';
import type { DeviceServer } from '../device-server.ts';
import { checkCondition, DONE, type Failure, type Outcome, received } from '../outcome.ts';
import { writeOptions } from '../sbc/transfer.ts';
import { Sense, type SenseCode } from '../sense.ts';
import { isDesignatedBy } from '../spc/vpd.ts';
import {
  type CopyParameters,
  type CscdDescriptor,
  readCopyParameters,
  type SegmentDescriptor,
} from './copy-parameters.ts';
import { beginCopy, type CopyResult, resultsOf } from './copy-results.ts';
import { OWN_UNIT } from './limits.ts';
import { accessRefusal } from './reachable.ts';

export const EXTENDED_COPY = command({
  name: 'EXTENDED COPY(LID1)',
  opcode: 0x83,
  serviceAction: 0x00,
  cite: 'SPC-4 §6.4',
  cdbBytes: 16,
  cdb: { parameterListLength: u32(10) },
  needsMedium: false,
  writes: false,
  reserved: 'write',
  reserved6: 'conflict',
  run(request, { parameterListLength }): Outcome | Promise<Outcome> {
    if (parameterListLength === 0) return DONE;
    const parameters = readCopyParameters(request.task.dataOut.subarray(0, parameterListLength));
    if ('failure' in parameters) return parameters;
    const result = beginCopy(resultsOf(request.nexus.copies, request.server.unit), parameters.listId);
    if (!('state' in result)) return result;
    return copyAll(request, parameters, result).then((failure) => failure ?? received(parameterListLength));
  },
});

/** Why it ended before the end, if so. */
async function copyAll(
  request: Request,
  { cscds, segments }: CopyParameters,
  result: CopyResult,
): Promise<Failure | undefined> {
  try {
    for (const segment of segments) {
      const copied = await copySegment(request, cscds, segment);
      if (typeof copied !== 'number') {
        result.failure = { ...copied, detail: { ...copied.detail, segment: result.segmentsProcessed } };
        return result.failure;
      }
      result.segmentsProcessed += 1;
      result.bytesCopied += copied;
    }
    result.state = 'done';
    return undefined;
  } finally {
    if (result.state === 'running') result.state = 'failed';
  }
}

/** Where the fields of a segment descriptor begin (SPC-4 §6.4.6.5). */
const SegmentByte = { SOURCE: 4, DESTINATION: 6, BLOCKS: 10, SOURCE_LBA: 12, DESTINATION_LBA: 20 } as const;

/** The bytes that were copied. */
async function copySegment(
  request: Request,
  cscds: readonly CscdDescriptor[],
  segment: SegmentDescriptor,
): Promise<number | Failure> {
  const source = unitOf(request, { cscds, index: segment.source, access: 'read' });
  if ('failure' in source) return source;
  const destination = unitOf(request, { cscds, index: segment.destination, access: 'write' });
  if ('failure' in destination) return destination;
  const [from, to] = [source.device, destination.device];
  const counted = segment.countsDestination ? to : from;
  const bytes = segment.blocks * counted.geometry.blockBytes;
  const inexact = bytes % from.geometry.blockBytes !== 0 || bytes % to.geometry.blockBytes !== 0;
  if (inexact) return stopped(Sense.UNEXPECTED_INEXACT_SEGMENT, SegmentByte.BLOCKS);
  const read = rangeOf(source, segment.sourceLba, bytes);
  if (read === undefined) return stopped(Sense.COPY_ABORTED, SegmentByte.SOURCE_LBA);
  const written = rangeOf(destination, segment.destinationLba, bytes);
  if (written === undefined) return stopped(Sense.COPY_ABORTED, SegmentByte.DESTINATION_LBA);
  try {
    await copyBlocks(
      { device: to, range: written },
      { device: from, range: read },
      writeOptions(destination, false),
    );
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return stopped(Sense.THIRD_PARTY_DEVICE_FAILURE);
  }
  return bytes;
}

function stopped(sense: SenseCode, byte?: number): Failure {
  return checkCondition(sense, byte === undefined ? {} : { field: { of: 'segment', byte } });
}

function rangeOf({ device }: DeviceServer, lba: number, bytes: number): BlockRange | undefined {
  return toRange(lba, bytes / device.geometry.blockBytes, device.geometry);
}

interface Wanted {
  readonly cscds: readonly CscdDescriptor[];
  readonly index: number;
  readonly access: 'read' | 'write';
}

/** The unit that a segment names, when the nexus may use it so. */
function unitOf(request: Request, { cscds, index, access }: Wanted): DeviceServer | Failure {
  const { target, nexus, task } = request;
  const byte = access === 'read' ? SegmentByte.SOURCE : SegmentByte.DESTINATION;
  let server: DeviceServer | undefined = request.server;
  if (index !== OWN_UNIT) {
    const cscd = cscds[index];
    if (cscd === undefined) return stopped(Sense.UNREACHABLE_COPY_TARGET, byte);
    server = [...target.unitsOf(nexus)].find(({ unit }) => isDesignatedBy(target.product, unit, cscd));
    if (server === undefined) return stopped(Sense.COPY_TARGET_DEVICE_NOT_REACHABLE, byte);
    const { blockBytes } = server.device.geometry;
    if (cscd.blockBytes !== 0 && cscd.blockBytes !== blockBytes)
      return stopped(Sense.INCORRECT_COPY_TARGET_DEVICE_TYPE, byte);
  }
  const refusal = accessRefusal({ server, nexus, task }, access);
  return refusal === undefined ? server : stopped(refusal, byte);
}
