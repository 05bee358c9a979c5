/** The parameter list of EXTENDED COPY(LID1) (SPC-4 §6.4.3), checked before anything is copied. */
import { checkCondition, type Failure, invalidParameter, PARAMETER_LIST_LENGTH_ERROR } from '../outcome.ts';
import { viewOf } from '../parameter-data.ts';
import { Sense } from '../sense.ts';
import {
  BLOCK_TO_BLOCK_SEGMENT,
  CSCD_DESCRIPTOR_BYTES,
  CSCD_DESCRIPTORS_MAX,
  DESCRIPTOR_LIST_BYTES_MAX,
  IDENTIFICATION_CSCD,
  SEGMENT_DESCRIPTOR_BYTES,
  SEGMENT_DESCRIPTORS_MAX,
} from './limits.ts';

const HEADER_BYTES = 16;
/** LIST ID USAGE (SPC-4 Table 131): 01b is reserved. */
const ListIdUsage = { RESERVED: 1, NONE: 3 } as const;

/** A copy source or destination as the list names it. LU ID TYPE says nothing here, and NUL is obsolete. */
export interface CscdDescriptor {
  readonly association: number;
  /** DESIGNATOR TYPE and the designator, as in VPD page 83h. */
  readonly type: number;
  readonly value: Uint8Array;
  /** 0: not said. */
  readonly blockBytes: number;
}

export interface SegmentDescriptor {
  /** Index into the CSCD descriptors; may name none. */
  readonly source: number;
  readonly destination: number;
  /** NUMBER OF BLOCKS counts blocks of the destination (DC), not of the source. */
  readonly countsDestination: boolean;
  readonly blocks: number;
  readonly sourceLba: number;
  readonly destinationLba: number;
}

export interface CopyParameters {
  /** Undefined: nothing is kept of the copy. */
  readonly listId: number | undefined;
  readonly cscds: readonly CscdDescriptor[];
  readonly segments: readonly SegmentDescriptor[];
}

/** Reads the list; anything wrong in it ends the command before it began (SPC-4 §5.16.7.3). */
export function readCopyParameters(list: Uint8Array): CopyParameters | Failure {
  if (list.byteLength < HEADER_BYTES) return PARAMETER_LIST_LENGTH_ERROR;
  const view = viewOf(list);
  const usage = (view.getUint8(1) >> 3) & 0x03;
  const listId = view.getUint8(0);
  if (usage === ListIdUsage.RESERVED) return invalidParameter(1, 4);
  if (usage === ListIdUsage.NONE && listId !== 0) return invalidParameter(0);
  const cscdBytes = view.getUint16(2);
  const segmentBytes = view.getUint32(8);
  const segmentsAt = HEADER_BYTES + cscdBytes;
  if (cscdBytes % CSCD_DESCRIPTOR_BYTES !== 0) return invalidParameter(2);
  if (view.getUint32(12) !== 0) return checkCondition(Sense.INLINE_DATA_LENGTH_EXCEEDED);
  if (cscdBytes + segmentBytes > DESCRIPTOR_LIST_BYTES_MAX) return PARAMETER_LIST_LENGTH_ERROR;
  if (list.byteLength < segmentsAt + segmentBytes) return PARAMETER_LIST_LENGTH_ERROR;
  const cscds = readCscds(list.subarray(HEADER_BYTES, segmentsAt));
  if ('failure' in cscds) return cscds;
  const segments = readSegments(list.subarray(0, segmentsAt + segmentBytes), segmentsAt);
  if ('failure' in segments) return segments;
  return { listId: usage === ListIdUsage.NONE ? undefined : listId, cscds, segments };
}

function readCscds(list: Uint8Array): CscdDescriptor[] | Failure {
  if (list.byteLength / CSCD_DESCRIPTOR_BYTES > CSCD_DESCRIPTORS_MAX) {
    return checkCondition(Sense.TOO_MANY_TARGET_DESCRIPTORS);
  }
  const cscds: CscdDescriptor[] = [];
  for (let at = 0; at < list.byteLength; at += CSCD_DESCRIPTOR_BYTES) {
    const bytes = list.subarray(at, at + CSCD_DESCRIPTOR_BYTES);
    const view = viewOf(bytes);
    if (view.getUint8(0) !== IDENTIFICATION_CSCD) {
      return checkCondition(Sense.UNSUPPORTED_TARGET_DESCRIPTOR_TYPE_CODE);
    }
    const designatorBytes = view.getUint8(7);
    if (designatorBytes > 20) return invalidParameter(HEADER_BYTES + at + 7);
    cscds.push({
      association: (view.getUint8(5) >> 4) & 0x03,
      type: view.getUint8(5) & 0x0f,
      value: bytes.slice(8, 8 + designatorBytes),
      blockBytes: view.getUint32(28) & 0xffffff,
    });
  }
  return cscds;
}

function readSegments(list: Uint8Array, from: number): SegmentDescriptor[] | Failure {
  const segments: SegmentDescriptor[] = [];
  for (let at = from; at < list.byteLength; at += SEGMENT_DESCRIPTOR_BYTES) {
    if (segments.length === SEGMENT_DESCRIPTORS_MAX) {
      return checkCondition(Sense.TOO_MANY_SEGMENT_DESCRIPTORS);
    }
    if (list[at] !== BLOCK_TO_BLOCK_SEGMENT) {
      return checkCondition(Sense.UNSUPPORTED_SEGMENT_DESCRIPTOR_TYPE_CODE);
    }
    if (at + SEGMENT_DESCRIPTOR_BYTES > list.byteLength) return PARAMETER_LIST_LENGTH_ERROR;
    const view = viewOf(list.subarray(at, at + SEGMENT_DESCRIPTOR_BYTES));
    if (view.getUint16(2) !== SEGMENT_DESCRIPTOR_BYTES - 4) return invalidParameter(at + 2);
    segments.push({
      countsDestination: (view.getUint8(1) & 0x02) !== 0,
      source: view.getUint16(4),
      destination: view.getUint16(6),
      blocks: view.getUint16(10),
      sourceLba: Number(view.getBigUint64(12)),
      destinationLba: Number(view.getBigUint64(20)),
    });
  }
  return segments;
}
