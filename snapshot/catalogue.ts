/**
 * The catalogue: which VLUNs, images, snapshots and documents a pool has. It is small (a few hundred bytes
 * each) and wholly in memory. A structural verb computes a `CatalogueChange` in a `Draft`, the change
 * goes into the journal as after-images, and applying it simply puts them: live and in recovery alike.
 * What can be derived (who tracks whom, the layers a VLUN reads) is derived elsewhere and never stored.
 *
 * Numbers given to VLUNs, images, snapshots and identities are never used again; the counters that
 * see to it travel with every change that moves them.
 */
import assert from 'node:assert';
import type { LogicalBlockBytes } from '../lun/units.ts';

/** A VLUN: what initiators see, with one live image. */
export interface VlunObject {
  readonly id: number;
  readonly name: string;
  /** Number from which NAA and serial are made. */
  readonly identity: number;
  readonly sizeBytes: number;
  readonly blockBytes: LogicalBlockBytes;
  readonly readOnly: boolean;
  readonly removable: boolean;
  readonly writeCache: boolean;
  readonly createdAtMs: number;
  /** The image its writes go to. */
  readonly live: number;
  /** The VLUN it tracks (SYSTEM P1–P13). */
  readonly tracks?: number;
  /** It follows the layers of the tracked VLUN up to, but excluding, this image; all of them when absent. */
  readonly tracksUntil?: number;
  /** Space that is kept for it (space.ts); absent: none. */
  readonly reservedBytes?: number;
  /** Limits of what its initiators may do in a second; absent: none. */
  readonly iopsMax?: number;
  readonly throughputMaxBytes?: number;
  /** NAME@SNAP it was cloned from, as it was called then. */
  readonly parent?: string;
}

/** The layers of another image that a frozen image reads through after itself, and before its base. */
export interface Via {
  readonly image: number;
  /** Up to, but excluding, this image. */
  readonly until?: number;
}

export interface ImageObject {
  readonly id: number;
  /** What is read where this image has no entry, after `via`: always a frozen image. */
  readonly base?: number;
  /**
   * The base is read below this pool block only. A VLUN that was released or cloned may stand over images
   * that were written through a larger one; what lies past its own end there was never its own.
   */
  readonly baseEnd?: number;
  /** Frozen while its VLUN tracked another one (P13). */
  readonly via?: Via;
  readonly frozen: boolean;
  /** Nothing reads it any more; the background gives its blocks back and then removes it. */
  readonly dropped?: boolean;
}

export interface SnapshotObject {
  readonly id: number;
  readonly vlun: number;
  readonly name: string;
  readonly image: number;
  readonly identity: number;
  readonly sizeBytes: number;
  readonly blockBytes: LogicalBlockBytes;
  readonly createdAtMs: number;
  /** Of an imported snapshot: the identity of the one it is a copy of, 32 hexadecimal digits. */
  readonly origin?: string;
  /** The name of the schedule that took it, whose retention may delete it. */
  readonly schedule?: string;
}

/** The next number of each kind to be given out. */
export interface Counters {
  readonly vlun: number;
  readonly image: number;
  readonly snapshot: number;
  readonly identity: number;
}

export const FIRST_COUNTERS: Counters = { vlun: 1, image: 1, snapshot: 1, identity: 1 };

/**
 * After-images of what a structural verb changed. Pairs of number (or document name) and object; null, or for
 * a document the lack of a second element, removes. This is the JSON of a STRUCTURE record.
 */
export interface CatalogueChange {
  readonly counters?: Counters;
  readonly images?: ReadonlyArray<readonly [number, ImageObject | null]>;
  readonly vluns?: ReadonlyArray<readonly [number, VlunObject | null]>;
  readonly snapshots?: ReadonlyArray<readonly [number, SnapshotObject | null]>;
  readonly documents?: ReadonlyArray<readonly [string, unknown] | readonly [string]>;
}

export type ObjectKind = 'vlun' | 'image' | 'snapshot' | 'document';

/** What a checkpoint has to store or remove. */
export interface ChangedObject {
  readonly kind: ObjectKind;
  readonly key: number | string;
  /** Undefined: removed. */
  readonly value: unknown;
}

