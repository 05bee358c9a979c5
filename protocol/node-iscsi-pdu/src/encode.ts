// From records to bytes. The data segment is never copied: a PDU leaves as a list of pieces for one gathered
// write.

import { AHS_BYTES_MAX, paddedTo4 } from './ahs.ts';
import { type Crc32c, DIGEST_BYTES, crc32c as tableCrc32c, writeDigest } from './crc32c.ts';
import type { Layout, RecordOf } from './fields.ts';
import { BHS_BYTES, DATA_SEGMENT_BYTES_MAX, type PduDefinition } from './pdus/define.ts';

export interface EncodeOptions {
  /** Additional header segments as `buildAhs` gives them: a multiple of four bytes. */
  readonly ahs?: Uint8Array;
  /** The data segment, in one piece or in several that follow each other. */
  readonly data?: Uint8Array | readonly Uint8Array[];
  readonly headerDigest?: boolean;
  readonly dataDigest?: boolean;
  /** A native CRC32C; without it the package's own table is used. */
  readonly crc32c?: Crc32c;
}

const NO_BYTES = new Uint8Array(0);
const PADDING = [NO_BYTES, new Uint8Array(1), new Uint8Array(2), new Uint8Array(3)] as const;

/**
 * The pieces of one PDU, in order and none empty: header with AHSes and header digest; the data as given;
 * padding with data digest. TotalAHSLength and DataSegmentLength are computed, whatever the record says.
 * RangeError when a value does not fit its field.
 */
export function encodePdu<L extends Layout>(
  definition: PduDefinition<L>,
  record: Partial<RecordOf<L>>,
  options: EncodeOptions = {},
): Uint8Array[] {
  const { ahs = NO_BYTES, data = NO_BYTES, crc32c = tableCrc32c } = options;
  const dataPieces = data instanceof Uint8Array ? [data] : data;
  const dataBytes = dataPieces.reduce((total, piece) => total + piece.length, 0);
  const headerBytes = BHS_BYTES + ahs.length;
  const header = new Uint8Array(headerBytes + (options.headerDigest === true ? DIGEST_BYTES : 0));
  writeHeader(definition, record, header);
  writeLengths(header, { ahsBytes: ahs.length, dataBytes });
  header.set(ahs, BHS_BYTES);
  if (options.headerDigest === true) {
    writeDigest(crc32c(header.subarray(0, headerBytes)), header, headerBytes);
  }
  const pieces: Uint8Array[] = [header];
  if (dataBytes === 0) return pieces;
  for (const piece of dataPieces) if (piece.length > 0) pieces.push(piece);
  const tail = options.dataDigest === true ? digestedTail(pieces, dataBytes, crc32c) : paddingOf(dataBytes);
  if (tail.length > 0) pieces.push(tail);
  return pieces;
}

/**
 * Writes the 48 header bytes into a buffer that the caller owns, lengths as the record says; returns the
 * offset behind them. RangeError when a value does not fit its field or the header does not fit the buffer.
 */
export function writeHeader<L extends Layout>(
  definition: PduDefinition<L>,
  record: Partial<RecordOf<L>>,
  target: Uint8Array,
  offset = 0,
): number {
  definition.encode(record, target, offset);
  return offset + BHS_BYTES;
}

/** The zero bytes that follow a data segment of this length, RFC 7143 §11.1. Shared: not to be written to. */
export function paddingOf(dataBytes: number): Uint8Array {
  return PADDING[paddedTo4(dataBytes) - dataBytes] as Uint8Array;
}

function writeLengths(
  header: Uint8Array,
  { ahsBytes, dataBytes }: { ahsBytes: number; dataBytes: number },
): void {
  if (ahsBytes % 4 !== 0 || ahsBytes > AHS_BYTES_MAX)
    throw new RangeError(`no AHS is ${ahsBytes} bytes long`);
  if (dataBytes > DATA_SEGMENT_BYTES_MAX) throw new RangeError(`no data segment is ${dataBytes} bytes long`);
  header[4] = ahsBytes / 4;
  header[5] = dataBytes >>> 16;
  header[6] = dataBytes >>> 8;
  header[7] = dataBytes;
}

/** Padding and data digest, over the data and the padding. `pieces` are the header and the data. */
function digestedTail(pieces: readonly Uint8Array[], dataBytes: number, crc32c: Crc32c): Uint8Array {
  const padding = paddingOf(dataBytes);
  const tail = new Uint8Array(padding.length + DIGEST_BYTES);
  let digest = 0;
  for (let at = 1; at < pieces.length; at += 1) digest = crc32c(pieces[at] as Uint8Array, digest);
  if (padding.length > 0) digest = crc32c(padding, digest);
  writeDigest(digest, tail, padding.length);
  return tail;
}
