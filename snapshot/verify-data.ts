/**
 * Compares records of the journal with the data they point at, some way ahead of the one that is applied.
 * Records that follow each other mostly have places that do, so what a window of them points at is read in
 * long runs, in the order of the places, instead of record by record.
 */
import type { JournalBatch } from './journal-reader.ts';
import { hasData, hasSums } from './journal-record.ts';
import { type DataSpace, POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { RawRecord } from './record-decoder.ts';

export interface VerifyOptions {
  readonly data: Pick<DataSpace, 'read'>;
  readonly checksum: (bytes: Uint8Array) => number;
  /** Up to this record everything is known to be durable. */
  readonly flushedSequence: number;
}

/** Blocks that are read at once: what a damaged block keeps from its neighbours is read again without it. */
const RUN_BLOCKS = 256;
/** Blocks that are compared together; a window ends with the record that makes it full. */
const WINDOW_BLOCKS = 1024;

/** Neighbouring blocks of one record, and their checksums from `sumAt` on. */
interface Piece {
  readonly place: number;
  readonly blocks: number;
  readonly sums: Uint32Array;
  readonly sumAt: number;
  /** The piece lies whole within it. */
  run: Run | undefined;
}

interface Run {
  readonly place: number;
  blocks: number;
  /** Undefined where it could not be read. */
  bytes: Uint8Array | undefined;
}

/** The records up to the first whose data does not stand. Fails with what the medium fails with. */
export async function* standing(
  batches: AsyncIterable<JournalBatch>,
  options: VerifyOptions,
): AsyncGenerator<JournalBatch> {
  for await (const window of readAhead(batches, options)) {
    yield { segment: window.segment, records: await window.standing() };
    if (!window.stood) return;
  }
}

/** Each comes when the one behind it is being read as well. */
async function* readAhead(
  batches: AsyncIterable<JournalBatch>,
  options: VerifyOptions,
): AsyncGenerator<Window> {
  let next: Window | undefined;
  try {
    for await (const window of windows(batches, options)) {
      void window.read();
      const ready = next;
      next = window;
      if (ready !== undefined) yield ready;
    }
    if (next !== undefined) yield next;
  } finally {
    // Nothing may still be read when the caller goes on, or closes the medium.
    await next?.read();
  }
}

async function* windows(
  batches: AsyncIterable<JournalBatch>,
  options: VerifyOptions,
): AsyncGenerator<Window> {
  for await (const { segment, records } of batches) {
    let window = new Window(segment, options);
    for (const record of records) {
      if (window.isFull) {
        yield window;
        window = new Window(segment, options);
      }
      window.add(record);
    }
    yield window;
  }
}

class Window {
  readonly segment: number;
  stood = true;
  readonly #options: VerifyOptions;
  readonly #records: RawRecord[] = [];
  /** Of each record, what is to be compared. */
  readonly #pieces: Array<readonly Piece[]> = [];
  #blocks = 0;
  #read: Promise<unknown> | undefined;

  constructor(segment: number, options: VerifyOptions) {
    this.segment = segment;
    this.#options = options;
  }

  add(record: RawRecord): void {
    const pieces = record.sequence > this.#options.flushedSequence ? piecesOf(record) : [];
    this.#records.push(record);
    this.#pieces.push(pieces);
    for (const { blocks } of pieces) this.#blocks += blocks;
  }

  get isFull(): boolean {
    return this.#blocks >= WINDOW_BLOCKS;
  }

  /** Never rejects: what cannot be read is read again by `standing`, in its turn. */
  read(): Promise<unknown> {
    this.#read ??= Promise.all(runsOf(this.#pieces.flat()).map((run) => readRun(this.#options.data, run)));
    return this.#read;
  }

  /** Those before the first that does not stand; whether all did, `stood` says. */
  async standing(): Promise<readonly RawRecord[]> {
    await this.read();
    for (const [at, pieces] of this.#pieces.entries()) {
      for (const piece of pieces) {
        const bytes = bytesOf(piece) ?? (await this.#readAlone(piece));
        if (matches(piece, bytes, this.#options.checksum)) continue;
        this.stood = false;
        return this.#records.slice(0, at);
      }
    }
    return this.#records;
  }

  async #readAlone({ place, blocks }: Piece): Promise<Uint8Array> {
    const bytes = new Uint8Array(blocks * POOL_BLOCK_BYTES);
    await this.#options.data.read(place, bytes);
    return bytes;
  }
}

function piecesOf({ body }: RawRecord): Piece[] {
  const pieces: Piece[] = [];
  if (body.kind !== 'write') return pieces;
  let sumAt = 0;
  for (const { kind, place, blocks } of body.extents) {
    // What is shared was data of an earlier record, and was compared with that where it had to be.
    for (let done = 0; hasData(kind) && done < blocks; done += RUN_BLOCKS) {
      const count = Math.min(RUN_BLOCKS, blocks - done);
      pieces.push({
        place: place + done,
        blocks: count,
        sums: body.sums,
        sumAt: sumAt + done,
        run: undefined,
      });
    }
    if (hasSums(kind)) sumAt += blocks;
  }
  return pieces;
}

/** Runs that hold every piece whole; each piece is told its own. The pieces are sorted by place. */
function runsOf(pieces: Piece[]): Run[] {
  const runs: Run[] = [];
  let last: Run | undefined;
  for (const piece of pieces.sort((one, other) => one.place - other.place)) {
    const { place, blocks } = piece;
    const end = place + blocks;
    if (last !== undefined && place <= last.place + last.blocks && end - last.place <= RUN_BLOCKS) {
      last.blocks = Math.max(last.blocks, end - last.place);
    } else {
      last = { place, blocks, bytes: undefined };
      runs.push(last);
    }
    piece.run = last;
  }
  return runs;
}

async function readRun(data: VerifyOptions['data'], run: Run): Promise<void> {
  const bytes = Buffer.allocUnsafeSlow(run.blocks * POOL_BLOCK_BYTES);
  try {
    await data.read(run.place, bytes);
    run.bytes = bytes;
  } catch {
    // Which of its blocks cannot be read shows when each is read by itself, in its turn.
  }
}

function bytesOf({ run, place, blocks }: Piece): Uint8Array | undefined {
  if (run?.bytes === undefined) return undefined;
  const from = place - run.place;
  return run.bytes.subarray(from * POOL_BLOCK_BYTES, (from + blocks) * POOL_BLOCK_BYTES);
}

function matches(
  { blocks, sums, sumAt }: Piece,
  bytes: Uint8Array,
  checksum: VerifyOptions['checksum'],
): boolean {
  for (let at = 0; at < blocks; at += 1) {
    const block = bytes.subarray(at * POOL_BLOCK_BYTES, (at + 1) * POOL_BLOCK_BYTES);
    if (checksum(block) !== sums[sumAt + at]) return false;
  }
  return true;
}
