/**
 * One file of the journal: a header of its own, then room for appends, all of it written once before
 * use, so that an append changes no metadata of the file system and a flush stays short.
 *
 * The header (little endian, within one sector, so a power loss leaves the old or the new one):
 *   0 magic "SNPLUNJ\n"   8 format version u32   12 state u32 (1 kept, 2 free)   16 number u64
 *   24 bytes of the file u64   32 pool UUID, 16 bytes   508 CRC-32 of bytes 0 to 507
 * The number tells the order; the file's name means nothing. A header of zeroes is that of a file whose
 * making was interrupted.
 */
import fs from 'node:fs';
import { OperatorError } from '../../lun/errors.ts';
import { crc32 } from './checksum.ts';
import { readFully, storeError, syncData, writeFully } from './fd-io.ts';
import { preallocate } from './posix.ts';

/** Room for the header; appends begin after it. */
export const SEGMENT_HEADER_BYTES = 4096;
const HEADER_SECTOR_BYTES = 512;
const CHECKSUM_OFFSET = 508;
const MAGIC = Buffer.from('SNPLUNJ\n');
const FORMAT_VERSION = 1;
const STATE_KEPT = 1;
const STATE_FREE = 2;
const FILL_BYTES = 1024 * 1024;

export interface PoolForm {
  /** 16 bytes. */
  readonly poolUuid: Uint8Array;
  readonly segmentBytes: number;
}

export class SegmentFile {
  readonly path: string;
  readonly fd: number;
  readonly #form: PoolForm;
  /** 0 in a file never used. */
  number = 0;
  /** 'busy' while it is made ready for use or removed. */
  state: 'free' | 'busy' | 'kept' = 'free';
  /** In this opening; the fill of earlier ones is not known. */
  appendedBytes = 0;
  flushedBytes = 0;
  /** All its bytes were written once. */
  #filled = false;

  constructor(path: string, fd: number, form: PoolForm) {
    this.path = path;
    this.fd = fd;
    this.#form = form;
  }

  /** A new free file of full length. The caller makes its name durable. */
  static async create(path: string, form: PoolForm): Promise<SegmentFile> {
    const { O_RDWR, O_CREAT, O_EXCL } = fs.constants;
    let fd: number | undefined;
    try {
      fd = fs.openSync(path, O_RDWR | O_CREAT | O_EXCL, 0o600);
      const segment = new SegmentFile(path, fd, form);
      if (!(await preallocate(fd, form.segmentBytes))) await segment.#fill();
      return segment;
    } catch (error) {
      if (fd !== undefined) {
        fs.closeSync(fd);
        fs.unlinkSync(path);
      }
      throw storeError('make a journal segment', error);
    }
  }

  /** A file found in the journal's directory; operator error 'damaged' when its header proves wrong. */
  static async open(path: string, form: PoolForm): Promise<SegmentFile> {
    const segment = new SegmentFile(path, fs.openSync(path, fs.constants.O_RDWR), form);
    try {
      await segment.#readHeader();
    } catch (error) {
      fs.closeSync(segment.fd);
      throw error;
    }
    return segment;
  }

  /** Makes it segment `number`, durably; what it held stays behind the header. */
  async use(number: number): Promise<void> {
    this.state = 'busy';
    try {
      if (!this.#filled) await this.#fill();
      await writeFully(this.fd, [this.#header(number, STATE_KEPT)], 0);
      await syncData(this.fd);
    } catch (error) {
      this.state = 'free';
      throw error;
    }
    this.number = number;
    this.state = 'kept';
  }

  /** Gives it back for use; a power loss may undo that. */
  async free(): Promise<void> {
    await writeFully(this.fd, [this.#header(this.number, STATE_FREE)], 0);
    this.appendedBytes = 0;
    this.flushedBytes = 0;
    this.state = 'free';
  }

  async readAll(): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(this.#form.segmentBytes - SEGMENT_HEADER_BYTES);
    await readFully(this.fd, bytes, { offsetBytes: SEGMENT_HEADER_BYTES });
    return bytes;
  }

  close(): void {
    fs.closeSync(this.fd);
  }

  async #fill(): Promise<void> {
    const zeroes = new Uint8Array(FILL_BYTES);
    for (let offset = 0; offset < this.#form.segmentBytes; offset += FILL_BYTES) {
      const bytes = Math.min(FILL_BYTES, this.#form.segmentBytes - offset);
      await writeFully(this.fd, [zeroes.subarray(0, bytes)], offset);
    }
    this.#filled = true;
  }

  #header(number: number, state: number): Buffer {
    const header = Buffer.alloc(HEADER_SECTOR_BYTES);
    MAGIC.copy(header);
    header.writeUInt32LE(FORMAT_VERSION, 8);
    header.writeUInt32LE(state, 12);
    header.writeBigUInt64LE(BigInt(number), 16);
    header.writeBigUInt64LE(BigInt(this.#form.segmentBytes), 24);
    header.set(this.#form.poolUuid, 32);
    header.writeUInt32LE(crc32(header.subarray(0, CHECKSUM_OFFSET)), CHECKSUM_OFFSET);
    return header;
  }

  async #readHeader(): Promise<void> {
    const fileBytes = fs.fstatSync(this.fd).size;
    const header = Buffer.alloc(HEADER_SECTOR_BYTES);
    if (fileBytes >= HEADER_SECTOR_BYTES) await readFully(this.fd, header, { offsetBytes: 0 });
    if (header.every((byte) => byte === 0)) return;
    const damaged = (why: string): OperatorError =>
      new OperatorError('damaged', `The journal segment ${this.path} is damaged: ${why}.`);
    if (!header.subarray(0, 8).equals(MAGIC)) throw damaged('it has no header');
    if (header.readUInt32LE(CHECKSUM_OFFSET) !== crc32(header.subarray(0, CHECKSUM_OFFSET))) {
      throw damaged("its header's checksum is wrong");
    }
    if (Buffer.compare(header.subarray(32, 48), this.#form.poolUuid) !== 0) {
      throw damaged('it belongs to another pool');
    }
    if (fileBytes !== this.#form.segmentBytes) throw damaged(`it has ${fileBytes} bytes`);
    this.number = Number(header.readBigUInt64LE(16));
    this.state = header.readUInt32LE(12) === STATE_KEPT ? 'kept' : 'free';
    this.#filled = true;
  }
}
