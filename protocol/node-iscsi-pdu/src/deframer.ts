// Bytes in, frames out. A PDU that lies whole in one chunk is handed out as views of that chunk. Any other is
// gathered into one buffer of its exact size, taken when its header is known and within the limit, and
// filled as chunks arrive: what is held for a peer is bounded by its limit however it cuts its stream, and
// nothing is copied twice. A frame's memory stays as it is until the next call of next(); who looks at it
// longer holds it.
//
// next() looks at no byte behind the frame it returns, so settings changed between two frames apply to the
// second.

import { paddedTo4 } from './ahs.ts';
import { type Crc32c, DIGEST_BYTES, readDigest, crc32c as tableCrc32c } from './crc32c.ts';
import { PduError } from './errors.ts';
import { BHS_BYTES, DATA_SEGMENT_BYTES_MAX } from './pdus/define.ts';
import { type BufferSource, CountedMemory, FRESH_BUFFERS, type ReceivedMemory } from './received-memory.ts';

/**
 * One PDU as it came. The byte fields are views: of the chunk that was pushed, or of the PDU's own buffer.
 */
export interface Frame {
  /** Six bits; not checked against the opcodes that exist. */
  readonly opcode: number;
  /** The I bit of requests. */
  readonly immediate: boolean;
  /** The 48 header bytes. */
  readonly bhs: Uint8Array;
  /** The additional header segments, padding included; empty when there are none. */
  readonly ahs: Uint8Array;
  /** The data segment without its padding. */
  readonly data: Uint8Array;
  /** False when a data digest was due and did not match. */
  readonly dataDigestOk: boolean;
  /** What the byte fields lie in; undefined where that is never used again. */
  readonly memory: ReceivedMemory | undefined;
}

export interface DeframerOptions {
  /** Largest data segment accepted, in bytes: the MaxRecvDataSegmentLength that this side declared. */
  readonly maxDataSegmentLength: number;
  readonly headerDigest?: boolean;
  readonly dataDigest?: boolean;
  /** A native CRC32C; without it the package's own table is used. */
  readonly crc32c?: Crc32c;
  /** For PDUs that are split over chunks; fresh memory unless told. */
  readonly buffers?: BufferSource;
}

/** Where the parts of the PDU lie that is being read, counted from its first byte. */
interface Shape {
  headerEnd: number;
  dataStart: number;
  dataEnd: number;
  paddedEnd: number;
  totalBytes: number;
  headerDigest: boolean;
  dataDigest: boolean;
}

const NO_BYTES = new Uint8Array(0);

export class Deframer {
  readonly #crc32c: Crc32c;
  readonly #buffers: BufferSource;
  #maxDataSegmentLength = 0;
  #headerDigest: boolean;
  #dataDigest: boolean;

  /** Chunks not used up; reading is at `#offset` of the first, which is at `#head`. */
  #chunks: Uint8Array[] = [];
  /** What each of them lies in. */
  #memories: Array<ReceivedMemory | undefined> = [];
  #head = 0;
  #offset = 0;
  #queuedBytes = 0;

