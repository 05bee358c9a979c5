import { joined } from './bytes.ts';

export interface WirePdu {
  readonly bhs: Uint8Array;
  readonly ahs: Uint8Array;
  readonly data: Uint8Array;
}

export interface Digests {
  readonly header: boolean;
  readonly data: boolean;
}

export const NO_DIGESTS: Digests = { header: false, data: false };

/** CRC32C one bit at a time, from the polynomial alone; in the byte order of the wire. */
export function slowDigest(bytes: Uint8Array): Uint8Array {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  const digest = new Uint8Array(4);
  new DataView(digest.buffer).setUint32(0, ~crc >>> 0, true);
  return digest;
}

/**
 * A PDU as it stands on the wire, put together by hand: RFC 7143 §11.2. The lengths in `bhs` must be right.
 */
export function onTheWire({ bhs, ahs, data }: WirePdu, digests: Digests = NO_DIGESTS): Uint8Array {
  const header = joined([bhs, ahs]);
  const padded = joined([data, new Uint8Array((4 - (data.length % 4)) % 4)]);
  return joined([
    header,
    digests.header ? slowDigest(header) : new Uint8Array(0),
    padded,
    digests.data && data.length > 0 ? slowDigest(padded) : new Uint8Array(0),
  ]);
}

/** A header with this opcode whose other bytes count up, and with the lengths of these segments. */
export function pdu(opcode: number, segments: { ahs?: Uint8Array; data?: Uint8Array } = {}): WirePdu {
  const { ahs = new Uint8Array(0), data = new Uint8Array(0) } = segments;
  const bhs = Uint8Array.from({ length: 48 }, (_, at) => at);
  bhs[0] = opcode;
  bhs[4] = ahs.length / 4;
  bhs.set([data.length >>> 16, (data.length >>> 8) & 0xff, data.length & 0xff], 5);
  return { bhs, ahs, data };
}
