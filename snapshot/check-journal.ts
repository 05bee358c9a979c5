/**
 * The journal as the check reads it: records decoded from FORMAT.md alone, and the chain of them that
 * continues a checkpoint. Segments are taken as heaps of records; the chain goes from each record to the one
 * that has the next sequence and names it as its predecessor. Where two do, an opening has cut the journal
 * there and gone on otherwise: the chain goes to the one with the higher epoch.
 */

import { Fields } from './check-bytes.ts';
import { type CheckedChange, readChange } from './check-catalogue.ts';
import type { Checksum } from './checksum.ts';
import type { JournalSpace } from './medium/medium.ts';

const MAGIC = 0x524a4c53;
const HEADER_BYTES = 32;
const EXTENT_BYTES = 32;
const ALIGNMENT = 8;

const EXTENT_NAMES = [
  '',
  'write',
  'patch',
  'hole',
  'patch-hole',
  'reclaim',
  'merge',
  'sweep',
  'share',
  'move',
] as const;
type ExtentName = Exclude<(typeof EXTENT_NAMES)[number], ''>;

export interface CheckedExtent {
  readonly kind: ExtentName;
  readonly vlun: number;
  readonly block: number;
  readonly blocks: number;
  readonly place: number;
  /** The checksum of each block; undefined where the extent has no places. */
  readonly sums: Uint32Array | undefined;
}

export type CheckedBody =
  | { readonly kind: 'write'; readonly extents: readonly CheckedExtent[] }
  | { readonly kind: 'structure'; readonly change: CheckedChange }
  | { readonly kind: 'mark'; readonly flushed: number }
  | { readonly kind: 'segment'; readonly pool: string }
  | { readonly kind: 'checkpoint'; readonly covered: number };

export interface CheckedRecord {
  readonly bytes: number;
  readonly checksum: number;
  readonly previous: number;
  readonly sequence: number;
  readonly epoch: number;
  readonly body: CheckedBody;
}

/** The record that begins there, or why none does. */
export function readRecord(bytes: Uint8Array, offset: number, checksum: Checksum): CheckedRecord | string {
  if (offset + HEADER_BYTES > bytes.byteLength) return 'the bytes end';
  const head = new Fields(bytes.subarray(offset, offset + HEADER_BYTES));
  if (head.u32(0) !== MAGIC) return 'there is no magic';
  const whole = head.u32(8);
  if (whole < HEADER_BYTES || whole % ALIGNMENT !== 0 || offset + whole > bytes.byteLength) {
    return 'its length is wrong';
  }
  if (checksum(bytes.subarray(offset + 8, offset + whole)) !== head.u32(4)) return 'its checksum is wrong';
  const body = readBody(head.u16(28), bytes.subarray(offset + HEADER_BYTES, offset + whole));
  if (body === undefined) return 'its form is unknown';
  return {
    bytes: whole,
    checksum: head.u32(4),
    previous: head.u32(12),
    sequence: head.u64(16),
    epoch: head.u32(24),
    body,
  };
}

function readBody(kind: number, payload: Uint8Array): CheckedBody | undefined {
  if (payload.byteLength < 8) return undefined;
  const fields = new Fields(payload);
  switch (kind) {
    case 1:
      return readWrite(fields);
    case 2:
      return readStructure(fields);
    case 3:
      return { kind: 'mark', flushed: fields.u64(0) };
    case 4:
      return payload.byteLength === 16 ? { kind: 'segment', pool: hexadecimal(payload) } : undefined;
    case 5:
      return { kind: 'checkpoint', covered: fields.u64(0) };
    default:
      return undefined;
  }
}

