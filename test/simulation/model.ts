/**
 * VLUNs in the plainest way, as the oracle of the simulation: one stamp (content.ts) per 512-byte sector and VLUN, nothing
 * shared, snapshots as copies.
 *
 * The rules of preserve, per logical block (P11): a VLUN that tracks another holds at every moment, in each sector, what was
 * last written there through itself or through any VLUN above it. So a write is stored in its VLUN and in all VLUNs below
 * (P5, P10), a write to a tracker never goes up (P4), a read looks at its own VLUN alone (P6), and release merely ends the
 * following (P12). `own` says for a tracker which pool blocks its table must have an entry for: made by any write through it
 * (P4), deleted by a write of the whole block above it and kept by a partial one (P5, P11), emptied by a snapshot (§4).
 */
import assert from 'node:assert';
import { SECTOR_BYTES } from './content.ts';

const SECTORS_PER_POOL_BLOCK = 8;

export interface ModelVlun {
  readonly name: string;
  readonly blockBytes: 512 | 4096;
  stamps: Uint32Array;
  /** Name of the VLUN that this one tracks. */
  tracks: string | undefined;
  /** Pool blocks with an entry of its own; kept for trackers. */
  own: Set<number>;
}

export interface ModelSnapshot {
  readonly vlun: string;
  readonly name: string;
  readonly blockBytes: 512 | 4096;
  readonly stamps: Uint32Array;
}

/** Sectors of one VLUN before a write changed them. */
export interface Before {
  readonly vlun: string;
  readonly firstSector: number;
  readonly stamps: Uint32Array;
}

/** A structural verb; one that changes contents returns what they were. */
export type Restructuring = ((model: Model) => void) | ((model: Model) => readonly Before[]);

export function snapshotKey(vlun: string, snapshot: string): string {
  return `${vlun}@${snapshot}`;
}

function sectorsOf(sizeBytes: number): number {
  assert(sizeBytes % SECTOR_BYTES === 0, 'a VLUN is whole sectors');
  return sizeBytes / SECTOR_BYTES;
}

export class Model {
  readonly vluns = new Map<string, ModelVlun>();
  readonly snapshots = new Map<string, ModelSnapshot>();
  readonly documents = new Map<string, unknown>();

  clone(): Model {
    const copy = new Model();
    for (const [name, vlun] of this.vluns) {
      copy.vluns.set(name, { ...vlun, stamps: vlun.stamps.slice(), own: new Set(vlun.own) });
    }
    // Snapshots never change, so the copy shares them.
    for (const [key, snapshot] of this.snapshots) copy.snapshots.set(key, snapshot);
    for (const [name, value] of this.documents) copy.documents.set(name, value);
    return copy;
  }

  vlun(name: string): ModelVlun {
    const found = this.vluns.get(name);
    assert(found !== undefined, `the model has a VLUN ${name}`);
    return found;
  }

  create(name: string, sizeBytes: number, blockBytes: 512 | 4096): void {
    assert(!this.vluns.has(name));
    const stamps = new Uint32Array(sectorsOf(sizeBytes));
    this.vluns.set(name, { name, blockBytes, stamps, tracks: undefined, own: new Set() });
  }

  /** A write of these sectors through a VLUN; the state before, of each VLUN that it changed. */
  write(name: string, firstSector: number, stamps: Uint32Array): Before[] {
    const befores: Before[] = [];
    const vlun = this.vlun(name);
    assert(firstSector + stamps.length <= vlun.stamps.length, 'a write ends inside its VLUN');
    for (let block = firstBlock(firstSector); block <= lastBlock(firstSector, stamps.length); block += 1) {
      vlun.own.add(block);
    }
    store(vlun, firstSector, stamps, befores);
    for (const tracker of this.trackersOf(name)) this.#follow(tracker, firstSector, stamps, befores);
    return befores;
  }

  /** Takes a write back; of several, the last first. */
  undo(befores: readonly Before[]): void {
    for (const { vlun, firstSector, stamps } of befores) this.vlun(vlun).stamps.set(stamps, firstSector);
  }

  trackersOf(name: string): ModelVlun[] {
    return [...this.vluns.values()].filter(({ tracks }) => tracks === name);
  }

  /** A VLUN that neither tracks nor is tracked. */
  standsAlone(name: string): boolean {
    return this.vlun(name).tracks === undefined && this.trackersOf(name).length === 0;
  }

