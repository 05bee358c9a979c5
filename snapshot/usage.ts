/**
 * Space of VLUNs and snapshots, from the images' own counters. An image read through one VLUN or snapshot
 * alone is exclusive to it. Who reads what is found out once per state of the catalogue.
 */
import assert from 'node:assert';
import type { Catalogue } from './catalogue.ts';
import { type LayerSource, layersOfImage, layersOfVlun } from './layers.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { Usage } from './pool-types.ts';
import type { TableStore } from './table-store.ts';
import { SnapshotView, type View, VlunNode } from './views.ts';

/** Marks an image that several VLUNs or snapshots read. */
const SHARED = Symbol('shared');
type Reader = string | typeof SHARED;

export class UsageAccount {
  readonly #tables: TableStore;
  readonly #catalogue: Catalogue;
  readonly #source: LayerSource;
  #readers = new Map<number, Reader>();
  /** Images that are shared, as is all that stands below them: nobody has to be counted there again. */
  #sharedBelow = new Set<number>();
  /** The version of the catalogue that `#readers` was found for. */
  #version = -1;

  constructor(from: { readonly tables: TableStore; readonly catalogue: Catalogue }) {
    const { tables, catalogue } = from;
    this.#tables = tables;
    this.#catalogue = catalogue;
    this.#source = { vlun: (id) => catalogue.vluns.get(id), image: (id) => catalogue.images.get(id) };
  }

  of(view: View): Usage {
    if (view instanceof VlunNode) {
      return this.#count(vlunReader(view.id), layersOfVlun(this.#source, view.id).images);
    }
    assert(view instanceof SnapshotView, 'what is read is a VLUN or a snapshot');
    const { id, image } = view.snapshot;
    return this.#count(snapshotReader(id), layersOfImage(this.#source, image).images);
  }

  #count(reader: string, images: Int32Array): Usage {
    if (this.#version !== this.#catalogue.version) this.#findReaders();
    let used = 0;
    let exclusive = 0;
    for (const image of images) {
      const { data } = this.#tables.imageStats(image);
      used += data;
      if (this.#readers.get(image) === reader) exclusive += data;
    }
    return { usedBytes: used * POOL_BLOCK_BYTES, exclusiveBytes: exclusive * POOL_BLOCK_BYTES };
  }

  #findReaders(): void {
    this.#version = this.#catalogue.version;
    this.#readers = new Map();
    this.#sharedBelow = new Set();
    for (const { id, live, tracks } of this.#catalogue.vluns.values()) {
      if (tracks === undefined) this.#addChain(vlunReader(id), live);
      else this.#addAll(vlunReader(id), layersOfVlun(this.#source, id).images);
    }
    for (const { id, image } of this.#catalogue.snapshots.values()) this.#addChain(snapshotReader(id), image);
  }

  /** An image and all below it; a chain is walked twice at most, however many read it. */
  #addChain(reader: string, first: number): void {
    const walked: number[] = [];
    let id: number | undefined = first;
    while (id !== undefined && !this.#sharedBelow.has(id)) {
      const image = this.#catalogue.images.get(id);
      if (image?.via !== undefined) {
        this.#addAll(reader, layersOfImage(this.#source, id).images);
        return;
      }
      this.#add(reader, id);
      walked.push(id);
      id = image?.base;
    }
    for (let at = walked.length - 1; at >= 0; at -= 1) {
      const image = walked[at] as number;
      if (this.#readers.get(image) !== SHARED) return;
      this.#sharedBelow.add(image);
    }
  }

  #addAll(reader: string, images: Int32Array): void {
    for (const image of images) this.#add(reader, image);
  }

  #add(reader: string, image: number): void {
    this.#readers.set(image, this.#readers.has(image) ? SHARED : reader);
  }
}

function vlunReader(id: number): string {
  return `vlun ${id}`;
}

function snapshotReader(id: number): string {
  return `snapshot ${id}`;
}
