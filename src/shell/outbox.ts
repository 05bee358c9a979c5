/**
 * Bytes on their way to a socket. Small pieces (headers, 4 KiB of data) are copied into one slab, so
 * that the answers to a whole batch of commands leave in one write; large ones go by reference. A
 * write call for each piece would cost more than the copy does.
 */
import type { Socket } from 'node:net';

/** Pieces up to this many bytes are copied together. */
export const COPY_BYTES_MAX = 16 * 1024;
const SLAB_BYTES = 256 * 1024;

export class Outbox {
  readonly #socket: Socket;
  #slab: Buffer = Buffer.allocUnsafeSlow(0);
  /** Slab bytes up to here were handed to the socket. */
  #sentBytes = 0;
  #filledBytes = 0;
  /** Runs to write, in order. */
  #runs: Uint8Array[] = [];
  /** Called when the kernel has taken what stands in `#runs`. */
  #whenSent: Array<() => void> = [];

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isEmpty(): boolean {
    return this.#runs.length === 0 && this.#filledBytes === this.#sentBytes;
  }

  /** Takes pieces; those that are copied may be changed at once, the others must stay as they are. */
  add(pieces: readonly Uint8Array[]): void {
    if (this.isEmpty && this.#socket.writableLength === 0) this.#rewind();
    for (const piece of pieces) {
      const bytes = piece.byteLength;
      if (bytes > COPY_BYTES_MAX) {
        this.#closeRun();
        this.#runs.push(piece);
        continue;
      }
      if (this.#filledBytes + bytes > this.#slab.byteLength) {
        this.#closeRun();
        this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
        this.#sentBytes = 0;
        this.#filledBytes = 0;
      }
      this.#slab.set(piece, this.#filledBytes);
      this.#filledBytes += bytes;
    }
  }

  /** Calls `then` once nothing that was added until now is looked at any more. */
  afterwards(then: () => void): void {
    this.#whenSent.push(then);
  }

  /** Hands everything to the socket. False when the socket wants a pause ('drain' tells its end). */
  flush(): boolean {
    this.#closeRun();
    const runs = this.#runs;
    if (runs.length === 0) return true;
    this.#runs = [];
    const last = runs.length - 1;
    if (last > 0) this.#socket.cork();
    for (let i = 0; i < last; i += 1) this.#socket.write(runs[i] as Uint8Array);
    const more = this.#writeLast(runs[last] as Uint8Array);
    if (last > 0) this.#socket.uncork();
    return more;
  }

  #writeLast(run: Uint8Array): boolean {
    const whenSent = this.#whenSent;
    if (whenSent.length === 0) return this.#socket.write(run);
    this.#whenSent = [];
    return this.#socket.write(run, () => {
      for (const tell of whenSent) tell();
    });
  }

  /**
   * The kernel has taken all there was: its bytes are not read again. Fresh memory costs more than the
   * copy.
   */
  #rewind(): void {
    this.#sentBytes = 0;
    this.#filledBytes = 0;
  }

  #closeRun(): void {
    if (this.#filledBytes === this.#sentBytes) return;
    this.#runs.push(this.#slab.subarray(this.#sentBytes, this.#filledBytes));
    this.#sentBytes = this.#filledBytes;
  }
}