  /** Shrinking forgets the cut sectors. What a tracker gains by growing it reads from what it tracks (P3), else zeroes (P15). */
  resize(name: string, sizeBytes: number): void {
    const vlun = this.vlun(name);
    const stamps = new Uint32Array(sectorsOf(sizeBytes));
    if (vlun.tracks !== undefined) stamps.set(this.vlun(vlun.tracks).stamps.subarray(0, stamps.length));
    stamps.set(vlun.stamps.subarray(0, stamps.length));
    vlun.stamps = stamps;
  }

  snapshot(vlunName: string, snapshotName: string): void {
    const vlun = this.vlun(vlunName);
    const key = snapshotKey(vlunName, snapshotName);
    assert(!this.snapshots.has(key));
    const { blockBytes } = vlun;
    this.snapshots.set(key, {
      vlun: vlunName,
      name: snapshotName,
      blockBytes,
      stamps: vlun.stamps.slice(),
    });
    vlun.own.clear();
  }

  clonedFrom(vlunName: string, snapshotName: string, newName: string): void {
    const snapshot = this.snapshots.get(snapshotKey(vlunName, snapshotName));
    assert(snapshot !== undefined && !this.vluns.has(newName));
    const { blockBytes, stamps } = snapshot;
    this.vluns.set(newName, {
      name: newName,
      blockBytes,
      stamps: stamps.slice(),
      tracks: undefined,
      own: new Set(),
    });
  }

  /** Sectors as of the snapshot, in the VLUN and down the tree (P14); what was there before. */
  rollback(name: string, snapshotName: string): Before[] {
    const snapshot = this.snapshots.get(snapshotKey(name, snapshotName));
    assert(snapshot !== undefined);
    const befores: Before[] = [];
    this.#replace(this.vlun(name), snapshot.stamps.slice(), befores);
    return befores;
  }

  #replace(vlun: ModelVlun, stamps: Uint32Array, befores: Before[]): void {
    befores.push({ vlun: vlun.name, firstSector: 0, stamps: vlun.stamps });
    vlun.stamps = stamps;
    vlun.own.clear();
    for (const tracker of this.trackersOf(vlun.name)) {
      const followed = new Uint32Array(tracker.stamps.length);
      followed.set(stamps.subarray(0, followed.length));
      this.#replace(tracker, followed, befores);
    }
  }

  preserve(name: string, newName: string): void {
    assert(!this.vluns.has(newName));
    const { blockBytes, stamps } = this.vlun(name);
    this.vluns.set(newName, {
      name: newName,
      blockBytes,
      stamps: stamps.slice(),
      tracks: name,
      own: new Set(),
    });
  }

  release(name: string): void {
    this.vlun(name).tracks = undefined;
  }

  /** A VLUN goes with its snapshots; those that tracked it are released (P14). */
  deleteVlun(name: string): void {
    for (const tracker of this.trackersOf(name)) this.release(tracker.name);
    for (const [key, { vlun }] of this.snapshots) if (vlun === name) this.snapshots.delete(key);
    assert(this.vluns.delete(name));
  }

  deleteSnapshot(vlun: string, snapshot: string): void {
    assert(this.snapshots.delete(snapshotKey(vlun, snapshot)));
  }

  /** What a write through a VLUN above does to a tracker, and to those below it. */
  #follow(tracker: ModelVlun, firstSector: number, stamps: Uint32Array, befores: Before[]): void {
    const sectors = Math.min(stamps.length, tracker.stamps.length - firstSector);
    if (sectors <= 0) return;
    for (let block = firstBlock(firstSector); block <= lastBlock(firstSector, sectors); block += 1) {
      const whole =
        block * SECTORS_PER_POOL_BLOCK >= firstSector &&
        (block + 1) * SECTORS_PER_POOL_BLOCK <= firstSector + stamps.length;
      if (whole) tracker.own.delete(block);
    }
    const stored = stamps.subarray(0, sectors);
    store(tracker, firstSector, stored, befores);
    // Nothing comes down past the end of the VLUN in between (P15).
    for (const below of this.trackersOf(tracker.name)) this.#follow(below, firstSector, stored, befores);
  }
}

function firstBlock(firstSector: number): number {
  return Math.floor(firstSector / SECTORS_PER_POOL_BLOCK);
}

function lastBlock(firstSector: number, sectors: number): number {
  return Math.floor((firstSector + sectors - 1) / SECTORS_PER_POOL_BLOCK);
}

function store(vlun: ModelVlun, firstSector: number, stamps: Uint32Array, befores: Before[]): void {
  const before = vlun.stamps.slice(firstSector, firstSector + stamps.length);
  befores.push({ vlun: vlun.name, firstSector, stamps: before });
  vlun.stamps.set(stamps, firstSector);
}
