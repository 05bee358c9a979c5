import assert from 'node:assert/strict';
import type { AllocationRun, BlockDevice, FrozenBlocks, WriteOptions } from './block-device.ts';
import { firstDifference } from './bytes.ts';
import { StoreError, type StoreErrorCode } from './errors.ts';
import type { LogicalUnit, UnitFact, UnitIdentity, UnitState } from './logical-unit.ts';
import type { BlockRange, Blocks, Geometry, Lba, LogicalBlockBytes, MaybePromise } from './units.ts';

/** Runs that one `allocation` call gives at most, whatever it is asked for. */
const ALLOCATION_RUNS_MAX = 4096;

/** A fault that the device answers with once its turn comes; for tests of what the SCSI layer makes of it. */
export interface DeviceFault {
  readonly code: StoreErrorCode;
  readonly lba?: number;
}

/**
 * A plain sparse device in memory: one buffer per logical block that was written. It keeps nothing
 * and shares nothing; tests run commands on it and use it as the oracle of cleverer devices.
 */
export class MemoryDevice implements BlockDevice {
  geometry: Geometry;
  /** Writes that asked for force unit access, and flushes: what a test of durability counts. */
  fuaWrites = 0;
  flushes = 0;
  /** Frozen blocks that were not released. */
  frozen = 0;
  /** The next data call fails with this. */
  nextFault: DeviceFault | undefined;
  readonly #blocks = new Map<number, Uint8Array>();

  constructor(geometry: Geometry) {
    this.geometry = geometry;
  }

  read(range: BlockRange, into: Uint8Array): MaybePromise<void> {
    this.#failIfAsked();
    const { blockBytes } = this.geometry;
    for (let i = 0; i < range.blocks; i += 1) {
      const stored = this.#blocks.get(range.lba + i);
      if (stored === undefined) into.fill(0, i * blockBytes, (i + 1) * blockBytes);
      else into.set(stored, i * blockBytes);
    }
  }

  write(range: BlockRange, from: Uint8Array, options: WriteOptions): MaybePromise<void> {
    this.#failIfAsked();
    this.#count(options);
    const { blockBytes } = this.geometry;
    for (let i = 0; i < range.blocks; i += 1) {
      this.#blocks.set(range.lba + i, from.slice(i * blockBytes, (i + 1) * blockBytes));
    }
  }

  unmap(ranges: readonly BlockRange[], options: WriteOptions): MaybePromise<void> {
    this.#failIfAsked();
    this.#count(options);
    for (const range of ranges) this.#drop(range);
  }

  writeSame(range: BlockRange, pattern: Uint8Array, options: WriteOptions): MaybePromise<void> {
    this.#failIfAsked();
    this.#count(options);
    if (pattern.every((byte) => byte === 0)) {
      this.#drop(range);
      return;
    }
    const stored = pattern.slice();
    for (let i = 0; i < range.blocks; i += 1) this.#blocks.set(range.lba + i, stored);
  }

  compareAndWrite(
    range: BlockRange,
    expected: Uint8Array,
    replacement: Uint8Array,
    options: WriteOptions,
  ): MaybePromise<number | undefined> {
    this.#failIfAsked();
    const present = new Uint8Array(expected.byteLength);
    this.read(range, present);
    const differs = firstDifference(present, expected);
    if (differs !== undefined) return differs;
    this.write(range, replacement, options);
    return undefined;
  }

  async freeze(ranges: readonly BlockRange[]): Promise<FrozenBlocks> {
    this.#failIfAsked();
    const device = new MemoryDevice(this.geometry);
    for (const { lba, blocks } of ranges) {
      for (let at: number = lba; at < lba + blocks; at += 1) {
        const stored = this.#blocks.get(at);
        if (stored !== undefined) device.#blocks.set(at, stored);
      }
    }
    this.frozen += 1;
    const release = async (): Promise<void> => {
      this.frozen -= 1;
    };
    return { device, release };
  }

  flush(): MaybePromise<void> {
    this.#failIfAsked();
    this.flushes += 1;
  }

