import { connect, type Socket } from 'node:net';

/** A stream of bytes to a target: a socket, or a pair in memory. */
export interface Transport {
  write(pieces: readonly Uint8Array[]): void;
  /** At most one listener each. */
  onBytes(listener: (chunk: Uint8Array) => void): void;
  onClose(listener: () => void): void;
  close(): void;
}

/** Connects to a real target. Rejects when the connection is refused. */
export function connectSocket(options: { readonly host: string; readonly port: number }): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...options, noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socketTransport(socket));
    });
  });
}

function socketTransport(socket: Socket): Transport {
  let closed = (): void => undefined;
  // A reset is followed by 'close', which is all that matters to an initiator.
  socket.on('error', () => undefined);
  socket.on('close', () => closed());
  return {
    write(pieces) {
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      socket.uncork();
    },
    onBytes(listener) {
      socket.on('data', listener);
    },
    onClose(listener) {
      closed = listener;
    },
    close() {
      socket.destroy();
    },
  };
}
