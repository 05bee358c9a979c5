/**
 * Who may still be given how much of the pool's space.
 *
 * A VLUN may have a reservation: so many blocks it can always store in its live image. What it has not
 * stored of them is its *claim*, and free space up to the sum of all claims is kept from everybody else. A
 * snapshot freezes the live image, so the claim begins anew: overwriting what the snapshot holds takes new
 * blocks. Where the pool has no room for that, the snapshot is refused, not the promise broken.
 *
 * An overwrite takes a new block before the old one is free, also in a VLUN that has stored its whole
 * reservation. So beside the claims some working space is kept, from which such writes live until what they
 * freed comes back.
 *
 * Where any block has several entries, overwriting one need not free it, and nobody knows whose those are:
 * then nothing that is stored counts for a reservation, and where there are reservations nothing is shared.
 *
 * What the medium says it has room for may be less than the capacity says; then that counts.
 */
import { OperatorError } from '../lun/errors.ts';
import type { Allocator } from './allocator.ts';
import type { Catalogue, Draft, VlunObject } from './catalogue.ts';
import { type DataSpace, POOL_BLOCK_BYTES } from './medium/medium.ts';
import type { ReferenceCounts } from './reference-counts.ts';
import type { TableStore } from './table-store.ts';
import { Thresholds } from './thresholds.ts';
import type { VlunNode } from './views.ts';

export interface SpaceOptions {
  readonly allocator: Allocator;
  readonly tables: TableStore;
  readonly references: ReferenceCounts;
  readonly catalogue: Catalogue;
  readonly data: DataSpace;
  readonly thresholdPercents: readonly number[];
  readonly nowMs: () => number;
  readonly onThreshold: (percent: number) => void;
  /** The VLUN's write found no room. */
  readonly onFull: (node: VlunNode) => void;
}

/** Kept for overwrites where anything is reserved: the largest command; in a small pool, a part of it. */
const WORKING_BLOCKS = 4096;
const WORKING_SHARE = 1 / 16;
/** The medium is asked for its room again after this long. */
const ROOM_AGE_MS = 1000;
/** Writes that find no room are told of once in this time. */
const FULL_AGAIN_MS = 60_000;
/** The thresholds are looked at whenever this share of the space was taken or given back. */
const WATCH_SHARE = 1 / 1024;

export class Space {
  readonly #options: SpaceOptions;
  #thresholdPercents: readonly number[];
  #thresholds: Thresholds;
  #reserved: readonly VlunObject[] = [];
  /** The version of the catalogue that `#reserved` was found for. */
  #version = -1;
  #roomBlocks = Number.POSITIVE_INFINITY;
  #roomAtMs = Number.NEGATIVE_INFINITY;
  #fullAtMs = Number.NEGATIVE_INFINITY;
  #watchedBlocks = 0;
  #watchStepBlocks = 1;

  constructor(options: SpaceOptions) {
    this.#options = options;
    this.#thresholdPercents = options.thresholdPercents;
    this.#thresholds = new Thresholds(options.thresholdPercents);
  }

  get thresholdPercents(): readonly number[] {
    return this.#thresholdPercents;
  }

  setThresholds(percents: readonly number[]): void {
    this.#thresholdPercents = percents;
    this.#thresholds = new Thresholds(percents);
    this.watch();
  }

  /** Free blocks that are kept for VLUNs with a reservation. */
  get heldBlocks(): number {
    const reserved = this.#reservations();
    return reserved.length === 0 ? 0 : this.#claims(reserved, undefined) + this.#workingBlocks;
  }

  /** Whether blocks may be given a second entry. */
  get mayShare(): boolean {
    return this.#reservations().length === 0;
  }

