/**
 * The few iSNS messages that a target sends (RFC 4171 §5): the header, attributes as tag, length and
 * value, and the registration and deregistration of one network entity with its portals and storage
 * nodes.
 */
import { isIPv4 } from 'node:net';

export const IsnsFunction = {
  DEVICE_ATTRIBUTE_REGISTRATION: 0x0001,
  DEVICE_DEREGISTRATION: 0x0004,
} as const;
export type IsnsFunction = (typeof IsnsFunction)[keyof typeof IsnsFunction];

/** Attribute tags, RFC 4171 §6. */
export const IsnsTag = {
  DELIMITER: 0,
  ENTITY_IDENTIFIER: 1,
  ENTITY_PROTOCOL: 2,
  PORTAL_ADDRESS: 16,
  PORTAL_PORT: 17,
  ISCSI_NAME: 32,
  ISCSI_NODE_TYPE: 33,
  ISCSI_ALIAS: 34,
  PORTAL_GROUP_ISCSI_NAME: 48,
  PORTAL_GROUP_TAG: 51,
} as const;
export type IsnsTag = (typeof IsnsTag)[keyof typeof IsnsTag];

/** The port of iSNS servers (RFC 4171 §3.1). */
export const ISNS_PORT = 3205;
const VERSION = 1;
export const ISNS_HEADER_BYTES = 12;
const FROM_CLIENT_FIRST_AND_LAST = 0x8000 | 0x0800 | 0x0400;
/** What was registered of the entity before is forgotten (RFC 4171 §5.6.5.1). */
const REPLACE = 0x1000;
const PROTOCOL_ISCSI = 2;
const NODE_TYPE_TARGET = 1;
/** The group in which a server puts every node at every portal of its entity (RFC 4171 §3.4). */
const GROUP_UNLESS_STATED = 1;

export interface IsnsPortal {
  /** A numeric address. */
  readonly address: string;
  readonly port: number;
  readonly portalGroupTag: number;
}

export interface IsnsEntity {
  readonly identifier: string;
  readonly portals: readonly IsnsPortal[];
  readonly targets: readonly { readonly name: string; readonly alias?: string | undefined }[];
}

function attribute(tag: IsnsTag, value: Uint8Array): Uint8Array {
  const padded = Buffer.alloc(8 + ((value.byteLength + 3) & ~3));
  padded.writeUInt32BE(tag, 0);
  padded.writeUInt32BE(padded.byteLength - 8, 4);
  padded.set(value, 8);
  return padded;
}

/** Text ends with a zero byte (RFC 4171 §5.1). */
const text = (tag: IsnsTag, value: string): Uint8Array => attribute(tag, Buffer.from(`${value}\0`, 'utf8'));

function number(tag: IsnsTag, value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return attribute(tag, bytes);
}

/** 16 bytes; an IPv4 address in its IPv6 form (RFC 4171 §6.3.1). */
function addressBytes(address: string): Uint8Array {
  const bytes = Buffer.alloc(16);
  if (isIPv4(address)) {
    bytes.set([0xff, 0xff, ...address.split('.').map(Number)], 10);
    return bytes;
  }
  const [head = '', tail] = address.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((hex) => Number.parseInt(hex, 16));
  for (const [at, group] of groups(head).entries()) bytes.writeUInt16BE(group, 2 * at);
  const last = tail === undefined ? [] : groups(tail);
  for (const [at, group] of last.entries()) bytes.writeUInt16BE(group, 16 - 2 * (last.length - at));
  return bytes;
}

function message(options: {
  readonly function: IsnsFunction;
  readonly transaction: number;
  readonly flags: number;
  readonly attributes: readonly Uint8Array[];
}): Uint8Array {
  const payload = Buffer.concat(options.attributes);
  const header = Buffer.alloc(ISNS_HEADER_BYTES);
  header.writeUInt16BE(VERSION, 0);
  header.writeUInt16BE(options.function, 2);
  header.writeUInt16BE(payload.byteLength, 4);
  header.writeUInt16BE(options.flags, 6);
  header.writeUInt16BE(options.transaction, 8);
  return Buffer.concat([header, payload]);
}

/** DevAttrReg (RFC 4171 §5.6.5.1). The source is the first target's name; there is at least one. */
export function registration(
  entity: IsnsEntity,
  how: { readonly transaction: number; readonly replace: boolean },
): Uint8Array {
  const { identifier, portals, targets } = entity;
  const attributes = [
    text(IsnsTag.ISCSI_NAME, targets[0]?.name ?? identifier),
    text(IsnsTag.ENTITY_IDENTIFIER, identifier),
    attribute(IsnsTag.DELIMITER, new Uint8Array(0)),
    text(IsnsTag.ENTITY_IDENTIFIER, identifier),
    number(IsnsTag.ENTITY_PROTOCOL, PROTOCOL_ISCSI),
  ];
  for (const { address, port, portalGroupTag } of portals) {
    attributes.push(
      attribute(IsnsTag.PORTAL_ADDRESS, addressBytes(address)),
      number(IsnsTag.PORTAL_PORT, port),
    );
    if (portalGroupTag === GROUP_UNLESS_STATED) continue;
    attributes.push(
      number(IsnsTag.PORTAL_GROUP_TAG, portalGroupTag),
      ...targets.map(({ name }) => text(IsnsTag.PORTAL_GROUP_ISCSI_NAME, name)),
    );
  }
  for (const { name, alias } of targets) {
    attributes.push(text(IsnsTag.ISCSI_NAME, name), number(IsnsTag.ISCSI_NODE_TYPE, NODE_TYPE_TARGET));
    if (alias !== undefined) attributes.push(text(IsnsTag.ISCSI_ALIAS, alias));
  }
  const flags = FROM_CLIENT_FIRST_AND_LAST | (how.replace ? REPLACE : 0);
  const { transaction } = how;
  return message({ function: IsnsFunction.DEVICE_ATTRIBUTE_REGISTRATION, transaction, flags, attributes });
}

/** DevDereg of the whole entity (RFC 4171 §5.6.5.4). */
export function deregistration(entity: IsnsEntity, transaction: number): Uint8Array {
  const attributes = [
    text(IsnsTag.ISCSI_NAME, entity.targets[0]?.name ?? entity.identifier),
    attribute(IsnsTag.DELIMITER, new Uint8Array(0)),
    text(IsnsTag.ENTITY_IDENTIFIER, entity.identifier),
  ];
  const flags = FROM_CLIENT_FIRST_AND_LAST;
  return message({ function: IsnsFunction.DEVICE_DEREGISTRATION, transaction, flags, attributes });
}

/** The status of a response once it is whole (RFC 4171 §5.4); undefined until then. */
export function responseStatus(bytes: Uint8Array): number | undefined {
  const buffer = Buffer.from(bytes);
  if (buffer.byteLength < ISNS_HEADER_BYTES + 4) return undefined;
  if (buffer.byteLength < ISNS_HEADER_BYTES + buffer.readUInt16BE(4)) return undefined;
  return buffer.readUInt32BE(ISNS_HEADER_BYTES);
}
