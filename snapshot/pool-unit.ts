/**
 * A VLUN or a snapshot as a logical unit: identity, blocks, properties, facts, and small values that survive
 * restarts, which are documents of the pool.
 */
import assert from 'node:assert';
import type { BlockDevice } from '../lun/block-device.ts';
import type { LogicalUnit, UnitFact, UnitIdentity, UnitLimits, UnitState } from '../lun/logical-unit.ts';
import type { MaybePromise } from '../lun/units.ts';
import { DOCUMENT_NAME_BYTES_MAX } from './keys.ts';

/** Documents of this prefix belong to the units; the rest to whoever names them. */
export const UNIT_DOCUMENT_PREFIX = 'unit/';

/** What a unit is at the moment; a VLUN's may change. */
export interface UnitProperties extends UnitLimits {
  readonly readOnly: boolean;
  readonly removable: boolean;
  readonly writeCache: boolean;
}

export interface PoolUnitOptions {
  readonly identity: UnitIdentity;
  readonly device: BlockDevice;
  readonly properties: () => UnitProperties;
  readonly availableBytes: () => number;
  /** Absent: the unit is not told of any. */
  readonly thresholdsBytes?: () => readonly number[];
  readonly state: UnitState;
}

export class PoolUnit implements LogicalUnit {
  readonly identity: UnitIdentity;
  readonly device: BlockDevice;
  readonly state: UnitState;
  readonly thin = true;
  readonly availableBytes: () => number;
  readonly thresholdsBytes?: () => readonly number[];
  readonly #properties: () => UnitProperties;
  readonly #listeners = new Set<(fact: UnitFact) => void>();

  constructor(options: PoolUnitOptions) {
    this.identity = options.identity;
    this.device = options.device;
    this.state = options.state;
    this.availableBytes = options.availableBytes;
    if (options.thresholdsBytes !== undefined) this.thresholdsBytes = options.thresholdsBytes;
    this.#properties = options.properties;
  }

  get readOnly(): boolean {
    return this.#properties().readOnly;
  }

  get removable(): boolean {
    return this.#properties().removable;
  }

  get writeCache(): boolean {
    return this.#properties().writeCache;
  }

  get limits(): UnitLimits {
    return this.#properties();
  }

  onFact(listener: (fact: UnitFact) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(fact: UnitFact): void {
    for (const listener of [...this.#listeners]) listener(fact);
  }
}

export interface UnitDocumentsOptions {
  /** `vlun/7` or `snapshot/3`: never another unit's. */
  readonly owner: string;
  readonly get: (name: string) => unknown;
  readonly put: (changes: Readonly<Record<string, unknown>>) => Promise<void>;
}

/** The prefix of the documents of one unit. */
export function unitDocuments(owner: string): string {
  return `${UNIT_DOCUMENT_PREFIX}${owner}/`;
}

/** Values of a unit, kept as base64 in documents. */
export class UnitDocuments implements UnitState {
  readonly #options: UnitDocumentsOptions;

  constructor(options: UnitDocumentsOptions) {
    this.#options = options;
  }

  get(key: string): Uint8Array | undefined {
    const value = this.#options.get(this.#nameOf(key));
    return typeof value === 'string' ? new Uint8Array(Buffer.from(value, 'base64')) : undefined;
  }

  put(key: string, value: Uint8Array | undefined): MaybePromise<void> {
    const stored = value === undefined ? undefined : Buffer.from(value).toString('base64');
    return this.#options.put({ [this.#nameOf(key)]: stored });
  }

  #nameOf(key: string): string {
    const name = unitDocuments(this.#options.owner) + key;
    assert(
      Buffer.byteLength(name) <= DOCUMENT_NAME_BYTES_MAX,
      `the name '${key}' is short enough to be stored`,
    );
    return name;
  }
}
