/**
 * VLUNs in the plainest way, as the oracle of the simulation: one stamp (content.ts) per 512-byte sector and
 * VLUN, nothing shared, snapshots as copies.
 *
 * The rules of preserve, per logical block (P11): a VLUN that tracks another holds at every moment, in each
 * sector, what was last written there through itself or through any VLUN above it. So a write is stored in
 * its VLUN and in all VLUNs below (P5, P10), a write to a tracker never goes up (P4), a read looks at its own
 * VLUN alone (P6), and release merely ends the following (P12). `own` says for a tracker which pool blocks
 * its table must have an entry for: made by any write through it (P4), deleted by a write of the whole block
 * above it and kept by a partial one (P5, P11), emptied by a snapshot (§4).
 */
import assert from 'node:assert';
import { SECTOR_BYTES } from './content.ts';

const SECTORS_PER_POOL_BLOCK = 8;
/**
 * No VLUN of a run is larger. Past its end a VLUN goes on out of sight, so that it can be made larger again.
 */
export const SECTORS_MAX = 8192;

export interface ModelVlun {
  readonly name: string;
  readonly blockBytes: 512 | 4096;
  sectors: number;
  /** As many as any VLUN may have; those from `sectors` on are not seen. */
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
  readonly sectors: number;
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
    const stamps = new Uint32Array(SECTORS_MAX);
    const sectors = sectorsOf(sizeBytes);
    this.vluns.set(name, { name, blockBytes, sectors, stamps, tracks: undefined, own: new Set() });
  }

  /** A write of these sectors through a VLUN; the state before, of each VLUN that it changed. */
  write(name: string, firstSector: number, stamps: Uint32Array): Before[] {
    const befores: Before[] = [];
    const vlun = this.vlun(name);
    assert(firstSector + stamps.length <= SECTORS_MAX);
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

  /** The sectors of a VLUN, or of a snapshot; undefined when it is gone. */
  sourceOf(source: { readonly vlun: string; readonly snapshot?: string }): Uint32Array | undefined {
    if (source.snapshot === undefined) return this.vluns.get(source.vlun)?.stamps;
    return this.snapshots.get(snapshotKey(source.vlun, source.snapshot))?.stamps;
  }

  trackersOf(name: string): ModelVlun[] {
    return [...this.vluns.values()].filter(({ tracks }) => tracks === name);
  }

  /** The VLUN that everything this one tracks begins with. */
  topOf(name: string): ModelVlun {
    const vlun = this.vlun(name);
    return vlun.tracks === undefined ? vlun : this.topOf(vlun.tracks);
  }

  /**
   * May this VLUN take this size while the rules say plainly what everyone reads? In a chain of three, the
   * one in the middle is not to be smaller than the one below it.
   */
  mayResize(name: string, sectors: number): boolean {
    const vlun = this.vlun(name);
    const trackers = this.trackersOf(name);
    const above = vlun.tracks === undefined ? undefined : this.vlun(vlun.tracks);
    if (vlun.tracks !== undefined && trackers.some((tracker) => tracker.sectors > sectors)) return false;
    return above?.tracks === undefined || sectors <= above.sectors;
  }

  /**
   * Shrinking deallocates the cut sectors first, so that trackers follow (P7). Growing shows zeroes (P15),
   * and to a tracker what it follows (P3).
   */
  resize(name: string, sizeBytes: number): void {
    const vlun = this.vlun(name);
    const sectors = sectorsOf(sizeBytes);
    if (sectors < vlun.sectors) this.write(name, sectors, new Uint32Array(vlun.sectors - sectors));
    vlun.sectors = sectors;
  }

  snapshot(vlunName: string, snapshotName: string): void {
    const vlun = this.vlun(vlunName);
    const key = snapshotKey(vlunName, snapshotName);
    assert(!this.snapshots.has(key));
    const { blockBytes, sectors } = vlun;
    this.snapshots.set(key, {
      vlun: vlunName,
      name: snapshotName,
      blockBytes,
      sectors,
      stamps: vlun.stamps.slice(),
    });
    vlun.own.clear();
  }

  clonedFrom(vlunName: string, snapshotName: string, newName: string): void {
    const snapshot = this.snapshots.get(snapshotKey(vlunName, snapshotName));
    assert(snapshot !== undefined && !this.vluns.has(newName));
    const { blockBytes, sectors } = snapshot;
    this.vluns.set(newName, {
      name: newName,
      blockBytes,
      sectors,
      stamps: seen(snapshot),
      tracks: undefined,
      own: new Set(),
    });
  }

  /** Sectors as of the snapshot, in the VLUN and down the tree (P14); what was there before. */
  rollback(name: string, snapshotName: string): Before[] {
    const snapshot = this.snapshots.get(snapshotKey(name, snapshotName));
    assert(snapshot !== undefined);
    const befores: Before[] = [];
    this.vlun(name).sectors = snapshot.sectors;
    this.#replace(this.vlun(name), seen(snapshot), befores);
    return befores;
  }

  #replace(vlun: ModelVlun, stamps: Uint32Array, befores: Before[]): void {
    befores.push({ vlun: vlun.name, firstSector: 0, stamps: vlun.stamps });
    vlun.stamps = stamps;
    vlun.own.clear();
    for (const tracker of this.trackersOf(vlun.name)) this.#replace(tracker, stamps.slice(), befores);
  }

  preserve(name: string, newName: string): void {
    assert(!this.vluns.has(newName));
    const { blockBytes, sectors, stamps } = this.vlun(name);
    this.vluns.set(newName, {
      name: newName,
      blockBytes,
      sectors,
      stamps: stamps.slice(),
      tracks: name,
      own: new Set(),
    });
  }

  release(name: string): void {
    const vlun = this.vlun(name);
    vlun.tracks = undefined;
    this.#forgetBeyond(vlun, vlun.sectors);
  }

  /** What lay past the end of a VLUN came from above, and comes no more to it nor to those below (P15). */
  #forgetBeyond(vlun: ModelVlun, sectors: number): void {
    vlun.stamps = vlun.stamps.slice().fill(0, sectors);
    for (const tracker of this.trackersOf(vlun.name)) {
      this.#forgetBeyond(tracker, Math.max(sectors, tracker.sectors));
    }
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
    for (let block = firstBlock(firstSector); block <= lastBlock(firstSector, stamps.length); block += 1) {
      const whole =
        block * SECTORS_PER_POOL_BLOCK >= firstSector &&
        (block + 1) * SECTORS_PER_POOL_BLOCK <= firstSector + stamps.length;
      if (whole) tracker.own.delete(block);
    }
    store(tracker, firstSector, stamps, befores);
    for (const below of this.trackersOf(tracker.name)) this.#follow(below, firstSector, stamps, befores);
  }
}

/** The sectors that are seen; zeroes past the end. */
function seen({ stamps, sectors }: { readonly stamps: Uint32Array; readonly sectors: number }): Uint32Array {
  return stamps.slice().fill(0, sectors);
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
