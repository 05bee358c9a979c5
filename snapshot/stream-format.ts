/**
 * The stream that carries a snapshot from one pool to another, whole or as what changed since an older one:
 * chunks, one behind the other, to be read and written without seeking. FORMAT.md, "Streams", has the
 * table. Each chunk carries a checksum of itself, the checksum of its predecessor and its number, so that
 * none can be missing, twice or out of order; the last one carries a digest of everything before it.
 */
import { OperatorError } from '../lun/errors.ts';
import type { Checksum } from './checksum.ts';
import { isStreamHead, type StreamHead } from './stream-head.ts';

export const STREAM_VERSION = 1;
export const CHUNK_HEADER_BYTES = 24;
/** Data of one chunk, at most. */
export const CHUNK_DATA_BYTES = 1024 * 1024;
/** A payload that claims to be longer is damage. */
const PAYLOAD_BYTES_MAX = CHUNK_DATA_BYTES + 8;
/** "SLST" as the bytes stand. */
const MAGIC = 0x54534c53;
const KINDS = { head: 1, data: 2, zero: 3, end: 4 } as const;
const TWO_32 = 2 ** 32;

export interface StreamEnd {
  /** Bytes of data in all chunks. */
  readonly dataBytes: number;
  /** Of everything before this chunk, in hexadecimal. */
  readonly digest: string;
}

export type Chunk =
  | { readonly kind: 'head'; readonly head: StreamHead }
  | { readonly kind: 'data'; readonly offsetBytes: number; readonly bytes: Uint8Array }
  | { readonly kind: 'zero'; readonly offsetBytes: number; readonly lengthBytes: number }
  | { readonly kind: 'end'; readonly end: Partial<StreamEnd> | null };

/** A digest that grows with the stream; SHA-256 in the server. */
export interface Digest {
  update(bytes: Uint8Array): void;
  /** In hexadecimal; nothing may be added afterwards. */
  finish(): string;
}

/** What reading and writing streams takes from outside. */
export interface StreamTools {
  readonly checksum: Checksum;
  readonly newDigest: () => Digest;
}

export function badStream(why: string): OperatorError {
  return new OperatorError('bad-stream', `the stream cannot be imported: ${why}; nothing was changed`);
}

function putU64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % TWO_32, true);
  view.setUint32(offset + 4, Math.floor(value / TWO_32), true);
}

function u64At(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * TWO_32 + view.getUint32(offset, true);
}

/** Makes the chunks of one stream, in order. */
export class ChunkWriter {
  readonly #tools: StreamTools;
  readonly #digest: Digest;
  #number = 0;
  #previous = 0;
  #dataBytes = 0;

  constructor(tools: StreamTools) {
    this.#tools = tools;
    this.#digest = tools.newDigest();
  }

  head(head: StreamHead): Uint8Array {
    return this.#add('head', new TextEncoder().encode(JSON.stringify(head)));
  }

  data(offsetBytes: number, bytes: Uint8Array): Uint8Array {
    const payload = new Uint8Array(8 + bytes.byteLength);
    putU64(new DataView(payload.buffer), 0, offsetBytes);
    payload.set(bytes, 8);
    this.#dataBytes += bytes.byteLength;
    return this.#add('data', payload);
  }

  zero(offsetBytes: number, lengthBytes: number): Uint8Array {
    const payload = new Uint8Array(16);
    const view = new DataView(payload.buffer);
    putU64(view, 0, offsetBytes);
    putU64(view, 8, lengthBytes);
    return this.#add('zero', payload);
  }

  end(): Uint8Array {
    const end: StreamEnd = { dataBytes: this.#dataBytes, digest: this.#digest.finish() };
    return this.#chunk('end', new TextEncoder().encode(JSON.stringify(end)));
  }

  #add(kind: keyof typeof KINDS, payload: Uint8Array): Uint8Array {
    const chunk = this.#chunk(kind, payload);
    this.#digest.update(chunk);
    return chunk;
  }