  /** What a VLUN without a reservation can still be given. */
  get availableBlocks(): number {
    return Math.max(0, this.#storableBlocks() - this.heldBlocks);
  }

  /** What is left of the capacity at each threshold, the first to come first. */
  get thresholdsBytes(): readonly number[] {
    const capacityBytes = this.#options.allocator.capacityBlocks * POOL_BLOCK_BYTES;
    const percents = [...this.#thresholdPercents].sort((a, b) => a - b);
    return percents.map((percent) => (capacityBytes * (100 - percent)) / 100);
  }

  /** What a command of this VLUN may take; no bound of ours where nothing is reserved. */
  allowedBlocks(node: VlunNode | undefined): number {
    const reserved = this.#reservations();
    if (reserved.length === 0) return Number.POSITIVE_INFINITY;
    const own = node !== undefined && node.vlun.reservedBytes !== undefined ? node.id : undefined;
    const working = own === undefined ? this.#workingBlocks : 0;
    return this.#storableBlocks() - this.#claims(reserved, own) - working;
  }

  /**
   * Refuses a draft under which more would be promised than there is, or than there will be once the space
   * has grown by so much. OperatorError no-space.
   */
  refuseOvercommit(draft: Draft, growBlocks = 0): void {
    const after = draft.vluns().filter(isReserved);
    const before = this.#reservations();
    const claims = (vluns: readonly VlunObject[]): number =>
      vluns.reduce((sum, vlun) => sum + this.#claimOf(vlun), this.#workingFor(vluns));
    const more = claims(after) - claims(before);
    const available = this.availableBlocks + growBlocks;
    if (more <= 0 || more <= available) return;
    throw new OperatorError(
      'no-space',
      `Reservations would need ${more * POOL_BLOCK_BYTES} bytes more, and the pool has ` +
        `${available * POOL_BLOCK_BYTES} that are neither used nor reserved: free some, or reserve less.`,
    );
  }

  /** A write found no room, and fails. */
  full(node: VlunNode): void {
    const now = this.#options.nowMs();
    if (now - this.#fullAtMs < FULL_AGAIN_MS && now >= this.#fullAtMs) return;
    this.#fullAtMs = now;
    this.#options.onFull(node);
  }

  /** Space was taken or given back. */
  changed(): void {
    const { referencedBlocks } = this.#options.allocator;
    if (Math.abs(referencedBlocks - this.#watchedBlocks) >= this.#watchStepBlocks) this.watch();
  }

  /** Compares the space that is used or reserved with the thresholds. */
  watch(): void {
    const { allocator, onThreshold } = this.#options;
    this.#watchedBlocks = allocator.referencedBlocks;
    const totalBlocks = Math.min(allocator.capacityBlocks, this.#room());
    this.#watchStepBlocks = Math.max(1, Math.floor(totalBlocks * WATCH_SHARE));
    const filled = (allocator.referencedBlocks + this.heldBlocks) / totalBlocks;
    const percent = this.#thresholds.update(filled);
    if (percent !== undefined) onThreshold(percent);
  }

  get #workingBlocks(): number {
    return Math.min(WORKING_BLOCKS, Math.floor(this.#options.allocator.capacityBlocks * WORKING_SHARE));
  }

  #workingFor(vluns: readonly VlunObject[]): number {
    return vluns.length === 0 ? 0 : this.#workingBlocks;
  }

  /** Free blocks that the medium has room for. */
  #storableBlocks(): number {
    const { allocator } = this.#options;
    const takenBlocks = allocator.referencedBlocks + allocator.busyBlocks;
    return Math.min(allocator.freeBlocks, Math.max(0, this.#room() - takenBlocks));
  }

  #room(): number {
    const { data, nowMs } = this.#options;
    if (data.roomBlocks === undefined) return Number.POSITIVE_INFINITY;
    const now = nowMs();
    if (now - this.#roomAtMs >= ROOM_AGE_MS || now < this.#roomAtMs) {
      this.#roomAtMs = now;
      this.#roomBlocks = data.roomBlocks() ?? Number.POSITIVE_INFINITY;
    }
    return this.#roomBlocks;
  }

  #reservations(): readonly VlunObject[] {
    const { catalogue } = this.#options;
    if (this.#version !== catalogue.version) {
      this.#version = catalogue.version;
      this.#reserved = [...catalogue.vluns.values()].filter(isReserved);
    }
    return this.#reserved;
  }

  #claims(reserved: readonly VlunObject[], except: number | undefined): number {
    let blocks = 0;
    for (const vlun of reserved) {
      if (vlun.id !== except) blocks += this.#claimOf(vlun);
    }
    return blocks;
  }

  /** What of its reservation a VLUN has not stored. */
  #claimOf({ reservedBytes = 0, live }: VlunObject): number {
    const { tables, references } = this.#options;
    const stored = references.isEmpty ? tables.imageStats(live).data : 0;
    return Math.max(0, Math.ceil(reservedBytes / POOL_BLOCK_BYTES) - stored);
  }
}

function isReserved({ reservedBytes }: VlunObject): boolean {
  return reservedBytes !== undefined;
}
