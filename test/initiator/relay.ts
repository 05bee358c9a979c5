/**
 * A path between guest and portal that can be lost: a TCP relay on the host's loopback. A cut closes every
 * connection and the port with them, as a cable pulled at the target's side does.
 */
import assert from 'node:assert';
import { connect, createServer, type Server, type Socket } from 'node:net';

const LOOPBACK = '127.0.0.1';

export class Relay {
  readonly #portalPort: number;
  readonly #sockets = new Set<Socket>();
  #listener: Server | undefined;
  #port = 0;

  constructor(portalPort: number) {
    this.#portalPort = portalPort;
  }

  /** Where the guest finds the portal; 0 before the first `open`. */
  get port(): number {
    return this.#port;
  }

  /** Listens: the first time on a free port, later on the same one. */
  async open(): Promise<void> {
    const listener = createServer((guest) => this.#join(guest));
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(this.#port, LOOPBACK, resolve);
    });
    const address = listener.address();
    assert(address !== null && typeof address === 'object');
    this.#port = address.port;
    this.#listener = listener;
  }

  async cut(): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return;
    this.#listener = undefined;
    const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #join(guest: Socket): void {
    const portal = connect({ host: LOOPBACK, port: this.#portalPort, noDelay: true });
    guest.setNoDelay(true);
    this.#lead(guest, portal);
    this.#lead(portal, guest);
  }

  /** Bytes of `from` go to `to`, and the end of the one is the end of the other. */
  #lead(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.pipe(to);
    // An error ends in 'close', which tells the other side.
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
