/** The logical units of a pool: one object per VLUN and per snapshot, the same for its whole life. */
import assert from 'node:assert';
import type { FrozenBlocks } from '../lun/block-device.ts';
import type { LogicalUnit, UnitFact } from '../lun/logical-unit.ts';
import type { BlockRange } from '../lun/units.ts';
import { deleteVlun } from './delete.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';
import { PoolUnit, UnitDocuments } from './pool-unit.ts';
import type { PoolService } from './service.ts';
import { SnapshotDevice } from './snapshot-device.ts';
import { stage } from './staging.ts';
import { unitIdentity } from './unit-identity.ts';
import { changeCatalogue } from './verb.ts';
import type { SnapshotView, VlunNode } from './views.ts';
import { VlunDevice } from './vlun-device.ts';

const SNAPSHOT_PROPERTIES = { readOnly: true, removable: false, writeCache: true } as const;

/** A VLUN's unit and its device, whose form a resize changes. */
export interface VlunUnit {
  readonly unit: PoolUnit;
  readonly device: VlunDevice;
}

export class Units {
  readonly #service: PoolService;
  readonly #vluns = new WeakMap<VlunNode, VlunUnit>();
  readonly #snapshots = new WeakMap<SnapshotView, PoolUnit>();

  constructor(service: PoolService) {
    this.#service = service;
  }

  ofVlun(node: VlunNode): VlunUnit {
    const present = this.#vluns.get(node);
    if (present !== undefined) return present;
    const { gate, reader, merger, committer, flusher, reorder, parts } = this.#service;
    const { resolver, tables } = parts;
    const { environment } = parts;
    const device = new VlunDevice(node, {
      gate,
      reader,
      resolver,
      tables,
      merger,
      committer,
      flusher,
      reorder,
      freeze: (from, ranges) => this.#freeze(from, ranges),
      purge: () => this.#purge(node),
      recordBlocks: parts.options.recordBytes / POOL_BLOCK_BYTES,
      nowMs: () => environment.nowMs(),
      after: (ms, run) => environment.after(ms, run),
    });
    const unit = new PoolUnit({
      identity: unitIdentity({ pool: parts.pool, counter: node.vlun.identity, name: node.vlun.name }),
      device,
      properties: () => node.vlun,
      availableBytes: () => this.#availableBytes(),
      thresholdsBytes: () => this.#service.space.thresholdsBytes,
      state: this.#documents(`vlun/${node.id}`),
    });
    const made = { unit, device };
    this.#vluns.set(node, made);
    return made;
  }

  ofSnapshot(view: SnapshotView): LogicalUnit {
    const present = this.#snapshots.get(view);
    if (present !== undefined) return present;
    const { gate, reader, parts } = this.#service;
    const { resolver, tables, pool } = parts;
    const unit = new PoolUnit({
      identity: unitIdentity({ pool, counter: view.snapshot.identity, name: view.label }),
      device: new SnapshotDevice(view, { gate, reader, resolver, tables }),
      properties: () => SNAPSHOT_PROPERTIES,
      availableBytes: () => this.#availableBytes(),
      state: this.#documents(`snapshot/${view.snapshot.id}`),
    });
    this.#snapshots.set(view, unit);
    return unit;
  }

  /** The unit is made anew at the next use: the VLUN has another name. Nobody may hold the old one. */
  renamed(node: VlunNode): void {
    this.#vluns.delete(node);
  }

  /** Tells the listeners of a VLUN's unit. */
  tell(node: VlunNode, fact: UnitFact): void {
    this.#vluns.get(node)?.unit.tell(fact);
  }

  /** Tells the listeners of every VLUN that takes writes. */
  tellWriters(fact: UnitFact): void {
    for (const node of this.#service.parts.views.nodes) if (!node.vlun.readOnly) this.tell(node, fact);
  }

  /** A VLUN that nobody sees, as large as the first, with the ranges at their places (staging.ts). */
  async #freeze(from: VlunDevice, ranges: readonly BlockRange[]): Promise<FrozenBlocks> {
    const { parts, reclaimer } = this.#service;
    const { blockBytes, capacityBlocks } = from.geometry;
    const request = { sizeBytes: blockBytes * capacityBlocks, blockBytes };
    const nowMs = parts.environment.nowMs();
    const { result: staged } = await changeCatalogue(this.#service, {}, (draft) =>
      stage(draft, request, { nowMs, isEmpty: () => true }),
    );
    const release = async (): Promise<void> => {
      if (this.#service.state !== 'serving') return;
      await changeCatalogue(this.#service, {}, (draft) => deleteVlun(draft, staged, []));
      reclaimer.wake();
    };
    const node = parts.views.node(staged.id);
    assert(node, 'a VLUN that was made is there');
    const { device } = this.ofVlun(node);
    try {
      for (const range of ranges) await device.copyFrom(range, { device: from, range }, { fua: false });
    } catch (cause) {
      await release();
      throw cause;
    }
    return { device, release };
  }

  async #purge(node: VlunNode): Promise<void> {
    const { tables, environment } = this.#service.parts;
    await this.#service.purge();
    const [, ...below] = node.layers.images;
    const keptBlocks = below.reduce((blocks, image) => blocks + tables.imageStats(image).data, 0);
    environment.onFact({ type: 'purged', unit: node.label, keptBytes: keptBlocks * POOL_BLOCK_BYTES });
  }

  #availableBytes(): number {
    return this.#service.space.availableBlocks * POOL_BLOCK_BYTES;
  }

  #documents(owner: string): UnitDocuments {
    const { parts, structure } = this.#service;
    return new UnitDocuments({
      owner,
      get: (name) => parts.catalogue.documents.get(name),
      put: async (changes) => {
        await structure.change((draft) => draft.putDocuments(changes));
      },
    });
  }
}
