/**
 * Gives free places back to the medium. What is freed at once may be too short a run; together with the free
 * places beside it, it may form one that is long enough. And once after every opening all free places are
 * looked at, because the life before may have ended between freeing and discarding.
 *
 * It waits a while first, for neighbours to come and for places to be used again, and then goes group by
 * group in small steps. A run is taken in the allocator while it is discarded; where the pool is nearly full
 * it is left for those who write. What was freed is remembered in a bitmap per group, so that a run is not
 * discarded again and again; where there would be too many of them, everything is looked at again instead.
 *
 * A purge discards every free place, however short its run and however full the pool.
 */
import { StoreError } from '../lun/errors.ts';
import type { Allocator, Run } from './allocator.ts';
import { firstSet, setRange } from './bit-runs.ts';
import type { FreedPlaces } from './free.ts';
import { GROUP_PLACES } from './place-group.ts';

export interface TrimmerOptions {
  readonly allocator: Allocator;
  readonly freed: FreedPlaces;
  /** Runs at least this long are discarded. */
  readonly blocksMin: number;
  /** For this long places that were freed are left alone. */
  readonly delayMs: number;
  /** Changes whenever a command changed something. */
  readonly activity: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
  readonly onFailed: (cause: unknown) => void;
}

/** Between two steps while commands come in. */
const BUSY_PAUSE_MS = 500;
const STEP_BLOCKS_MAX = 4096;
const STEP_RUNS_MAX = 32;
/** 2 KiB each. */
const GROUPS_NOTED_MAX = 4096;
/** With less than this share of the pool free, nothing is taken from those who write. */
const FREE_SHARE_MIN = 1 / 64;

interface Purge {
  readonly resolve: () => void;
  readonly reject: (cause: unknown) => void;
}

const STOPPED = new StoreError('CLOSED', 'The pool gives nothing back any more.');

export class Trimmer {
  readonly #options: TrimmerOptions;
  /** Places freed since their group was looked at, in the order of the first of them. */
  readonly #noted = new Map<number, Uint32Array>();
  /** The groups from here on are still to be looked at as a whole, up to this one. */
  #sweepFrom = 0;
  #sweepTo: number;
  #cancel: (() => void) | undefined;
  #running = false;
  #stopped = false;
  #seenActivity = 0;
  /** Those who wait until nothing is left to be looked at. */
  #waiting: Array<() => void> = [];
  #purges: Purge[] = [];

