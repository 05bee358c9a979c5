/** Reads records (`journal-record.ts`). Total: any bytes give a record or the reason why there is none. */
import type { Checksum } from './checksum.ts';
import {
  EXTENT_BYTES,
  type Extent,
  type ExtentKind,
  hasSums,
  RECORD_BYTES_MAX,
  RECORD_HEADER_BYTES,
  RECORD_KINDS,
  RECORD_MAGIC,
  type RecordBody,
  type WriteBody,
  writeRecordBytes,
} from './journal-record.ts';

const EXTENT_KIND_NAMES: ReadonlyArray<ExtentKind | undefined> = [
  undefined,
  'write',
  'patch',
  'hole',
  'patch-hole',
  'reclaim',
  'merge',
  'sweep',
  'share',
  'move',
];

/** A record that proved itself, before its predecessor was compared. */
export interface RawRecord {
  readonly bytes: number;
  readonly checksum: number;
  readonly previous: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly flags: number;
  readonly body: RecordBody;
}

/** The record at `offset`, or in words why there is none. Total: any bytes give one or the other. */
export function decodeRecord(bytes: Uint8Array, offset: number, checksum: Checksum): RawRecord | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (offset + RECORD_HEADER_BYTES > bytes.byteLength) return 'the segment ends';
  if (view.getUint32(offset, true) !== RECORD_MAGIC) return 'no record begins there';
  const whole = view.getUint32(offset + 8, true);
  if (whole % 8 !== 0 || whole < RECORD_HEADER_BYTES || whole > RECORD_BYTES_MAX)
    return 'its length is impossible';
  if (offset + whole > bytes.byteLength) return 'it is longer than its segment';
  const sum = view.getUint32(offset + 4, true);
  if (checksum(bytes.subarray(offset + 8, offset + whole)) !== sum) return 'its checksum is wrong';
  const sequence = u64At(view, offset + 16);
  const body = decodeBody(
    view.getUint16(offset + 28, true),
    bytes.subarray(offset + RECORD_HEADER_BYTES, offset + whole),
  );
  if (sequence === undefined || body === undefined) return 'its form is unknown';
  return {
    bytes: whole,
    checksum: sum,
    previous: view.getUint32(offset + 12, true),
    sequence,
    epoch: view.getUint32(offset + 24, true),
    flags: view.getUint16(offset + 30, true),
    body,
  };
}

/** A number up to 2^53 - 1, or undefined when it is larger. */
function u64At(view: DataView, offset: number): number | undefined {
  const value = view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
  return Number.isSafeInteger(value) ? value : undefined;
}

function decodeBody(kind: number, payload: Uint8Array): RecordBody | undefined {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  if (payload.byteLength < 8) return undefined;
  if (kind === RECORD_KINDS.write) return decodeWrite(view);
  if (kind === RECORD_KINDS.structure) return decodeStructure(view, payload);
  if (kind === RECORD_KINDS.mark) {
    const flushedSequence = u64At(view, 0);
    return flushedSequence === undefined ? undefined : { kind: 'mark', flushedSequence };
  }
  if (kind === RECORD_KINDS.checkpoint) {
    const sequence = u64At(view, 0);
    return sequence === undefined ? undefined : { kind: 'checkpoint', sequence };
  }
  if (kind !== RECORD_KINDS.segment || payload.byteLength !== 16) return undefined;
  return {
    kind: 'segment',
    pool: Array.from(payload, (byte) => byte.toString(16).padStart(2, '0')).join(''),
  };
}

function decodeWrite(view: DataView): WriteBody | undefined {
  const extentCount = view.getUint32(0, true);
  const sumCount = view.getUint32(4, true);
  if (view.byteLength !== writeRecordBytes(extentCount, sumCount) - RECORD_HEADER_BYTES) return undefined;
  const extents: Extent[] = [];
  let blocks = 0;
  for (let at = 8; at < 8 + extentCount * EXTENT_BYTES; at += EXTENT_BYTES) {
    const extent = decodeExtent(view, at);
    if (extent === undefined) return undefined;
    if (hasSums(extent.kind)) blocks += extent.blocks;
    extents.push(extent);
  }
  if (blocks !== sumCount) return undefined;
  const sums = new Uint32Array(sumCount);
  const sumsAt = 8 + extentCount * EXTENT_BYTES;
  for (let at = 0; at < sumCount; at += 1) sums[at] = view.getUint32(sumsAt + at * 4, true);
  return { kind: 'write', extents, sums };
}

function decodeExtent(view: DataView, at: number): Extent | undefined {
  const kind = EXTENT_KIND_NAMES[view.getUint8(at)];
  const block = u64At(view, at + 8);
  const place = u64At(view, at + 16);
  if (kind === undefined || block === undefined || place === undefined) return undefined;
  return { kind, vlun: view.getUint32(at + 4, true), block, blocks: view.getUint32(at + 24, true), place };
}

function decodeStructure(view: DataView, payload: Uint8Array): RecordBody | undefined {
  const textBytes = view.getUint32(0, true);
  if (8 + textBytes > payload.byteLength) return undefined;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(payload.subarray(8, 8 + textBytes));
    return { kind: 'structure', json: JSON.parse(text) as unknown };
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof TypeError) return undefined;
    throw cause;
  }
}