  allocation(range: BlockRange, runsMax: number): MaybePromise<readonly AllocationRun[]> {
    this.#failIfAsked();
    const runs: AllocationRun[] = [];
    const end = range.lba + range.blocks;
    const keys = [...this.#blocks.keys()]
      .filter((lba) => lba >= range.lba && lba < end)
      .sort((a, b) => a - b);
    let at: number = range.lba;
    const push = (to: number, mapped: boolean): void => {
      if (to > at) runs.push({ lba: at as Lba, blocks: (to - at) as Blocks, mapped });
      at = to;
    };
    for (let i = 0; i < keys.length; ) {
      push(keys[i] as number, false);
      let next = at;
      while (keys[i] === next) {
        next += 1;
        i += 1;
      }
      push(next, true);
    }
    push(end, false);
    return runs.slice(0, Math.min(runsMax, ALLOCATION_RUNS_MAX));
  }

  #drop(range: BlockRange): void {
    const end = range.lba + range.blocks;
    if (range.blocks <= this.#blocks.size) {
      for (let lba: number = range.lba; lba < end; lba += 1) this.#blocks.delete(lba);
      return;
    }
    for (const lba of this.#blocks.keys()) if (lba >= range.lba && lba < end) this.#blocks.delete(lba);
  }

  #count(options: WriteOptions): void {
    if (options.fua) this.fuaWrites += 1;
  }

  #failIfAsked(): void {
    const fault = this.nextFault;
    if (fault === undefined) return;
    this.nextFault = undefined;
    const place = fault.lba === undefined ? {} : { lba: fault.lba };
    throw new StoreError(fault.code, `the device was asked to fail with ${fault.code}`, place);
  }
}

/** Unit state in memory: what a test may look into and hand to a second unit, as after a restart. */
export class MemoryState implements UnitState {
  readonly values = new Map<string, Uint8Array>();

  get(key: string): Uint8Array | undefined {
    return this.values.get(key);
  }

  put(key: string, value: Uint8Array | undefined): MaybePromise<void> {
    if (value === undefined) this.values.delete(key);
    else this.values.set(key, value.slice());
  }
}

export interface MemoryUnitOptions {
  readonly capacityBlocks?: number;
  readonly blockBytes?: LogicalBlockBytes;
  readonly readOnly?: boolean;
  readonly removable?: boolean;
  readonly writeCache?: boolean;
  readonly thin?: boolean;
  readonly identity?: UnitIdentity;
  readonly availableBytes?: () => number;
  readonly thresholdsBytes?: () => readonly number[];
  readonly state?: MemoryState;
}

/** A logical unit over a memory device; a test may raise facts with `tell`. */
export interface MemoryUnit extends LogicalUnit {
  readonly device: MemoryDevice;
  readonly state: MemoryState;
  readOnly: boolean;
  writeCache: boolean;
  tell(fact: UnitFact): void;
}

const IDENTITY: UnitIdentity = {
  naa: Uint8Array.of(0x60, 0x01, 0x40, 0x50, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
  serial: 'MEMORY0000000001',
  name: 'memory0',
};

/** A unit for tests: 64 MiB of 512-byte blocks, thin, writable, unless told otherwise. */
export function memoryUnit(options: MemoryUnitOptions = {}): MemoryUnit {
  const { capacityBlocks = 131072, blockBytes = 512, identity = IDENTITY } = options;
  assert(capacityBlocks >= 1);
  const listeners = new Set<(fact: UnitFact) => void>();
  return {
    identity,
    device: new MemoryDevice({ blockBytes, capacityBlocks }),
    readOnly: options.readOnly ?? false,
    removable: options.removable ?? false,
    writeCache: options.writeCache ?? true,
    thin: options.thin ?? true,
    ...(options.availableBytes === undefined ? {} : { availableBytes: options.availableBytes }),
    ...(options.thresholdsBytes === undefined ? {} : { thresholdsBytes: options.thresholdsBytes }),
    state: options.state ?? new MemoryState(),
    onFact(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    tell(fact) {
      for (const listener of listeners) listener(fact);
    },
  };
}
