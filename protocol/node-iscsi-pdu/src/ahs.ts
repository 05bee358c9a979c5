// Additional header segments, RFC 7143 §11.2.2: each starts with AHSLength (two bytes, what follows the type)
// and AHSType, and is padded to four bytes.

import { PduError } from './errors.ts';
import { encodeFields, type RecordOf, u8, u16, u32 } from './fields.ts';

/** The most that TotalAHSLength, a byte counting 4-byte words, can say. */
export const AHS_BYTES_MAX = 255 * 4;

/** Types, RFC 7143 §11.2.2.1. */
export const AhsType = { EXTENDED_CDB: 1, BIDIRECTIONAL_READ_LENGTH: 2 } as const;
export type AhsType = (typeof AhsType)[keyof typeof AhsType];

/** Bytes of a CDB that fit the header; the rest goes into an Extended CDB AHS. */
const CDB_IN_BHS_BYTES = 16;

/** AHSLength and AHSType: not counted in AHSLength. */
const AHS_PREFIX_BYTES = 3;

const PREFIX = { ahsLength: u16(0), ahsType: u8(2) } as const;

/** Layout of the Bidirectional Read Expected Data Length AHS, RFC 7143 §11.2.2.4. */
export const BIDIRECTIONAL_READ_LENGTH_AHS = { ...PREFIX, expectedReadDataLength: u32(4) } as const;
export type BidirectionalReadLengthAhs = RecordOf<typeof BIDIRECTIONAL_READ_LENGTH_AHS>;

/** One AHS. An Extended CDB holds what follows the first 16 bytes of the CDB (RFC 7143 §11.2.2.3). */
export type Ahs =
  | { readonly type: 'extended-cdb'; readonly cdbRest: Uint8Array }
  | { readonly type: 'bidirectional-read-length'; readonly expectedReadDataLength: number }
  | { readonly type: 'unknown'; readonly ahsType: number; readonly specific: Uint8Array };

/**
 * Reads the AHSes of a frame (its `ahs` bytes). Byte fields are views. PduError `malformed` when a length
 * contradicts another; an unknown type is a value, since whether to reject it is the receiver's decision.
 */
export function parseAhs(bytes: Uint8Array, bhs?: Uint8Array): Ahs[] {
  const found: Ahs[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + AHS_PREFIX_BYTES > bytes.length) throw new PduError('malformed', 'an AHS is cut short', bhs);
    const ahsLength = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    const end = at + AHS_PREFIX_BYTES + ahsLength;
    if (ahsLength === 0 || end > bytes.length) {
      throw new PduError('malformed', `AHSLength ${ahsLength} does not fit TotalAHSLength`, bhs);
    }
    found.push(parseOne(bytes.subarray(at, end), bhs));
    at = paddedTo4(end);
  }
  return found;
}

function parseOne(ahs: Uint8Array, bhs: Uint8Array | undefined): Ahs {
  const ahsType = ahs[2] as number;
  if (ahsType === AhsType.EXTENDED_CDB) return { type: 'extended-cdb', cdbRest: ahs.subarray(4) };
  if (ahsType !== AhsType.BIDIRECTIONAL_READ_LENGTH) {
    return { type: 'unknown', ahsType, specific: ahs.subarray(AHS_PREFIX_BYTES) };
  }
  if (ahs.length !== 8) throw new PduError('malformed', 'a read length AHS has AHSLength 5', bhs);
  const view = new DataView(ahs.buffer, ahs.byteOffset, ahs.length);
  return { type: 'bidirectional-read-length', expectedReadDataLength: view.getUint32(4) };
}

/** Writes AHSes one after another, each padded. RangeError when they do not fit TotalAHSLength. */
export function buildAhs(list: readonly Ahs[]): Uint8Array {
  const pieces = list.map(buildOne);
  const bytes = new Uint8Array(pieces.reduce((total, piece) => total + paddedTo4(piece.length), 0));
  if (bytes.length > AHS_BYTES_MAX)
    throw new RangeError(`${bytes.length} bytes of AHS: at most ${AHS_BYTES_MAX}`);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += paddedTo4(piece.length);
  }
  return bytes;
}

function buildOne(ahs: Ahs): Uint8Array {
  switch (ahs.type) {
    case 'extended-cdb': {
      const bytes = new Uint8Array(4 + ahs.cdbRest.length);
      encodeFields(PREFIX, { ahsLength: 1 + ahs.cdbRest.length, ahsType: AhsType.EXTENDED_CDB }, bytes);
      bytes.set(ahs.cdbRest, 4);
      return bytes;
    }
    case 'bidirectional-read-length': {
      const bytes = new Uint8Array(8);
      const { expectedReadDataLength } = ahs;
      const ahsType = AhsType.BIDIRECTIONAL_READ_LENGTH;
      encodeFields(BIDIRECTIONAL_READ_LENGTH_AHS, { ahsLength: 5, ahsType, expectedReadDataLength }, bytes);
      return bytes;
    }
    case 'unknown': {
      const bytes = new Uint8Array(AHS_PREFIX_BYTES + ahs.specific.length);
      encodeFields(PREFIX, { ahsLength: ahs.specific.length, ahsType: ahs.ahsType }, bytes);
      bytes.set(ahs.specific, AHS_PREFIX_BYTES);
      return bytes;
    }
    default:
      return ahs satisfies never;
  }
}

/**
 * The whole CDB of a SCSI Command: the 16 bytes of the header, followed by what an Extended CDB AHS adds.
 * Without one it is `cdb` itself, not a copy. PduError `malformed` when there are two.
 */
export function wholeCdb(cdb: Uint8Array, list: readonly Ahs[]): Uint8Array {
  const rests = list.filter((ahs) => ahs.type === 'extended-cdb');
  const rest = rests[0]?.cdbRest;
  if (rest === undefined) return cdb;
  if (rests.length > 1) throw new PduError('malformed', 'a command has two extended CDBs');
  const whole = new Uint8Array(CDB_IN_BHS_BYTES + rest.length);
  whole.set(cdb);
  whole.set(rest, CDB_IN_BHS_BYTES);
  return whole;
}

/** The next multiple of four: segments are padded to it, RFC 7143 §11.1. */
export function paddedTo4(byteCount: number): number {
  return (byteCount + 3) & ~3;
}
