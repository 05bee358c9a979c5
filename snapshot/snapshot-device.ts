/**
 * A snapshot's blocks: they are read and never changed, so no range has to be locked; what keeps their places
 * is that a running command counts as a reader.
 */
import assert from 'node:assert';
import type { AllocationRun, BlockDevice, FrozenBlocks } from '../lun/block-device.ts';
import { StoreError } from '../lun/errors.ts';
import { type BlockRange, bytesOf, type Geometry, inRange, type MaybePromise } from '../lun/units.ts';
import { allocationOf } from './allocation.ts';
import type { Gate } from './gate.ts';
import { PoolDevice } from './pool-device.ts';
import type { BlockReader } from './reader.ts';
import type { Resolver } from './resolve.ts';
import { spanOf } from './span.ts';
import type { TableStore } from './table-store.ts';
import { readSpan } from './unit-read.ts';
import type { SnapshotView } from './views.ts';

export interface SnapshotDeviceOptions {
  readonly gate: Gate;
  readonly reader: BlockReader;
  readonly resolver: Resolver;
  readonly tables: TableStore;
}

export class SnapshotDevice extends PoolDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly view: SnapshotView;
  readonly gate: Gate;
  readonly #options: SnapshotDeviceOptions;

  constructor(view: SnapshotView, options: SnapshotDeviceOptions) {
    super();
    const { sizeBytes, blockBytes } = view;
    this.geometry = { blockBytes, capacityBlocks: sizeBytes / blockBytes };
    this.view = view;
    this.gate = options.gate;
    this.#options = options;
  }

  read(range: BlockRange, into: Uint8Array): MaybePromise<void> {
    this.#checkPresent();
    assert(inRange(range, this.geometry), 'the range lies inside the unit');
    assert.equal(into.byteLength, bytesOf(range.blocks, this.geometry), 'the buffer holds the range');
    if (range.blocks === 0) return undefined;
    return readSpan(this.#options.reader, this.view, spanOf(range, this.geometry.blockBytes), into);
  }

  write(): never {
    throw readOnly();
  }

  unmap(): never {
    throw readOnly();
  }

  writeSame(): never {
    throw readOnly();
  }

  compareAndWrite(): never {
    throw readOnly();
  }

  /** It never changes. */
  async freeze(): Promise<FrozenBlocks> {
    this.#checkPresent();
    return { device: this, release: async () => undefined };
  }

  flush(): void {
    this.#checkPresent();
  }

  allocation(range: BlockRange, runsMax: number): MaybePromise<readonly AllocationRun[]> {
    this.#checkPresent();
    assert(inRange(range, this.geometry), 'the range lies inside the unit');
    return allocationOf(this.#options, this.view, { range, runsMax });
  }

  #checkPresent(): void {
    this.gate.check();
    if (this.view.gone) throw new StoreError('CLOSED', `The snapshot ${this.view.label} was deleted.`);
  }
}

function readOnly(): StoreError {
  return new StoreError('READ_ONLY', 'A snapshot takes no writes.');
}
