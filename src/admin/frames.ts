/**
 * Bytes over the admin socket, in either direction, after the request line: frames of a length (u32,
 * big-endian) and that many bytes; a length of 0 ends them. So whoever reads knows a sender that is done
 * from one that broke off.
 */
import type { Socket } from 'node:net';

export const FRAME_HEADER_BYTES = 4;
/** A frame that claims to be longer is damage. */
export const FRAME_BYTES_MAX = 16 * 1024 * 1024;

export function frameHeader(bytes: number): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32BE(bytes);
  return header;
}

const NO_MORE = { done: true, value: undefined } as const;

/** Takes frames, and then the line that follows them, out of what a socket brings. */
export class FrameReader {
  readonly #bytes: AsyncIterator<Buffer>;
  #left: Buffer;

  constructor(bytes: AsyncIterable<Buffer>, first: Buffer = Buffer.alloc(0)) {
    this.#bytes = bytes[Symbol.asyncIterator]();
    this.#left = first;
  }

  /**
   * The contents of the frames. `brokeOff` makes the error for a sender that went away before the last one.
   */
  async *contents(brokeOff: () => Error): AsyncGenerator<Uint8Array> {
    for (;;) {
      const header = await this.#take(FRAME_HEADER_BYTES);
      if (header === undefined) throw brokeOff();
      let missing = header.readUInt32BE();
      if (missing === 0) return;
      if (missing > FRAME_BYTES_MAX) throw brokeOff();
      while (missing > 0) {
        if (!(await this.#fill())) throw brokeOff();
        const part = this.#left.subarray(0, missing);
        this.#left = this.#left.subarray(part.byteLength);
        missing -= part.byteLength;
        yield part;
      }
    }
  }

  /** Everything that is left, as text. */
  async rest(): Promise<string> {
    const parts = [this.#left];
    for (let next = await this.#bytes.next(); next.done !== true; next = await this.#bytes.next()) {
      parts.push(next.value);
    }
    return Buffer.concat(parts).toString('utf8');
  }

  async #fill(): Promise<boolean> {
    while (this.#left.byteLength === 0) {
      // A socket that failed brings nothing more, as one that ended.
      const next = await this.#bytes.next().catch(() => NO_MORE);
      if (next.done === true) return false;
      this.#left = next.value;
    }
    return true;
  }

  async #take(bytes: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    for (let missing = bytes; missing > 0; ) {
      if (!(await this.#fill())) return undefined;
      const part = this.#left.subarray(0, missing);
      this.#left = this.#left.subarray(part.byteLength);
      missing -= part.byteLength;
      parts.push(part);
    }
    return Buffer.concat(parts);
  }
}

/** Writes and waits while the other side does not keep up; fails when it is gone. */
export function writeAll(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

export async function writeFrame(socket: Socket, bytes: Uint8Array): Promise<void> {
  socket.write(frameHeader(bytes.byteLength));
  await writeAll(socket, bytes);
}
