/**
 * Space of VLUNs and snapshots, from the images' own counters. An image read through one VLUN or snapshot
 * alone is exclusive to it. Who reads what is found out once per state of the catalogue.
 */
import type { Catalogue } from './catalogue.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { Usage } from './pool-types.ts';
import type { TableStore } from './table-store.ts';
import type { View, Views } from './views.ts';

/** Marks an image that several views read. */
const SHARED = Symbol('shared');

export class UsageAccount {
  readonly #tables: TableStore;
  readonly #catalogue: Catalogue;
  readonly #views: Views;
  #readers: Map<number, View | typeof SHARED> = new Map();
  /** The version of the catalogue that `#readers` was found for. */
  #version = -1;

  constructor(from: { readonly tables: TableStore; readonly catalogue: Catalogue; readonly views: Views }) {
    this.#tables = from.tables;
    this.#catalogue = from.catalogue;
    this.#views = from.views;
  }

  of(view: View): Usage {
    if (this.#version !== this.#catalogue.version) {
      this.#version = this.#catalogue.version;
      this.#readers = this.#findReaders();
    }
    let used = 0;
    let exclusive = 0;
    for (const image of view.layers.images) {
      const { data } = this.#tables.imageStats(image);
      used += data;
      if (this.#readers.get(image) === view) exclusive += data;
    }
    return { usedBytes: used * POOL_BLOCK_BYTES, exclusiveBytes: exclusive * POOL_BLOCK_BYTES };
  }

  #findReaders(): Map<number, View | typeof SHARED> {
    const readers = new Map<number, View | typeof SHARED>();
    const add = (view: View): void => {
      for (const image of view.layers.images) readers.set(image, readers.has(image) ? SHARED : view);
    };
    for (const node of this.#views.nodes) add(node);
    for (const id of this.#catalogue.snapshots.keys()) add(this.#views.snapshot(id));
    return readers;
  }
}
