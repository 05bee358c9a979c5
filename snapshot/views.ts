/**
 * What can be read: the running form of every VLUN and of the snapshots in use. A view knows its layers and
 * keeps the resolved pages cached for it; a VLUN's node knows besides who tracks it and which range lock its
 * family shares. `Views` follows the catalogue: it is brought up to date by every structural change, and only
 * what the change touches is thrown away. Resolved pages stay, for of the structural verbs only a rollback
 * changes what a block reads: it is known by a live image that does not stand over the one before.
 *
 * The range lock belongs to the family of VLUNs that track one another, and to none of their images (P8). A
 * VLUN that is released goes on sharing the lock of its former family until the pool is opened again.
 */
import assert from 'node:assert';
import { StoreError } from '../lun/errors.ts';
import type { LogicalBlockBytes } from '../lun/units.ts';
import type { Catalogue, CatalogueChange, SnapshotObject, VlunObject } from './catalogue.ts';
import { type LayerSource, type Layers, layersOfImage, layersOfVlun } from './layers.ts';
import { RangeLock } from './range-lock.ts';

/** Places and sums of one page as a view reads them, cached. */
export interface ResolvedPage {
  readonly view: View;
  readonly page: number;
  /** Undefined: every block of the page reads as zeroes. */
  readonly content: { readonly places: Float64Array; readonly sums: Uint32Array } | undefined;
  newer: ResolvedPage | undefined;
  older: ResolvedPage | undefined;
}

/** Something whose blocks can be resolved. */
export interface View {
  /** The images it reads, in order. A new object whenever they change. */
  readonly layers: Layers;
  readonly resolved: Map<number, ResolvedPage>;
  /** It was deleted: nothing may be read through it any more. */
  readonly gone: boolean;
  /** What it is called in facts. */
  readonly label: string;
  readonly sizeBytes: number;
  readonly blockBytes: LogicalBlockBytes;
}

/** A VLUN as it runs. */
export class VlunNode implements View {
  readonly id: number;
  readonly lock: RangeLock;
  readonly resolved = new Map<number, ResolvedPage>();
  vlun: VlunObject;
  gone = false;
  /** VLUNs that track this one directly. */
  readonly children: VlunNode[] = [];
  /** All VLUNs below: every one comes after the one it tracks (P10). */
  below: readonly VlunNode[] = [];
  /** The VLUN it tracks. */
  above: VlunNode | undefined;
  readonly #source: LayerSource;
  #layers: Layers | undefined;

  constructor(vlun: VlunObject, family: { lock: RangeLock; source: LayerSource }) {
    this.id = vlun.id;
    this.vlun = vlun;
    this.lock = family.lock;
    this.#source = family.source;
  }

  get layers(): Layers {
    if (this.gone) throw new StoreError('CLOSED', `The unit ${this.label} was deleted.`);
    this.#layers ??= layersOfVlun(this.#source, this.id);
    return this.#layers;
  }

  get label(): string {
    return this.vlun.name;
  }

  get sizeBytes(): number {
    return this.vlun.sizeBytes;
  }

  get blockBytes(): LogicalBlockBytes {
    return this.vlun.blockBytes;
  }

  layersChanged(): void {
    this.#layers = undefined;
  }
}

/** A snapshot as it is read; its layers change only where an image is merged into another. */
export class SnapshotView implements View {
  readonly snapshot: SnapshotObject;
  readonly resolved = new Map<number, ResolvedPage>();
  readonly label: string;
  gone = false;
  readonly #source: LayerSource;
  #layers: Layers | undefined;

  constructor(snapshot: SnapshotObject, of: { source: LayerSource; label: string }) {
    this.snapshot = snapshot;
    this.label = of.label;
    this.#source = of.source;
  }

  get layers(): Layers {
    if (this.gone) throw new StoreError('CLOSED', `The snapshot ${this.label} was deleted.`);
    this.#layers ??= layersOfImage(this.#source, this.snapshot.image);
    return this.#layers;
  }

  layersChanged(): void {
    this.#layers = undefined;
  }

  get sizeBytes(): number {
    return this.snapshot.sizeBytes;
  }

  get blockBytes(): LogicalBlockBytes {
    return this.snapshot.blockBytes;
  }
}

export class Views {
  readonly #catalogue: Catalogue;
  readonly #source: LayerSource;
  readonly #forget: (view: View) => void;
  readonly #nodes = new Map<number, VlunNode>();
  readonly #snapshots = new Map<number, SnapshotView>();
  #locks = 0;