  /** The first header bytes of a PDU whose header is split over chunks. */
  readonly #partialHeader = new Uint8Array(BHS_BYTES);
  #partialHeaderBytes = 0;
  /**
   * The buffer of a PDU that is split over chunks, once its header is known, and how much of it is filled.
   */
  #gathered: Uint8Array | undefined;
  #gatheredBytes = 0;
  /** That of the frame handed out last. */
  #lastMemory: ReceivedMemory | undefined;
  #headerVerified = false;
  readonly #shape: Shape = {
    headerEnd: 0,
    dataStart: 0,
    dataEnd: 0,
    paddedEnd: 0,
    totalBytes: 0,
    headerDigest: false,
    dataDigest: false,
  };
  #failure: PduError | undefined;

  constructor(options: DeframerOptions) {
    this.#crc32c = options.crc32c ?? tableCrc32c;
    this.#buffers = options.buffers ?? FRESH_BUFFERS;
    this.#headerDigest = options.headerDigest === true;
    this.#dataDigest = options.dataDigest === true;
    this.setMaxDataSegmentLength(options.maxDataSegmentLength);
  }

  /** Bytes taken in and not yet handed out in a frame. */
  get bufferedBytes(): number {
    return this.#queuedBytes + this.#partialHeaderBytes + this.#gatheredBytes;
  }

  /** Digests expected from the next PDU on; one that is already under way keeps its own. */
  setDigests({ header, data }: { readonly header: boolean; readonly data: boolean }): void {
    this.#headerDigest = header;
    this.#dataDigest = data;
  }

  /** The limit from the next PDU on. RangeError when no DataSegmentLength can be that large. */
  setMaxDataSegmentLength(bytes: number): void {
    if (!Number.isInteger(bytes) || bytes < 0 || bytes > DATA_SEGMENT_BYTES_MAX) {
      throw new RangeError(`a data segment is 0 to ${DATA_SEGMENT_BYTES_MAX} bytes, not ${bytes}`);
    }
    this.#maxDataSegmentLength = bytes;
  }

  /**
   * Takes in what was received, in pieces of any size. The chunk is kept, not copied: it must not be written
   * to until the frames made of it are done with. With `memory`, that is when nobody holds it any more. Call
   * {@link next} until it gives undefined before pushing more.
   */
  push(chunk: Uint8Array, memory?: ReceivedMemory): void {
    if (chunk.length === 0 || this.#failure !== undefined) return;
    memory?.hold();
    this.#chunks.push(chunk);
    this.#memories.push(memory);
    this.#queuedBytes += chunk.length;
  }

  /**
   * The next whole PDU, or undefined until more bytes are pushed. PduError `too-large` or `header-digest`
   * ends the stream: nothing behind it can be told apart, so what is buffered is dropped and every further
   * call throws it again.
   */
  next(): Frame | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    this.#lastMemory?.release();
    this.#lastMemory = undefined;
    try {
      return this.#gathered === undefined ? this.#begin() : this.#gather(this.#gathered);
    } catch (error) {
      if (error instanceof PduError) this.#fail(error);
      throw error;
    }
  }

  #fail(failure: PduError): void {
    this.#failure = failure;
    for (const memory of this.#memories.slice(this.#head)) memory?.release();
    this.#chunks = [];
    this.#memories = [];
    this.#head = 0;
    this.#queuedBytes = 0;
    this.#partialHeaderBytes = 0;
    this.#gathered = undefined;
    this.#gatheredBytes = 0;
  }

  #begin(): Frame | undefined {
    const chunk = this.#chunks[this.#head];
    if (chunk === undefined) return undefined;
    const here = chunk.length - this.#offset;
    if (this.#partialHeaderBytes > 0 || here < BHS_BYTES) return this.#beginSplit();
    this.#measure(chunk, this.#offset);
    const { totalBytes } = this.#shape;
    if (here < totalBytes) return this.#startGathering();
    const start = this.#offset;
    this.#verifyHeader(chunk, start);
    this.#lastMemory = this.#memories[this.#head];
    this.#lastMemory?.hold();
    this.#consume(totalBytes);
    return this.#frame(chunk, start);
  }

  #beginSplit(): Frame | undefined {
    const header = this.#partialHeader;
    this.#partialHeaderBytes += this.#take(header, this.#partialHeaderBytes);
    if (this.#partialHeaderBytes < BHS_BYTES) return undefined;
    this.#measure(header, 0);
    return this.#startGathering();
  }

  /** The header is known and within the limit: from here on the PDU has a buffer of its own. */
  #startGathering(): Frame | undefined {
    const whole = this.#buffers.allocate(this.#shape.totalBytes);
    if (this.#partialHeaderBytes > 0) whole.set(this.#partialHeader);
    this.#gathered = whole;
    this.#gatheredBytes = this.#partialHeaderBytes;
    this.#partialHeaderBytes = 0;
    return this.#gather(whole);
  }

  #gather(whole: Uint8Array): Frame | undefined {
    this.#gatheredBytes += this.#take(whole, this.#gatheredBytes);
    const { dataStart, totalBytes } = this.#shape;
    if (!this.#headerVerified && this.#gatheredBytes >= dataStart) {
      this.#verifyHeader(whole, 0);
      this.#headerVerified = true;
    }
    if (this.#gatheredBytes < totalBytes) return undefined;
    this.#gathered = undefined;
    this.#gatheredBytes = 0;
    this.#headerVerified = false;
    this.#lastMemory = new CountedMemory(whole, this.#unused);
    this.#lastMemory.hold();
    return this.#frame(whole, 0);
  }

  readonly #unused = ({ bytes }: CountedMemory): void => this.#buffers.giveBack(bytes);

  /**
   * Copies queued bytes into `target` from `offset` until it is full or the queue is empty; returns how many.
   */
  #take(target: Uint8Array, offset: number): number {
    let at = offset;
    while (at < target.length) {
      const chunk = this.#chunks[this.#head];
      if (chunk === undefined) break;
      const count = Math.min(target.length - at, chunk.length - this.#offset);
      target.set(chunk.subarray(this.#offset, this.#offset + count), at);
      this.#consume(count);
      at += count;
    }
    return at - offset;
  }

  /** Moves on by `count` bytes, none of them behind the first chunk. */
  #consume(count: number): void {
    this.#offset += count;
    this.#queuedBytes -= count;
    const chunk = this.#chunks[this.#head] as Uint8Array;
    if (this.#offset < chunk.length) return;
    this.#memories[this.#head]?.release();
    this.#offset = 0;
    this.#head += 1;
    if (this.#head === this.#chunks.length) {
      this.#chunks.length = 0;
      this.#memories.length = 0;
      this.#head = 0;
    }
  }

  #measure(bytes: Uint8Array, at: number): void {
    const ahsBytes = (bytes[at + 4] as number) * 4;
    const high = ((bytes[at + 5] as number) << 16) | ((bytes[at + 6] as number) << 8);
    const dataBytes = high | (bytes[at + 7] as number);
    if (dataBytes > this.#maxDataSegmentLength) {
      const why = `DataSegmentLength ${dataBytes} is over the limit of ${this.#maxDataSegmentLength}`;
      throw new PduError('too-large', why, bytes.slice(at, at + BHS_BYTES));
    }
    const shape = this.#shape;
    shape.headerDigest = this.#headerDigest;
    shape.dataDigest = this.#dataDigest && dataBytes > 0;
    shape.headerEnd = BHS_BYTES + ahsBytes;
    shape.dataStart = shape.headerEnd + (shape.headerDigest ? DIGEST_BYTES : 0);
    shape.dataEnd = shape.dataStart + dataBytes;
    shape.paddedEnd = shape.dataStart + paddedTo4(dataBytes);
    shape.totalBytes = shape.paddedEnd + (shape.dataDigest ? DIGEST_BYTES : 0);
  }

  #verifyHeader(bytes: Uint8Array, start: number): void {
    if (!this.#shape.headerDigest) return;
    const end = start + this.#shape.headerEnd;
    const crc32c = this.#crc32c;
    if (crc32c(bytes.subarray(start, end)) === readDigest(bytes, end)) return;
    throw new PduError(
      'header-digest',
      'the header digest does not match',
      bytes.slice(start, start + BHS_BYTES),
    );
  }

  #frame(bytes: Uint8Array, start: number): Frame {
    const { headerEnd, dataStart, dataEnd, paddedEnd, dataDigest } = this.#shape;
    const { buffer } = bytes;
    const base = bytes.byteOffset + start;
    const first = bytes[start] as number;
    const crc32c = this.#crc32c;
    const digested = dataDigest ? bytes.subarray(start + dataStart, start + paddedEnd) : NO_BYTES;
    return {
      opcode: first & 0x3f,
      immediate: (first & 0x40) !== 0,
      bhs: new Uint8Array(buffer, base, BHS_BYTES),
      ahs: headerEnd > BHS_BYTES ? new Uint8Array(buffer, base + BHS_BYTES, headerEnd - BHS_BYTES) : NO_BYTES,
      data: dataEnd > dataStart ? new Uint8Array(buffer, base + dataStart, dataEnd - dataStart) : NO_BYTES,
      dataDigestOk: !dataDigest || crc32c(digested) === readDigest(bytes, start + paddedEnd),
      memory: this.#lastMemory,
    };
  }
}
