/** The parameter lists of POPULATE TOKEN (SBC-3 §5.7.2) and WRITE USING TOKEN (§5.48.2). */
import { type BlockRange, type Geometry, toRange } from '../../../lun/units.ts';
import {
  checkCondition,
  type Failure,
  invalidParameter,
  LBA_OUT_OF_RANGE,
  PARAMETER_LIST_LENGTH_ERROR,
} from '../outcome.ts';
import { viewOf } from '../parameter-data.ts';
import { Sense } from '../sense.ts';
import {
  TOKEN_BYTES_MAX,
  TOKEN_RANGES_MAX,
  TOKEN_TIMEOUT_DEFAULT_SECONDS,
  TOKEN_TIMEOUT_MAX_SECONDS,
} from './limits.ts';
import { ROD_TOKEN_BYTES, RodType } from './rod-tokens.ts';

const IMMED = 0x01;
const RTV = 0x02;
const DEL_TKN = 0x02;
const RANGE_BYTES = 16;
/** Where BLOCK DEVICE RANGE DESCRIPTOR LENGTH stands. */
const POPULATE_RANGES_AT = 14;
const WRITE_RANGES_AT = 534;
const TOKEN_AT = 16;

export interface PopulateParameters {
  readonly immediate: boolean;
  readonly timeoutMs: number;
  readonly ranges: readonly BlockRange[];
}

export function readPopulate(list: Uint8Array, geometry: Geometry): PopulateParameters | Failure {
  const ranges = readRanges(list, { at: POPULATE_RANGES_AT, geometry });
  if ('failure' in ranges) return ranges;
  const view = viewOf(list);
  const flags = view.getUint8(2);
  const seconds = view.getUint32(4);
  if (seconds > TOKEN_TIMEOUT_MAX_SECONDS) return invalidParameter(4);
  if ((flags & RTV) !== 0 && view.getUint32(8) !== RodType.POINT_IN_TIME_COPY) return invalidParameter(8);
  const bytes = blocksOf(ranges) * geometry.blockBytes;
  if (bytes === 0 || bytes > TOKEN_BYTES_MAX) return invalidParameter(POPULATE_RANGES_AT + 2);
  const timeoutMs = (seconds === 0 ? TOKEN_TIMEOUT_DEFAULT_SECONDS : seconds) * 1000;
  return { immediate: (flags & IMMED) !== 0, timeoutMs, ranges };
}

export interface WriteParameters {
  readonly immediate: boolean;
  readonly deletes: boolean;
  readonly offsetBlocks: number;
  readonly token: Uint8Array;
  readonly ranges: readonly BlockRange[];
}

export function readWrite(list: Uint8Array, geometry: Geometry): WriteParameters | Failure {
  const ranges = readRanges(list, { at: WRITE_RANGES_AT, geometry });
  if ('failure' in ranges) return ranges;
  const view = viewOf(list);
  const flags = view.getUint8(2);
  return {
    immediate: (flags & IMMED) !== 0,
    deletes: (flags & DEL_TKN) !== 0,
    offsetBlocks: Number(view.getBigUint64(8)),
    token: list.slice(TOKEN_AT, TOKEN_AT + ROD_TOKEN_BYTES),
    ranges,
  };
}

export function blocksOf(ranges: readonly BlockRange[]): number {
  return ranges.reduce((sum, { blocks }) => sum + blocks, 0);
}

/** The block device range descriptors (SBC-3 §5.7.3), all inside the unit. */
function readRanges(
  list: Uint8Array,
  { at, geometry }: { readonly at: number; readonly geometry: Geometry },
): BlockRange[] | Failure {
  const begin = at + 2;
  if (list.byteLength < begin) return PARAMETER_LIST_LENGTH_ERROR;
  const view = viewOf(list);
  const bytes = view.getUint16(at);
  if (view.getUint16(0) < begin - 2 + bytes) return invalidParameter(0);
  if (list.byteLength < begin + bytes) return PARAMETER_LIST_LENGTH_ERROR;
  if (bytes === 0 || bytes % RANGE_BYTES !== 0) return invalidParameter(at);
  if (bytes / RANGE_BYTES > TOKEN_RANGES_MAX) return checkCondition(Sense.TOO_MANY_SEGMENT_DESCRIPTORS);
  const ranges: BlockRange[] = [];
  for (let each = begin; each < begin + bytes; each += RANGE_BYTES) {
    const range = toRange(view.getBigUint64(each), view.getUint32(each + 8), geometry);
    if (range === undefined) return LBA_OUT_OF_RANGE;
    ranges.push(range);
  }
  return ranges;
}