  constructor(options: TrimmerOptions) {
    this.#options = options;
    this.#sweepTo = options.allocator.usedGroups;
    options.freed.onFree((place, blocks) => this.#note(place, blocks));
  }

  /** After an opening. */
  begin(): void {
    if (this.#sweepTo > 0) this.#schedule(this.#options.delayMs);
  }

  /** Looks at everything without a pause; undefined when there is nothing. Never fails. */
  hurry(): Promise<void> | undefined {
    if (this.#stopped || (this.#noted.size === 0 && !this.#running)) return undefined;
    const done = new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (!this.#running) {
      this.#cancel?.();
      this.#cancel = undefined;
      this.#schedule(0);
    }
    return done;
  }

  /** Discards everything that is free. Fails with the error of the first discard that did. */
  purge(): Promise<void> {
    if (this.#stopped) return Promise.reject(STOPPED);
    this.#noted.clear();
    this.#sweepFrom = 0;
    this.#sweepTo = this.#options.allocator.usedGroups;
    const done = new Promise<void>((resolve, reject) => this.#purges.push({ resolve, reject }));
    this.#cancel?.();
    this.#cancel = undefined;
    this.#schedule(0);
    return done;
  }

  stop(): void {
    this.#stopped = true;
    this.#endPurges(STOPPED);
    this.#tellWaiting();
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #note(place: number, blocks: number): void {
    for (let at = place; at < place + blocks; ) {
      const number = Math.floor(at / GROUP_PLACES);
      const base = number * GROUP_PLACES;
      const end = Math.min(place + blocks, base + GROUP_PLACES);
      setRange(this.#bitsOf(number), at - base, end - base);
      at = end;
    }
    this.#schedule(this.#options.delayMs);
  }

  #bitsOf(number: number): Uint32Array {
    let bits = this.#noted.get(number);
    if (bits !== undefined) return bits;
    if (this.#noted.size === GROUPS_NOTED_MAX) {
      this.#noted.clear();
      this.#sweepFrom = 0;
      this.#sweepTo = this.#options.allocator.usedGroups;
    }
    bits = new Uint32Array(GROUP_PLACES / 32);
    this.#noted.set(number, bits);
    return bits;
  }

  #schedule(ms: number): void {
    if (this.#stopped || this.#running || this.#cancel !== undefined) return;
    this.#cancel = this.#options.after(ms, () => {
      this.#cancel = undefined;
      this.#running = true;
      this.#step().then(
        (took) => this.#ended(!took),
        (cause: unknown) => {
          if (!this.#stopped) this.#options.onFailed(cause);
          this.#endPurges(cause);
          this.#ended(true);
        },
      );
    });
  }

  #ended(idle: boolean): void {
    this.#running = false;
    if (idle || this.#noted.size === 0) this.#tellWaiting();
    const through = this.#noted.size === 0 && this.#sweepFrom >= this.#sweepTo;
    if (through) this.#endPurges(undefined);
    if (idle || through) return;
    const activity = this.#options.activity();
    const awaited = this.#waiting.length > 0 || this.#purges.length > 0;
    const hurries = awaited || activity === this.#seenActivity;
    const pauseMs = hurries ? 0 : BUSY_PAUSE_MS;
    this.#seenActivity = activity;
    this.#schedule(pauseMs);
  }

  #tellWaiting(): void {
    for (const tell of this.#waiting.splice(0)) tell();
  }

  #endPurges(cause: unknown): void {
    for (const { resolve, reject } of this.#purges.splice(0)) {
      if (cause === undefined) resolve();
      else reject(cause);
    }
  }

  /** One group, or a part of it. False: there was something, but nothing that may be taken now. */
  async #step(): Promise<boolean> {
    const [number = this.#sweepFrom] = this.#noted.keys();
    const noted = this.#noted.get(number);
    if (noted === undefined) this.#sweepFrom += 1;
    this.#noted.delete(number);
    const purging = this.#purges.length > 0;
    const { allocator } = this.#options;
    const keptFree = purging ? 0 : Math.floor(allocator.capacityBlocks * FREE_SHARE_MIN);
    const blocksMin = purging ? 1 : this.#options.blocksMin;
    const choice = new Choice({ allocator, blocksMin, keptFree }, { base: number * GROUP_PLACES, noted });
    const blocksMax = purging ? STEP_BLOCKS_MAX : Math.max(blocksMin, Math.min(STEP_BLOCKS_MAX, keptFree));
    const wants = (place: number, blocks: number): boolean => choice.wants(place, blocks);
    const runs = await allocator.takeRuns(number, blocksMax, wants);
    for (const run of choice.left) this.#note(run.place, run.blocks);
    if (runs.length > 0) {
      const failure = await this.#options.freed.giveBack(runs, () => !this.#stopped);
      if (failure !== undefined) this.#endPurges(failure);
    }
    return runs.length > 0 || choice.left.length === 0;
  }
}

interface ChoiceOptions {
  readonly allocator: Allocator;
  readonly blocksMin: number;
  /** So many places are left to those who write. */
  readonly keptFree: number;
}

/** Which runs of a group one step discards. */
class Choice {
  /** Worth it, and not in this step. */
  readonly left: Run[] = [];
  readonly #options: ChoiceOptions;
  readonly #group: { readonly base: number; readonly noted: Uint32Array | undefined };
  #blocks = 0;
  #runs = 0;

  constructor(options: ChoiceOptions, group: { base: number; noted: Uint32Array | undefined }) {
    this.#options = options;
    this.#group = group;
  }

  wants(place: number, blocks: number): boolean {
    const { allocator, blocksMin, keptFree } = this.#options;
    if (blocks < blocksMin || !this.#holdsNoted(place, blocks)) return false;
    const full = this.#runs === STEP_RUNS_MAX || this.#blocks >= STEP_BLOCKS_MAX;
    if (full || allocator.freeBlocks - blocks < keptFree) {
      this.left.push({ place, blocks });
      return false;
    }
    this.#runs += 1;
    this.#blocks += blocks;
    return true;
  }

  #holdsNoted(place: number, blocks: number): boolean {
    const { base, noted } = this.#group;
    if (noted === undefined) return true;
    const end = place - base + blocks;
    return firstSet(noted, place - base, end) < end;
  }
}
