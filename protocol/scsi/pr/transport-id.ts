/** iSCSI TransportIDs (SPC-4 §7.6.4.6): initiator port names in parameter lists. */
import { PORT_NAME_BYTES_MAX } from '../limits.ts';
import { concatenated, u16Bytes, utf8Padded, viewOf } from '../parameter-data.ts';

/** PROTOCOL IDENTIFIER, and alone FORMAT CODE 00b: the name of an initiator device. */
const ISCSI = 0x05;
/** FORMAT CODE 01b: the name of an initiator port, with its ISID. */
const INITIATOR_PORT_FORMAT = 0x40;
const HEADER_BYTES = 4;
/** ADDITIONAL LENGTH is at least this (SPC-4 §7.6.4.6). */
const NAME_BYTES_MIN = 20;

export function encodeTransportId(initiatorPort: string): Uint8Array {
  const name = utf8Padded(initiatorPort);
  const padded = new Uint8Array(Math.max(name.byteLength, NAME_BYTES_MIN));
  padded.set(name);
  return concatenated(Uint8Array.of(INITIATOR_PORT_FORMAT | ISCSI, 0), u16Bytes(padded.byteLength), padded);
}

export interface TransportId {
  /** The name of an initiator port, or with `ofDevice` that of an initiator device, which has ports. */
  readonly name: string;
  readonly ofDevice: boolean;
  /** Bytes that it takes in the list. */
  readonly bytes: number;
}

const PORT_NAME = /^[^,]+,i,0x[0-9a-fA-F]{12}$/;
const DEVICE_NAME = /^[^,]+$/;

/** The TransportID at the start of `list`, or undefined when there is none of iSCSI. */
export function decodeTransportId(list: Uint8Array): TransportId | undefined {
  if (list.byteLength < HEADER_BYTES) return undefined;
  const ofDevice = list[0] === ISCSI;
  if (!ofDevice && list[0] !== (INITIATOR_PORT_FORMAT | ISCSI)) return undefined;
  const nameBytes = viewOf(list).getUint16(2);
  const bytes = HEADER_BYTES + nameBytes;
  if (nameBytes < NAME_BYTES_MIN || nameBytes % 4 !== 0 || bytes > list.byteLength) return undefined;
  const padded = list.subarray(HEADER_BYTES, bytes);
  const end = padded.indexOf(0);
  if (end < 0 || end > PORT_NAME_BYTES_MAX) return undefined;
  const name = new TextDecoder().decode(padded.subarray(0, end));
  return (ofDevice ? DEVICE_NAME : PORT_NAME).test(name) ? { name, ofDevice, bytes } : undefined;
}