export class Catalogue {
  counters: Counters = FIRST_COUNTERS;
  /** Raised by every change. */
  version = 0;
  readonly vluns = new Map<number, VlunObject>();
  readonly images = new Map<number, ImageObject>();
  readonly snapshots = new Map<number, SnapshotObject>();
  readonly documents = new Map<string, unknown>();
  readonly #changed = new Map<string, { kind: ObjectKind; key: number | string }>();
  /** Numbers by name: a group of many VLUNs with many snapshots is looked up without a walk for each. */
  readonly #vlunNames = new Map<string, number>();
  readonly #snapshotNames = new Map<string, number>();

  vlunNamed(name: string): VlunObject | undefined {
    const id = this.#vlunNames.get(name);
    return id === undefined ? undefined : this.vluns.get(id);
  }

  snapshotNamed(vlun: number, name: string): SnapshotObject | undefined {
    const id = this.#snapshotNames.get(`${vlun} ${name}`);
    return id === undefined ? undefined : this.snapshots.get(id);
  }

  snapshotsOf(vlun: number): SnapshotObject[] {
    return [...this.snapshots.values()].filter((snapshot) => snapshot.vlun === vlun);
  }

  apply(change: CatalogueChange): void {
    this.version += 1;
    if (change.counters !== undefined) this.counters = change.counters;
    this.#putAll('image', this.images, change.images);
    this.#putAll('vlun', this.vluns, change.vluns, (id, before) => this.#renameVlun(id, before));
    this.#putAll('snapshot', this.snapshots, change.snapshots, (id, before) =>
      this.#renameSnapshot(id, before),
    );
    for (const [name, value] of change.documents ?? []) {
      if (value === undefined) this.documents.delete(name);
      else this.documents.set(name, value);
      this.#note('document', name);
    }
  }

  /** Puts one object as a checkpoint stored it; it does not count as changed. */
  restore(kind: ObjectKind, key: number | string, value: unknown): void {
    if (kind === 'document') this.documents.set(String(key), value);
    else if (kind === 'image') this.images.set(Number(key), value as ImageObject);
    else if (kind === 'vlun') this.vluns.set(Number(key), value as VlunObject);
    else this.snapshots.set(Number(key), value as SnapshotObject);
    if (kind === 'vlun') this.#renameVlun(Number(key), undefined);
    if (kind === 'snapshot') this.#renameSnapshot(Number(key), undefined);
  }

  /** What changed since this was last asked. */
  takeChanged(): ChangedObject[] {
    const changed = [...this.#changed.values()].map(({ kind, key }) => ({
      kind,
      key,
      value: this.#valueOf(kind, key),
    }));
    this.#changed.clear();
    return changed;
  }

  /** A checkpoint that had taken these failed: the next one takes them again. */
  giveBackChanged(changed: readonly ChangedObject[]): void {
    for (const { kind, key } of changed) this.#note(kind, key);
  }

  #valueOf(kind: ObjectKind, key: number | string): unknown {
    if (kind === 'document') return this.documents.get(String(key));
    const map = kind === 'image' ? this.images : kind === 'vlun' ? this.vluns : this.snapshots;
    return map.get(Number(key));
  }

  #putAll<T>(
    kind: ObjectKind,
    map: Map<number, T>,
    changes: ReadonlyArray<readonly [number, T | null]> | undefined,
    changed?: (id: number, before: T | undefined) => void,
  ): void {
    for (const [id, object] of changes ?? []) {
      const before = map.get(id);
      if (object === null) map.delete(id);
      else map.set(id, object);
      changed?.(id, before);
      this.#note(kind, id);
    }
  }

  #renameVlun(id: number, before: VlunObject | undefined): void {
    rename(this.#vlunNames, { id, before: before?.name, now: this.vluns.get(id)?.name });
  }

  #renameSnapshot(id: number, before: SnapshotObject | undefined): void {
    const keyOf = (object: SnapshotObject | undefined): string | undefined =>
      object === undefined ? undefined : `${object.vlun} ${object.name}`;
    rename(this.#snapshotNames, { id, before: keyOf(before), now: keyOf(this.snapshots.get(id)) });
  }

  #note(kind: ObjectKind, key: number | string): void {
    this.#changed.set(`${kind} ${key}`, { kind, key });
  }
}

