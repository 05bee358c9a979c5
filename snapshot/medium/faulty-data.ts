/**
 * The data space of a faulty store. Beside what a reader sees (`live`) it keeps what is flushed and,
 * for every place changed since, each version in order, those in flight included. Power loss then
 * chooses among the versions, sector by sector where it tears. Stored blocks are never changed in
 * place, so versions and whole stores share them.
 */
import assert from 'node:assert';
import { StoreError } from '../../lun/errors.ts';
import { below, chance, type FaultRandom, Loss, SECTOR_BYTES } from './fault-plan.ts';
import { type Place, POOL_BLOCK_BYTES } from './medium.ts';

/**
 * What a block reads as that was never written, or was discarded: not zeroes, so that nobody leans on
 * them.
 */
const UNWRITTEN_BYTE = 0xa5;
const UNWRITTEN = new Uint8Array(POOL_BLOCK_BYTES).fill(UNWRITTEN_BYTE);
const ZEROES = new Uint8Array(POOL_BLOCK_BYTES);

export interface Version {
  readonly place: Place;
  /** Contents after it; undefined as never written. */
  bytes: Uint8Array | undefined;
  readonly discards: boolean;
  completed: boolean;
}

type Blocks = Map<Place, Uint8Array>;

function put(blocks: Blocks, place: Place, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) blocks.delete(place);
  else blocks.set(place, bytes);
}

/** A block of which every sector is that of one of `versions`, by choice of `pick`. */
function torn(versions: ReadonlyArray<Uint8Array | undefined>, pick: () => number): Uint8Array {
  const mixed = new Uint8Array(POOL_BLOCK_BYTES);
  for (let from = 0; from < POOL_BLOCK_BYTES; from += SECTOR_BYTES) {
    const version = versions[pick()] ?? UNWRITTEN;
    mixed.set(version.subarray(from, from + SECTOR_BYTES), from);
  }
  return mixed;
}

export class FaultyData {
  capacityBlocks: number;
  readonly #live: Blocks = new Map();
  readonly #durable: Blocks = new Map();
  readonly #unflushed = new Map<Place, Version[]>();
  /** Places whose live contents a failed flush let go: they are shown until the caches are dropped. */
  readonly #letGo = new Set<Place>();
  /** Places that take room on the device. */
  readonly #occupied = new Set<Place>();

  constructor(capacityBlocks: number) {
    this.capacityBlocks = capacityBlocks;
  }

  read(place: Place, into: Uint8Array): void {
    for (let offset = 0, at = place; offset < into.byteLength; offset += POOL_BLOCK_BYTES, at += 1) {
      into.set(this.#live.get(at) ?? UNWRITTEN, offset);
    }
  }

  /** Room for all of these, or NO_SPACE and nothing is taken. */
  occupy(places: readonly Place[], spaceBlocks: number): void {
    const wanted = places.filter((place) => !this.#occupied.has(place)).length;
    if (this.#occupied.size + wanted > spaceBlocks) {
      throw new StoreError('NO_SPACE', 'The faulty device is full.');
    }
    for (const place of places) this.#occupied.add(place);
  }

  /** A write is in flight from now on; `bytes` is copied. */
  beginWrite(place: Place, bytes: Uint8Array): Version {
    return this.#begin({ place, bytes: new Uint8Array(bytes), discards: false, completed: false });
  }

  /** A discard is in flight: the block will read as before, as zeroes or as anything. */
  beginDiscard(place: Place, random: FaultRandom): Version {
    const bytes = [this.#live.get(place), ZEROES, undefined][below(random, 3)];
    return this.#begin({ place, bytes, discards: true, completed: false });
  }

  complete(version: Version): void {
    version.completed = true;
    if (version.discards) this.#occupied.delete(version.place);
    put(this.#live, version.place, version.bytes);
    this.#letGo.delete(version.place);
  }

  /** The change failed: every sector of it may have been stored or not. */
  fail(version: Version, random: FaultRandom): void {
    version.bytes = this.#mixed(version, random);
    this.complete(version);
  }

  /** Nothing of the change was done. */
  undo(version: Version): void {
    const versions = this.#unflushed.get(version.place) ?? [];
    versions.splice(versions.indexOf(version), 1);
    if (versions.length === 0) this.#unflushed.delete(version.place);
  }

  /** What a flush that begins now covers. */
  beginFlush(): Version[] {
    const covered: Version[] = [];
    for (const versions of this.#unflushed.values()) {
      const last = versions.findLast(({ completed }) => completed);
      if (last !== undefined) covered.push(last);
    }
    return covered;
  }

  completeFlush(covered: readonly Version[]): void {
    for (const version of covered) {
      const versions = this.#unflushed.get(version.place);
      const index = versions?.indexOf(version) ?? -1;
      if (versions === undefined || index < 0) continue;
      put(this.#durable, version.place, version.bytes);
      versions.splice(0, index + 1);
      if (versions.length === 0) this.#unflushed.delete(version.place);
    }
  }

  /** As Linux does: some of what was to be flushed will never be written, and no later flush says so. */
  failFlush(covered: readonly Version[], random: FaultRandom): void {
    for (const version of covered) {
      if (chance(random, 0.5)) continue;
      const versions = this.#unflushed.get(version.place);
      const index = versions?.indexOf(version) ?? -1;
      if (versions === undefined || index < 0) continue;
      versions.splice(0, index + 1);
      if (versions.length > 0) continue;
      this.#unflushed.delete(version.place);
      this.#letGo.add(version.place);
    }
  }

  /** Shows what is really stored where a failed flush let something go. */
  dropCaches(): void {
    for (const place of this.#letGo) put(this.#live, place, this.#durable.get(place));
    this.#letGo.clear();
  }

  /** What is in flight happens in part or not at all, and is completed then. */
  kill(random: FaultRandom): void {
    for (const versions of [...this.#unflushed.values()]) {
      for (const version of versions.filter(({ completed }) => !completed)) {
        if (chance(random, 0.4)) this.undo(version);
        else if (chance(random, 0.5)) this.complete(version);
        else this.fail(version, random);
      }
    }
  }

  /** What a power loss now leaves. */
  afterPowerLoss(random: FaultRandom): FaultyData {
    const loss = new Loss(random);
    const left = new FaultyData(this.capacityBlocks);
    for (const [place, bytes] of this.#durable) left.#live.set(place, bytes);
    for (const [place, changes] of this.#unflushed) {
      const versions = [this.#durable.get(place), ...changes.map(({ bytes }) => bytes)];
      const bytes = loss.tears()
        ? torn(versions, () => loss.sectorVersion(changes.length))
        : versions[loss.version(changes.length)];
      put(left.#live, place, bytes);
    }
    for (const [place, bytes] of left.#live) {
      left.#durable.set(place, bytes);
      left.#occupied.add(place);
    }
    return left;
  }

  /** Flips one bit of a stored block; `bit` counts from the first byte's least significant bit. */
  rot(place: Place, bit: number): void {
    assert(bit >= 0 && bit < POOL_BLOCK_BYTES * 8);
    const flipped = (this.#live.get(place) ?? UNWRITTEN).slice();
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    this.#live.set(place, flipped);
    this.#durable.set(place, flipped);
    this.#unflushed.delete(place);
  }

  #begin(version: Version): Version {
    const versions = this.#unflushed.get(version.place);
    if (versions === undefined) this.#unflushed.set(version.place, [version]);
    else versions.push(version);
    return version;
  }

  #mixed(version: Version, random: FaultRandom): Uint8Array {
    return torn([this.#live.get(version.place), version.bytes], () => below(random, 2));
  }
}
