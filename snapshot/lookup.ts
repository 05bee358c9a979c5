/** What a name stands for in an open pool, refused with the words an operator reads. */
import { OperatorError, StoreError } from '../lun/errors.ts';
import type { Catalogue, SnapshotObject, VlunObject } from './catalogue.ts';
import type { SnapshotView, Views, VlunNode } from './views.ts';

export class Lookup {
  readonly #catalogue: Catalogue;
  readonly #views: Views;

  constructor(from: { readonly catalogue: Catalogue; readonly views: Views }) {
    this.#catalogue = from.catalogue;
    this.#views = from.views;
  }

  /** OperatorError not-found. */
  vlun(name: string): VlunObject {
    const vlun = this.#catalogue.vlunNamed(name);
    if (vlun === undefined) throw new OperatorError('not-found', `There is no VLUN '${name}'.`);
    return vlun;
  }

  /** OperatorError not-found. */
  snapshot(vlun: string, name: string): SnapshotObject {
    const snapshot = this.#catalogue.snapshotNamed(this.vlun(vlun).id, name);
    if (snapshot === undefined)
      throw new OperatorError('not-found', `There is no snapshot '${vlun}@${name}'.`);
    return snapshot;
  }

  /** StoreError CLOSED where it is gone. */
  node(id: number): VlunNode {
    const node = this.#views.node(id);
    if (node === undefined) throw new StoreError('CLOSED', 'The VLUN was deleted meanwhile.');
    return node;
  }

  nodeNamed(name: string): VlunNode {
    return this.node(this.vlun(name).id);
  }

  snapshotView(vlun: string, name: string): SnapshotView {
    return this.#views.snapshot(this.snapshot(vlun, name).id);
  }

  /** Of a VLUN, or of a snapshot named VLUN@SNAPSHOT. OperatorError not-found. */
  view(name: string): VlunNode | SnapshotView {
    const [vlun = '', snapshot] = name.split('@');
    return snapshot === undefined ? this.nodeNamed(vlun) : this.snapshotView(vlun, snapshot);
  }
}
