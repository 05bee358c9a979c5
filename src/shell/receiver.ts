/**
 * Takes the bytes of an accepted socket into memory that is used again. Node gives every socket fresh
 * memory for each read; here a read goes into the same buffer as the one before, unless a command still
 * looks at that (immediate data waits there for its write), and then into another one.
 *
 * The socket that the portal accepted is paused and has read nothing. Its handle goes into a socket that
 * was told where to read to, which can only be said when a socket is made.
 */
import { Socket } from 'node:net';
import { type BufferSource, CountedMemory, type ReceivedMemory } from 'node-iscsi-pdu';

const READ_BYTES = 256 * 1024;
/** With so many held by its commands, a connection reads into smaller ones: what it can hold is bounded. */
const LARGE_HELD_MAX = 8;
const SMALL_READ_BYTES = 16 * 1024;

/** `chunk` lies in `memory`, and stays as it is while that is held. */
export type ChunkListener = (chunk: Uint8Array, memory: ReceivedMemory) => void;

export class Receiver {
  readonly socket: Socket;
  readonly #buffers: BufferSource;
  #memory: CountedMemory;
  #largeHeld = 0;
  #listener: ChunkListener | undefined;

  private constructor(handle: unknown, buffers: BufferSource) {
    this.#buffers = buffers;
    this.#memory = this.#next();
    const onread = {
      buffer: () => this.#buffer(),
      callback: (bytes: number) => this.#received(bytes),
    };
    const options = { handle, onread, highWaterMark: 1024 * 1024 };
    this.socket = new Socket(options as ConstructorParameters<typeof Socket>[0]);
  }

  /** Undefined where this version of Node does not hand out the handle: the socket serves as it is. */
  static adopt(accepted: Socket, buffers: BufferSource): Receiver | undefined {
    const holder = accepted as unknown as { _handle?: unknown };
    const handle = holder._handle;
    if (handle === undefined || handle === null) return undefined;
    holder._handle = null;
    return new Receiver(handle, buffers);
  }

  /** Has to be called in the turn in which the socket was accepted. */
  listen(listener: ChunkListener): void {
    this.#listener = listener;
  }

  /** Where the next read goes. */
  #buffer(): Uint8Array {
    if (this.#memory.isHeld) {
      if (this.#memory.bytes.byteLength === READ_BYTES) this.#largeHeld += 1;
      this.#memory = this.#next();
    }
    return this.#memory.bytes;
  }

  #next(): CountedMemory {
    const bytes = this.#largeHeld < LARGE_HELD_MAX ? READ_BYTES : SMALL_READ_BYTES;
    return new CountedMemory(this.#buffers.allocate(bytes), (memory) => this.#unused(memory));
  }

  #unused(memory: CountedMemory): void {
    if (memory === this.#memory) return;
    if (memory.bytes.byteLength === READ_BYTES) this.#largeHeld -= 1;
    this.#buffers.giveBack(memory.bytes);
  }

  #received(bytes: number): boolean {
    const memory = this.#memory;
    this.#listener?.(memory.bytes.subarray(0, bytes), memory);
    return true;
  }
}
