/**
 * One TCP connection whose received bytes come in one buffer that is used again and again, and whose sent
 * bytes are gathered into one write for each batch.
 */
import assert from 'node:assert';
import { connect, type Socket } from 'node:net';

const RECEIVE_BYTES = 512 * 1024;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Takes received bytes; they are overwritten once it has returned. */
export type Receiver = (bytes: Uint8Array) => void;

export class Wire {
  readonly #socket: Socket;
  #receiver: Receiver = () => assert.fail('bytes without a receiver');
  #onEnd: (why: Error) => void = () => undefined;
  #why: Error | undefined;
  #pieces: Uint8Array[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async open(address: Address): Promise<Wire> {
    let wire: Wire | undefined;
    const buffer = new Uint8Array(RECEIVE_BYTES);
    const socket = connect({
      ...address,
      noDelay: true,
      onread: {
        buffer,
        callback: (byteCount) => {
          wire?.receive(buffer.subarray(0, byteCount));
          return true;
        },
      },
    });
    const opened = new Wire(socket);
    wire = opened;
    socket.on('error', (error) => opened.#end(error));
    socket.on('close', () => opened.#end(new assert.AssertionError({ message: 'the target hung up' })));
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return opened;
  }

  /** From now on `receiver` takes what comes; `onEnd` hears at once or later that nothing more will come. */
  attach(receiver: Receiver, onEnd: (why: Error) => void): void {
    this.#receiver = receiver;
    this.#onEnd = onEnd;
    if (this.#why !== undefined) onEnd(this.#why);
  }

  receive(bytes: Uint8Array): void {
    try {
      this.#receiver(bytes);
    } catch (error) {
      this.#end(error instanceof Error ? error : new assert.AssertionError({ message: String(error) }));
    }
  }

  /** Sends with the next `flush`; the bytes must stay as they are until they have left. */
  add(piece: Uint8Array): void {
    this.#pieces.push(piece);
  }

  flush(): void {
    const pieces = this.#pieces;
    const [first] = pieces;
    if (first === undefined) return;
    this.#pieces = [];
    if (pieces.length === 1) {
      this.#socket.write(first);
      return;
    }
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
  }

  close(): void {
    this.#onEnd = () => undefined;
    this.#socket.destroy();
  }

  #end(why: Error): void {
    this.#why ??= why;
    this.#socket.destroy();
    this.#onEnd(this.#why);
  }
}