function hexadecimal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function readWrite(fields: Fields): CheckedBody | undefined {
  const extentCount = fields.u32(0);
  const sumCount = fields.u32(4);
  const sumsAt = 8 + extentCount * EXTENT_BYTES;
  const wanted = sumsAt + sumCount * 4;
  if (fields.bytes.byteLength !== Math.ceil(wanted / ALIGNMENT) * ALIGNMENT) return undefined;
  const extents: CheckedExtent[] = [];
  let sumsTaken = 0;
  for (let at = 8; at < sumsAt; at += EXTENT_BYTES) {
    const kind = EXTENT_NAMES[fields.u8(at)];
    if (kind === undefined || kind === '') return undefined;
    const blocks = fields.u32(at + 24);
    const stores = kind === 'write' || kind === 'patch' || kind === 'share' || kind === 'move';
    if (stores && sumsTaken + blocks > sumCount) return undefined;
    const from = sumsAt + sumsTaken * 4;
    const sums = stores
      ? Uint32Array.from({ length: blocks }, (_, i) => fields.u32(from + i * 4))
      : undefined;
    if (stores) sumsTaken += blocks;
    extents.push({
      kind,
      vlun: fields.u32(at + 4),
      block: fields.u64(at + 8),
      blocks,
      place: fields.u64(at + 16),
      sums,
    });
  }
  return sumsTaken === sumCount ? { kind: 'write', extents } : undefined;
}

function readStructure(fields: Fields): CheckedBody | undefined {
  const textBytes = fields.u32(0);
  if (8 + textBytes > fields.bytes.byteLength) return undefined;
  const json = readJson(fields.bytes.subarray(8, 8 + textBytes));
  return json === undefined ? undefined : { kind: 'structure', change: readChange(json.value) };
}

/** The value of a text, or undefined when it is no JSON. */
export function readJson(text: Uint8Array): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text)) };
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof TypeError) return undefined;
    throw cause;
  }
}

/** Where a chain begins or ends. */
export interface ChainEnd {
  readonly sequence: number;
  readonly checksum: number;
}

export interface Chain {
  readonly records: readonly CheckedRecord[];
  /** The greatest sequence that any flush mark proves, wherever it stands. */
  readonly flushed: number;
}

/** The records that continue the checkpoint, from the segments it still needs. */
export async function readChain(
  journal: JournalSpace,
  from: ChainEnd & { readonly epoch: number; readonly segment: number },
  checksum: Checksum,
): Promise<Chain> {
  const bySequence = new Map<number, CheckedRecord[]>();
  let flushed = from.sequence;
  for await (const { number: segment, bytes } of journal.replay()) {
    if (segment < from.segment) continue;
    for (const record of recordsIn(bytes, checksum)) {
      if (record.epoch < from.epoch) continue;
      if (record.body.kind === 'mark') flushed = Math.max(flushed, record.body.flushed);
      const same = bySequence.get(record.sequence) ?? [];
      same.push(record);
      bySequence.set(record.sequence, same);
    }
  }
  const records: CheckedRecord[] = [];
  let end: ChainEnd = from;
  for (;;) {
    const next = (bySequence.get(end.sequence + 1) ?? [])
      .filter(({ previous }) => previous === end.checksum)
      .sort((a, b) => b.epoch - a.epoch)[0];
    if (next === undefined) return { records, flushed };
    records.push(next);
    end = next;
  }
}

/** Every whole record in a segment, those behind damage included. */
function* recordsIn(bytes: Uint8Array, checksum: Checksum): Generator<CheckedRecord> {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset + HEADER_BYTES <= bytes.byteLength; ) {
    if (words.getUint32(offset, true) !== MAGIC) {
      offset += ALIGNMENT;
      continue;
    }
    const record = readRecord(bytes, offset, checksum);
    if (typeof record !== 'string') yield record;
    offset += typeof record === 'string' ? ALIGNMENT : record.bytes;
  }
}

/** A record in words, for those who read along. */
export function describeRecord({ body }: CheckedRecord): string {
  if (body.kind === 'write') {
    return body.extents
      .map((one) => `${one.kind} ${one.vlun}:${one.block}+${one.blocks}@${one.place}`)
      .join(', ');
  }
  if (body.kind === 'mark') return `mark ${body.flushed}`;
  if (body.kind === 'checkpoint') return `checkpoint ${body.covered}`;
  if (body.kind === 'segment') return `segment of pool ${body.pool}`;
  const { vluns, images, snapshots, documents } = body.change;
  return `structure ${JSON.stringify({ vluns, images, snapshots, documents })}`;
}
