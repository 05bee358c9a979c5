/**
 * The journal of a faulty store. Appends are pieces of a segment, in order. Of the pieces that are not
 * flushed, power loss keeps in every sector those up to some point of its own, so later appends may
 * be there without earlier ones. A segment none of whose pieces was flushed may be gone, one that was
 * dropped may be back, and a new one may begin with the remains of a dropped one.
 */
import assert from 'node:assert';
import { below, chance, type FaultRandom, Loss, SECTOR_BYTES } from './fault-plan.ts';

const SPARE_SEGMENTS = 2;

export interface Piece {
  readonly segment: FaultySegment;
  readonly from: number;
  readonly bytes: Uint8Array;
  completed: boolean;
}

export interface FaultySegment {
  readonly number: number;
  readonly live: Uint8Array;
  readonly durable: Uint8Array;
  /** Not flushed, in order. */
  pieces: Piece[];
  appendedBytes: number;
  /** A flush was completed since it began, so it cannot be gone. */
  begunForGood: boolean;
}

export class FaultyJournal {
  readonly segmentBytes: number;
  segments: FaultySegment[] = [];
  nextSegment = 1;
  /** Dropped since the last completed flush: these may come back. */
  #dropped: FaultySegment[] = [];
  #spares: Uint8Array[] = [];
  /** The last segment number that a power loss cannot take back. */
  #lastForGood = 0;

  constructor(segmentBytes: number) {
    this.segmentBytes = segmentBytes;
  }

  begin(random: FaultRandom): FaultySegment {
    const stale = chance(random, 0.7) ? this.#spares.shift() : undefined;
    const live = stale ?? new Uint8Array(this.segmentBytes);
    const number = this.nextSegment;
    this.nextSegment += 1;
    const segment = {
      number,
      live,
      durable: live.slice(),
      pieces: [],
      appendedBytes: 0,
      begunForGood: false,
    };
    this.segments.push(segment);
    return segment;
  }

  /** An append is in flight from now on; `bytes` is copied. */
  beginAppend(segment: FaultySegment, bytes: Uint8Array): Piece {
    const piece = { segment, from: segment.appendedBytes, bytes: new Uint8Array(bytes), completed: false };
    assert(piece.from + bytes.byteLength <= this.segmentBytes);
    segment.appendedBytes += bytes.byteLength;
    segment.pieces.push(piece);
    return piece;
  }

  complete(piece: Piece): void {
    piece.completed = true;
    piece.segment.live.set(piece.bytes, piece.from);
  }

  /** The append failed: the first bytes of it may have been stored. */
  fail(piece: Piece, random: FaultRandom): void {
    const kept = { ...piece, bytes: piece.bytes.slice(0, below(random, piece.bytes.byteLength)) };
    piece.segment.pieces = piece.segment.pieces.map((one) => (one === piece ? kept : one));
    this.complete(kept);
  }

  beginFlush(): { pieces: Piece[]; segments: FaultySegment[]; dropped: FaultySegment[] } {
    const pieces = this.segments.flatMap((segment) => segment.pieces.filter(({ completed }) => completed));
    return { pieces, segments: this.segments.slice(), dropped: this.#dropped.slice() };
  }

  completeFlush(covered: ReturnType<FaultyJournal['beginFlush']>): void {
    const pieces = new Set(covered.pieces);
    for (const segment of covered.segments) {
      segment.begunForGood = true;
      this.#lastForGood = Math.max(this.#lastForGood, segment.number);
      for (const piece of segment.pieces) if (pieces.has(piece)) segment.durable.set(piece.bytes, piece.from);
      segment.pieces = segment.pieces.filter((piece) => !pieces.has(piece));
    }
    this.#dropped = this.#dropped.filter((segment) => !covered.dropped.includes(segment));
    for (const { live } of covered.dropped) if (this.#spares.length < SPARE_SEGMENTS) this.#spares.push(live);
  }

  /** Some of what was to be flushed will never be written, and no later flush says so. */
  failFlush(covered: ReturnType<FaultyJournal['beginFlush']>, random: FaultRandom): void {
    const gone = new Set(covered.pieces.filter(() => chance(random, 0.5)));
    for (const segment of covered.segments) {
      segment.pieces = segment.pieces.filter((piece) => !gone.has(piece));
    }
  }

  dropBefore(number: number): void {
    this.#dropped.push(...this.segments.filter((segment) => segment.number < number));
    this.segments = this.segments.filter((segment) => segment.number >= number);
  }

  /** Shows what is stored where a failed flush let something go. */
  dropCaches(): void {
    for (const { live, durable, pieces } of this.segments) {
      live.set(durable);
      for (const piece of pieces) if (piece.completed) live.set(piece.bytes, piece.from);
    }
  }

  /** The first appends in flight happen, one of them in part, the rest not. */
  kill(random: FaultRandom): void {
    for (const segment of this.segments) {
      let going = true;
      for (const piece of segment.pieces.slice()) {
        if (piece.completed) continue;
        const fate = going ? below(random, 4) : 0;
        if (fate >= 2) this.complete(piece);
        else if (fate === 1) this.fail(piece, random);
        else segment.pieces = segment.pieces.filter((one) => one !== piece);
        going = going && piece.completed;
      }
    }
  }

  /** What a power loss now leaves. */
  afterPowerLoss(random: FaultRandom): FaultyJournal {
    const loss = new Loss(random);
    const left = new FaultyJournal(this.segmentBytes);
    const kept = [
      ...this.#dropped.filter(() => loss.keeps()),
      ...this.segments.filter(({ begunForGood }) => begunForGood || loss.keeps()),
    ];
    left.segments = kept.map((segment) => afterLoss(segment, loss));
    left.#lastForGood = Math.max(this.#lastForGood, ...kept.map(({ number }) => number));
    left.nextSegment = left.#lastForGood + 1;
    left.#spares = this.#spares.map((bytes) => bytes.slice());
    return left;
  }
}

function afterLoss(segment: FaultySegment, loss: Loss): FaultySegment {
  const bytes = segment.durable.slice();
  const tears = loss.tears();
  const whole = loss.version(segment.pieces.length);
  const unflushed = new Map<number, Piece[]>();
  for (const piece of segment.pieces) {
    const last = Math.floor((piece.from + Math.max(piece.bytes.byteLength, 1) - 1) / SECTOR_BYTES);
    for (let sector = Math.floor(piece.from / SECTOR_BYTES); sector <= last; sector += 1) {
      const pieces = unflushed.get(sector) ?? [];
      pieces.push(piece);
      unflushed.set(sector, pieces);
    }
  }
  for (const [sector, pieces] of unflushed) {
    const limit = segment.pieces[whole];
    const untorn =
      limit === undefined ? pieces.length : pieces.filter(({ from }) => from < limit.from).length;
    const kept = tears ? loss.sectorVersion(pieces.length) : untorn;
    for (const piece of pieces.slice(0, kept)) storeSector(bytes, sector, piece);
  }
  return { ...segment, live: bytes, durable: bytes.slice(), pieces: [], begunForGood: true };
}

/** Puts the part of a piece that lies in one sector. */
function storeSector(into: Uint8Array, sector: number, { from, bytes }: Piece): void {
  const begin = Math.max(from, sector * SECTOR_BYTES);
  const end = Math.min(from + bytes.byteLength, (sector + 1) * SECTOR_BYTES);
  if (begin < end) into.set(bytes.subarray(begin - from, end - from), begin);
}