/** One record may give a name away and take it again, in either order. */
function rename(
  names: Map<string, number>,
  change: { readonly id: number; readonly before: string | undefined; readonly now: string | undefined },
): void {
  const { id, before, now } = change;
  if (before !== undefined && before !== now && names.get(before) === id) names.delete(before);
  if (now !== undefined) names.set(now, id);
}

/** The catalogue as it would be after a verb; collects the change and leaves the catalogue alone. */
export class Draft {
  readonly #catalogue: Catalogue;
  readonly #vluns = new Map<number, VlunObject | null>();
  readonly #images = new Map<number, ImageObject | null>();
  readonly #snapshots = new Map<number, SnapshotObject | null>();
  readonly #documents = new Map<string, unknown>();
  #counters: Counters;

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
    this.#counters = catalogue.counters;
  }

  /** A number never used before, of this kind. */
  next(kind: keyof Counters): number {
    const id = this.#counters[kind];
    this.#counters = { ...this.#counters, [kind]: id + 1 };
    return id;
  }

  vlun(id: number): VlunObject {
    const object = this.#vluns.has(id) ? this.#vluns.get(id) : this.#catalogue.vluns.get(id);
    assert(object, `VLUN ${id} exists`);
    return object;
  }

  vlunNamed(name: string): VlunObject | undefined {
    for (const vlun of this.#vluns.values()) if (vlun?.name === name) return vlun;
    const stored = this.#catalogue.vlunNamed(name);
    return stored === undefined || this.#vluns.has(stored.id) ? undefined : stored;
  }

  snapshotNamed(vlun: number, name: string): SnapshotObject | undefined {
    for (const snapshot of this.#snapshots.values()) {
      if (snapshot?.vlun === vlun && snapshot.name === name) return snapshot;
    }
    const stored = this.#catalogue.snapshotNamed(vlun, name);
    return stored === undefined || this.#snapshots.has(stored.id) ? undefined : stored;
  }

  image(id: number): ImageObject {
    const object = this.#images.has(id) ? this.#images.get(id) : this.#catalogue.images.get(id);
    assert(object, `image ${id} exists`);
    return object;
  }

  vluns(): VlunObject[] {
    return merged(this.#catalogue.vluns, this.#vluns);
  }

  images(): ImageObject[] {
    return merged(this.#catalogue.images, this.#images);
  }

  snapshots(): SnapshotObject[] {
    return merged(this.#catalogue.snapshots, this.#snapshots);
  }

  putVlun(object: VlunObject): void {
    this.#vluns.set(object.id, object);
  }

  putImage(object: ImageObject): void {
    this.#images.set(object.id, object);
  }

  putSnapshot(object: SnapshotObject): void {
    this.#snapshots.set(object.id, object);
  }

  removeVlun(id: number): void {
    this.#vluns.set(id, null);
  }

  removeImage(id: number): void {
    this.#images.set(id, null);
  }

  removeSnapshot(id: number): void {
    this.#snapshots.set(id, null);
  }

  putDocuments(changes: Readonly<Record<string, unknown>> | undefined): void {
    for (const [name, value] of Object.entries(changes ?? {})) this.#documents.set(name, value);
  }

  change(): CatalogueChange {
    return {
      ...(this.#counters !== this.#catalogue.counters && { counters: this.#counters }),
      ...(this.#images.size > 0 && { images: [...this.#images] }),
      ...(this.#vluns.size > 0 && { vluns: [...this.#vluns] }),
      ...(this.#snapshots.size > 0 && { snapshots: [...this.#snapshots] }),
      ...(this.#documents.size > 0 && { documents: documentChanges(this.#documents) }),
    };
  }
}

function documentChanges(
  documents: Map<string, unknown>,
): Array<readonly [string, unknown] | readonly [string]> {
  return [...documents].map(([name, value]) => (value === undefined ? [name] : [name, value]));
}

function merged<T>(present: Map<number, T>, changes: Map<number, T | null>): T[] {
  const all = new Map<number, T>(present);
  for (const [id, object] of changes) {
    if (object === null) all.delete(id);
    else all.set(id, object);
  }
  return [...all.values()];
}