  #chunk(kind: keyof typeof KINDS, payload: Uint8Array): Uint8Array {
    const chunk = new Uint8Array(CHUNK_HEADER_BYTES + payload.byteLength);
    const view = new DataView(chunk.buffer);
    view.setUint32(0, MAGIC, true);
    view.setUint32(8, this.#previous, true);
    view.setUint32(12, this.#number, true);
    view.setUint32(16, payload.byteLength, true);
    view.setUint16(20, KINDS[kind], true);
    view.setUint16(22, STREAM_VERSION, true);
    chunk.set(payload, CHUNK_HEADER_BYTES);
    this.#previous = this.#tools.checksum(chunk.subarray(8));
    view.setUint32(4, this.#previous, true);
    this.#number += 1;
    return chunk;
  }
}

/** Takes the chunks of one stream out of its bytes; whatever is wrong is an OperatorError 'bad-stream'. */
export class ChunkReader {
  readonly #tools: StreamTools;
  readonly #digest: Digest;
  readonly #bytes: AsyncIterator<Uint8Array>;
  #left: Uint8Array = new Uint8Array();
  #readBytes = 0;
  #number = 0;
  #previous = 0;
  #dataBytes = 0;

  constructor(bytes: AsyncIterable<Uint8Array>, tools: StreamTools) {
    this.#tools = tools;
    this.#digest = tools.newDigest();
    this.#bytes = bytes[Symbol.asyncIterator]();
  }

  /** The next chunk. After the end chunk there is nothing to ask for. */
  async next(): Promise<Chunk> {
    const header = new Uint8Array(await this.#take(CHUNK_HEADER_BYTES));
    const view = new DataView(header.buffer);
    if (view.getUint32(0, true) !== MAGIC) throw badStream(`${this.#where()} it is no snaplun stream`);
    const version = view.getUint16(22, true);
    if (version !== STREAM_VERSION) {
      throw badStream(`it has version ${version}, and this program knows version ${STREAM_VERSION}`);
    }
    const payloadBytes = view.getUint32(16, true);
    if (payloadBytes > PAYLOAD_BYTES_MAX) throw badStream(`${this.#where()} it is damaged`);
    const payload = await this.#take(payloadBytes);
    this.#prove(view, header, payload);
    const chunk = this.#decode(view.getUint16(20, true), payload);
    if (chunk.kind === 'end') await this.#proveEnd(chunk.end);
    else {
      this.#digest.update(header);
      this.#digest.update(payload);
    }
    return chunk;
  }

  #prove(view: DataView, header: Uint8Array, payload: Uint8Array): void {
    const proved = new Uint8Array(CHUNK_HEADER_BYTES - 8 + payload.byteLength);
    proved.set(header.subarray(8));
    proved.set(payload, CHUNK_HEADER_BYTES - 8);
    const sum = this.#tools.checksum(proved);
    if (sum !== view.getUint32(4, true)) throw badStream(`${this.#where()} it is damaged`);
    if (view.getUint32(12, true) !== this.#number || view.getUint32(8, true) !== this.#previous) {
      throw badStream(`${this.#where()} a part is missing or out of order`);
    }
    this.#previous = sum;
    this.#number += 1;
  }

  async #proveEnd(end: Partial<StreamEnd> | null): Promise<void> {
    if (end?.dataBytes !== this.#dataBytes || end.digest !== this.#digest.finish()) {
      throw badStream('its digest is not that of what came before');
    }
    const more = this.#left.byteLength > 0 ? { done: false } : await this.#nextBytes();
    if (more.done !== true) throw badStream('something follows its end');
  }

  async #nextBytes(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      const next = await this.#bytes.next();
      if (next.done === true || next.value.byteLength > 0) return next;
    }
  }

  #decode(kind: number, payload: Uint8Array): Chunk {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    if ((this.#number === 1) !== (kind === KINDS.head)) throw badStream('its parts are out of order');
    if (kind === KINDS.head) {
      const head = this.#json(payload);
      if (isStreamHead(head)) return { kind: 'head', head };
      throw badStream('its head makes no sense');
    }
    if (kind === KINDS.end) return { kind: 'end', end: this.#json(payload) as Partial<StreamEnd> | null };
    if (kind === KINDS.data && payload.byteLength > 8) {
      const bytes = payload.subarray(8);
      this.#dataBytes += bytes.byteLength;
      return { kind: 'data', offsetBytes: u64At(view, 0), bytes };
    }
    if (kind === KINDS.zero && payload.byteLength === 16) {
      return { kind: 'zero', offsetBytes: u64At(view, 0), lengthBytes: u64At(view, 8) };
    }
    throw badStream(`${this.#where()} a part has a form that is unknown`);
  }

  #json(payload: Uint8Array): unknown {
    try {
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)) as unknown;
    } catch (cause) {
      if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause;
      throw badStream(`${this.#where()} it is damaged`);
    }
  }

  /** Exactly so many bytes, as an array of their own or a view that nobody changes. */
  async #take(count: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let missing = count;
    while (missing > 0) {
      if (this.#left.byteLength === 0) {
        const next = await this.#nextBytes();
        if (next.done === true) throw badStream(`it is cut off after ${this.#readBytes} bytes`);
        this.#left = next.value;
      }
      const part = this.#left.subarray(0, missing);
      this.#left = this.#left.subarray(part.byteLength);
      this.#readBytes += part.byteLength;
      missing -= part.byteLength;
      parts.push(part);
    }
    const [only = new Uint8Array()] = parts;
    return parts.length <= 1 ? only : joined(parts, count);
  }

  #where(): string {
    return `at byte ${this.#readBytes}`;
  }
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}
