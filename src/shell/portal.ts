/**
 * One listening address. It opens when everything behind it is ready, and refuses more connections than its
 * limit.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { OperatorError } from '../../lun/errors.ts';

/** Connections of one portal at a time, logged in or not. */
export const CONNECTIONS_MAX = 1024;
const BACKLOG = 512;

export interface PortalAddress {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
}

/** HOST:PORT or [IPv6]:PORT. */
export function parsePortal(text: string): PortalAddress {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? 3260 : Number(match[3]);
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

export class Portal {
  readonly address: string;
  readonly #server: Server;

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  static open(where: PortalAddress, accept: (socket: Socket) => void): Promise<Portal> {
    const server = createServer({ noDelay: true, highWaterMark: 1024 * 1024 });
    server.maxConnections = CONNECTIONS_MAX;
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
        server.on('connection', accept);
        resolve(new Portal(server, addressText(where.host, port)));
      });
    });
  }

  /** Takes no more connections; those that are open go on. */
  close(): void {
    this.#server.close();
  }
}
