/**
 * One listening address. It opens when everything behind it is ready, and refuses more connections than its
 * limit.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { BufferSource } from 'node-iscsi-pdu';
import { OperatorError } from '../../lun/errors.ts';
import type { TargetAddress } from '../../protocol/iscsi/directory.ts';
import { DEFAULT_PORTAL_GROUP_TAG } from '../../protocol/scsi/target-port.ts';
import { Receiver } from './receiver.ts';

/** Connections of one portal at a time, logged in or not. */
export const CONNECTIONS_MAX = 1024;
const BACKLOG = 512;

export interface PortalAddress {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

/** An address, and the tag of its portal group where one is stated. */
export interface GroupedPortal extends PortalAddress {
  readonly portalGroupTag: number | undefined;
}

/** The port of iSCSI (RFC 7143 §13.8). */
const ISCSI_PORT = 3260;
/** A tag is the relative target port identifier too, in which 0 is reserved (SPC-4 §4.5.5.5). */
const PORTAL_GROUP_TAG_MAX = 0xffff;

/** HOST:PORT or HOST:PORT,TAG, as TargetAddress has it (RFC 7143 §13.8). OperatorError bad-portal. */
export function parseGroupedPortal(text: string): GroupedPortal {
  const [, address = text, tag] = /^([^,]*),(.*)$/.exec(text) ?? [];
  if (tag === undefined) return { ...parsePortal(address), portalGroupTag: undefined };
  const portalGroupTag = /^\d{1,5}$/.test(tag) ? Number(tag) : 0;
  if (portalGroupTag < 1 || portalGroupTag > PORTAL_GROUP_TAG_MAX) {
    throw new OperatorError(
      'bad-portal',
      `"${text}" names no portal group: want HOST:PORT,TAG with a tag from 1 to ${PORTAL_GROUP_TAG_MAX}`,
    );
  }
  return { ...parsePortal(address), portalGroupTag };
}

/** HOST:PORT or [IPv6]:PORT; the port may be left out. */
export function parsePortal(text: string, defaultPort: number = ISCSI_PORT): PortalAddress {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (host === undefined || port > 65_535) {
    throw new OperatorError(
      'bad-portal',
      `"${text}" is no portal: want HOST:PORT, IPv6 addresses in brackets`,
    );
  }
  return { host, port };
}

/** `address:port`, an IPv6 address in brackets, an IPv4 one out of its IPv6 form. */
export function addressText(address: string | undefined, port: number | undefined): string {
  const host = (address ?? '').replace(/^::ffff:(\d+\.\d+\.\d+\.\d+)$/, '$1');
  return host.includes(':') ? `[${host}]:${port ?? 0}` : `${host}:${port ?? 0}`;
}

/** Whether `address:port` is one of this machine alone. */
export function isLoopback(address: string): boolean {
  return /^(127\.|\[::1\]:|localhost:)/.test(address);
}

/** Takes over a socket, with the receiver that reads it where it has one, that came by this portal group. */
export type Accept = (socket: Socket, receiver: Receiver | undefined, portalGroupTag: number) => void;

/** Opens a portal whose connections go where they all go. OperatorError portal. */
export type OpenPortal = (where: PortalAddress, portalGroupTag: number) => Promise<Portal>;

/** Where connections go. */
export interface Welcome {
  readonly accept: Accept;
  readonly buffers: BufferSource;
  /** A connection from this address was closed, because there are too many. */
  readonly onFull: (remoteAddress: string) => void;
}

export class Portal {
  readonly address: string;
  /** Of connections that come from now on; those that are there keep what they came with. */
  portalGroupTag: number;
  readonly #server: Server;

  private constructor(server: Server, { address, portalGroupTag }: TargetAddress) {
    this.#server = server;
    this.address = address;
    this.portalGroupTag = portalGroupTag;
  }

  static open(
    where: PortalAddress,
    to: Welcome,
    portalGroupTag: number = DEFAULT_PORTAL_GROUP_TAG,
  ): Promise<Portal> {
    const server = createServer({ noDelay: true, pauseOnConnect: true });
    return new Promise((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => {
        const text = addressText(where.host, where.port);
        reject(
          new OperatorError('portal', `cannot listen on ${text}: ${cause.code ?? cause.message}`, { cause }),
        );
      });
      server.listen({ host: where.host, port: where.port, backlog: BACKLOG }, () => {
        const bound = server.address();
        const port = typeof bound === 'object' && bound !== null ? bound.port : where.port;
        const portal = new Portal(server, { address: addressText(where.host, port), portalGroupTag });
        server.on('connection', welcoming(portal, to));
        resolve(portal);
      });
    });
  }

  /** Takes no more connections; those that are open go on. */
  close(): void {
    this.#server.close();
  }
}

/** What happens to each connection; the portal counts for itself, since its sockets are made anew. */
function welcoming(portal: Portal, { accept, buffers, onFull }: Welcome): (accepted: Socket) => void {
  let connections = 0;
  return (accepted) => {
    if (connections >= CONNECTIONS_MAX) {
      onFull(addressText(accepted.remoteAddress, accepted.remotePort));
      accepted.destroy();
      return;
    }
    const receiver = Receiver.adopt(accepted, buffers);
    const socket = receiver?.socket ?? accepted;
    connections += 1;
    socket.once('close', () => {
      connections -= 1;
    });
    accept(socket, receiver, portal.portalGroupTag);
    if (receiver === undefined) socket.resume();
  };
}
