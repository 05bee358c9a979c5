// One table per PDU is its codec: the layout of the 48-byte basic header segment (RFC 7143 §11.2.1), the
// opcode and the section it is transcribed from. Records keep the RFC's own field names in camel case.

import { compileLayout, type Layout, type RecordOf, u8, u24 } from '../fields.ts';

/** Length of the basic header segment, RFC 7143 §11.2.1. */
export const BHS_BYTES = 48;

/** A tag that names no task, RFC 7143 §11.2.1.8. */
export const RESERVED_TAG = 0xffffffff;

/** The largest value of DataSegmentLength, RFC 7143 §11.2.1.6. */
export const DATA_SEGMENT_BYTES_MAX = 2 ** 24 - 1;

/** Initiator opcodes (requests) and target opcodes (responses), RFC 7143 §11.2.1.2. */
export const Opcode = {
  NOP_OUT: 0x00,
  SCSI_COMMAND: 0x01,
  TASK_MANAGEMENT_REQUEST: 0x02,
  LOGIN_REQUEST: 0x03,
  TEXT_REQUEST: 0x04,
  DATA_OUT: 0x05,
  LOGOUT_REQUEST: 0x06,
  SNACK_REQUEST: 0x10,
  NOP_IN: 0x20,
  SCSI_RESPONSE: 0x21,
  TASK_MANAGEMENT_RESPONSE: 0x22,
  LOGIN_RESPONSE: 0x23,
  TEXT_RESPONSE: 0x24,
  DATA_IN: 0x25,
  LOGOUT_RESPONSE: 0x26,
  R2T: 0x31,
  ASYNC_MESSAGE: 0x32,
  REJECT: 0x3f,
} as const;

/**
 * The rows that every PDU has: lengths of the additional headers, in 4-byte words, and of the data, in bytes.
 */
export const LENGTHS = {
  totalAHSLength: u8(4),
  dataSegmentLength: u24(5),
} as const;

/** A PDU's own decoder or encoder, in place of the loop over its layout: see `direct.ts`. */
export interface Direct<L extends Layout> {
  readonly decode?: (bytes: Uint8Array, offset: number) => RecordOf<L>;
  /** Writes into zeroed bytes; the opcode is written already. Knows the defaults of its PDU. */
  readonly encode?: (record: Partial<RecordOf<L>>, bytes: Uint8Array, offset: number) => void;
}

export interface PduTable<L extends Layout> {
  readonly name: string;
  readonly opcode: number;
  readonly cite: string;
  readonly layout: L;
  /**
   * What a field holds when a record leaves it out: bits and tags that the RFC fixes. Every other field gets
   * zero.
   */
  readonly defaults?: Partial<RecordOf<L>>;
}

export interface PduDefinition<L extends Layout = Layout> extends PduTable<L> {
  readonly defaults: Partial<RecordOf<L>>;
  /** Reads the 48 header bytes at `offset`. Raw fields are views of `bytes`. The opcode is not looked at. */
  decode(bytes: Uint8Array, offset?: number): RecordOf<L>;
  /**
   * Writes the 48 header bytes at `offset`, unnamed bits as zero. RangeError when a value does not fit its
   * field.
   */
  encode(record: Partial<RecordOf<L>>, bytes: Uint8Array, offset?: number): void;
}

export function definePdu<const L extends Layout>(
  table: PduTable<L>,
  direct: Direct<L> = {},
): PduDefinition<L> {
  const { opcode, layout, defaults = {} } = table;
  const codec = compileLayout(layout, defaults);
  if (codec.byteCount > BHS_BYTES) throw new RangeError(`${table.name} is longer than a header`);
  const { decode = codec.decode, encode = codec.encode } = direct;
  return {
    ...table,
    defaults,
    decode(bytes, offset = 0) {
      checkRoom(bytes, offset);
      return decode(bytes, offset);
    },
    encode(record, bytes, offset = 0) {
      checkRoom(bytes, offset);
      bytes.fill(0, offset, offset + BHS_BYTES);
      bytes[offset] = opcode;
      encode(record, bytes, offset);
    },
  };
}

function checkRoom(bytes: Uint8Array, offset: number): void {
  if (offset >= 0 && offset + BHS_BYTES <= bytes.length) return;
  throw new RangeError(`no header of ${BHS_BYTES} bytes at ${offset} in ${bytes.length} bytes`);
}