  /**
   * `forget` is told of views that are gone or read something else, so that nothing stays cached for them.
   */
  constructor(catalogue: Catalogue, forget: (view: View) => void) {
    this.#catalogue = catalogue;
    this.#source = { vlun: (id) => catalogue.vluns.get(id), image: (id) => catalogue.images.get(id) };
    this.#forget = forget;
  }

  get nodes(): Iterable<VlunNode> {
    return this.#nodes.values();
  }

  /** The node of a VLUN, or undefined when it is gone. */
  node(id: number): VlunNode | undefined {
    return this.#nodes.get(id);
  }

  /** The view of a snapshot that exists. */
  snapshot(id: number): SnapshotView {
    const present = this.#snapshots.get(id);
    if (present !== undefined) return present;
    const snapshot = this.#catalogue.snapshots.get(id);
    assert(snapshot, `snapshot ${id} exists`);
    const vlun = this.#catalogue.vluns.get(snapshot.vlun);
    const label = `${vlun?.name ?? ''}@${snapshot.name}`;
    const view = new SnapshotView(snapshot, { source: this.#source, label });
    this.#snapshots.set(id, view);
    return view;
  }

  /** Takes all VLUNs of the catalogue as they are; for an opening. */
  load(): void {
    this.update({ vluns: [...this.#catalogue.vluns].map(([id, vlun]) => [id, vlun]) });
  }

  /** Images stand over others than before; what is read through them is the same. */
  relink(): void {
    for (const node of this.#nodes.values()) node.layersChanged();
    for (const view of this.#snapshots.values()) view.layersChanged();
  }

  /** Follows a change that the catalogue has taken already. */
  update(change: CatalogueChange): void {
    for (const [id, object] of change.snapshots ?? []) if (object === null) this.#dropSnapshot(id);
    const vluns = change.vluns ?? [];
    if (vluns.length === 0) return;
    const released = vluns.filter(([id, object]) => this.#follows(id) && object?.tracks === undefined);
    for (const [id, object] of vluns) {
      if (object === null) this.#dropNode(id);
      else this.#putNode(object);
    }
    this.#relink();
    for (const [id] of vluns) {
      const node = this.#nodes.get(id);
      node?.layersChanged();
      for (const tracker of node?.below ?? []) tracker.layersChanged();
    }
    // Past its end a VLUN that was released reads something else, should it grow; and so do those that track
    // it.
    for (const [id] of released) {
      const node = this.#nodes.get(id);
      if (node === undefined) continue;
      for (const view of [node, ...node.below]) this.#forget(view);
    }
  }

  #follows(id: number): boolean {
    return this.#nodes.get(id)?.vlun.tracks !== undefined;
  }

  #putNode(vlun: VlunObject): VlunNode {
    const present = this.#nodes.get(vlun.id);
    if (present !== undefined) {
      const before = present.vlun.live;
      present.vlun = vlun;
      const replaced = vlun.live !== before && this.#catalogue.images.get(vlun.live)?.base !== before;
      if (replaced) this.#forget(present);
      return present;
    }
    const node = new VlunNode(vlun, { lock: this.#lockFor(vlun), source: this.#source });
    this.#nodes.set(vlun.id, node);
    return node;
  }

  /** The lock of the family: that of the VLUN it tracks, which may have to be made first. */
  #lockFor(vlun: VlunObject): RangeLock {
    const above = vlun.tracks === undefined ? undefined : this.#catalogue.vluns.get(vlun.tracks);
    if (above !== undefined) return this.#putNode(above).lock;
    this.#locks += 1;
    return new RangeLock(this.#locks);
  }

  #relink(): void {
    for (const node of this.#nodes.values()) {
      node.children.length = 0;
      node.above = node.vlun.tracks === undefined ? undefined : this.#nodes.get(node.vlun.tracks);
    }
    for (const node of this.#nodes.values()) node.above?.children.push(node);
    for (const node of this.#nodes.values()) {
      const below: VlunNode[] = [...node.children];
      for (let i = 0; i < below.length; i += 1) below.push(...(below[i] as VlunNode).children);
      node.below = below;
    }
  }

  #dropNode(id: number): void {
    const node = this.#nodes.get(id);
    if (node === undefined) return;
    node.gone = true;
    this.#nodes.delete(id);
    this.#forget(node);
  }

  #dropSnapshot(id: number): void {
    const view = this.#snapshots.get(id);
    if (view === undefined) return;
    view.gone = true;
    this.#snapshots.delete(id);
    this.#forget(view);
  }
}
