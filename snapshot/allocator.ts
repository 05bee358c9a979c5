/**
 * Who may have which place of the data space. A place is free, busy or referenced. Allocating makes it busy,
 * the record that stores it in a table makes it referenced, the record that replaces it makes it busy again,
 * and once nobody can look at it any more (SYSTEM.md §6, free) it is abandoned and free. Only references are
 * stored; what was busy is free after a restart. Places 0 and 1 mean something else in tables and are never
 * given away.
 *
 * Places are managed in groups (`place-group.ts`), paged like table pages: how many places of a group are
 * free is always in memory (`group-counts.ts`), their bitmaps are loaded when something is allocated there.
 * Changes to a group that is not loaded are noted and merged at the latest when a checkpoint is prepared.
 *
 * Allocation is next fit with a cursor, so that blocks written together lie together. The groups above the
 * frontier were never used. The cursor turns back at the frontier once a quarter of what is below is free, so
 * that a sparse file does not grow to its full extent while space is free in it; otherwise the frontier moves
 * up. A request is taken from one run where one is near, else it is composed of what is free.
 */
import assert from 'node:assert';
import { StoreError } from '../lun/errors.ts';
import type { MaybePromise } from '../lun/units.ts';
import { AllocatorCheckpoint } from './allocator-checkpoint.ts';
import { clearRange, countRange, firstClear, firstClearRun, firstSet, setRange } from './bit-runs.ts';
import type { Checksum } from './checksum.ts';
import type { StructureCheckpoint } from './copy-on-change.ts';
import { GroupTable } from './group-table.ts';
import type { MetaSpace } from './medium/medium.ts';
import { eachGroupPart, freePieces, GROUP_PLACES, type PlaceGroup } from './place-group.ts';
import { FIRST_DATA_PLACE } from './table-page.ts';

/** `blocks` neighbouring places from `place` on. */
export interface Run {
  readonly place: number;
  readonly blocks: number;
}

export interface AllocatorOptions {
  readonly meta: MetaSpace;
  readonly checksum: Checksum;
  /** Places of the data space, at least 3. */
  readonly capacityBlocks: number;
  /** Clean bitmaps are evicted while the resident ones exceed this; 32 MiB unless told. */
  readonly cacheBytes?: number;
}

const CACHE_BYTES = 32 * 1024 * 1024;
/** The cursor turns back at the frontier when at least this share of what lies below is free. */
const REUSE_SHARE = 1 / 4;
/** For a run, it moves up while less than this is free: what leaves scattered places frees them. */
const RUN_FREE_SHARE_MAX = 3 / 4;
/** Groups looked at for one run that is long enough, before pieces are taken. */
const FIT_GROUPS_MAX = 8;

interface Growing {
  readonly place: number;
  blocks: number;
}

export class Allocator {
  readonly #table: GroupTable;
  readonly #checksum: Checksum;
  #capacityBlocks: number;
  #referencedBlocks = 0;
  #busyBlocks = 0;
  /** Neither referenced nor busy. */
  #freeBlocks: number;
  /** The part of `#freeBlocks` that allocations under way will take. */
  #promisedBlocks = 0;
  #freeBelowFrontier = 0;
  /** Groups from here on were never used. */
  #frontier = 0;
  /** Allocation goes on here. */
  #cursor = FIRST_DATA_PLACE;
  #runCursor = FIRST_DATA_PLACE;

  private constructor(options: AllocatorOptions) {
    assert(options.capacityBlocks > FIRST_DATA_PLACE, 'a data space has places to give away');
    this.#table = new GroupTable({ ...options, cacheBytes: options.cacheBytes ?? CACHE_BYTES });
    this.#checksum = options.checksum;
    this.#capacityBlocks = options.capacityBlocks;
    this.#freeBlocks = options.capacityBlocks - FIRST_DATA_PLACE;
  }

  /** Reads the counts; bitmaps are loaded when they are needed. */
  static async load(options: AllocatorOptions): Promise<Allocator> {
    const allocator = new Allocator(options);
    let frontier = 0;
    await allocator.#table.load((group, referencedBlocks) => {
      frontier = group + 1;
      allocator.#referencedBlocks += referencedBlocks;
      allocator.#freeBlocks -= referencedBlocks;
    });
    allocator.#raiseFrontier(frontier);
    return allocator;
  }

  /** Places of the data space, the first two included. */
  get capacityBlocks(): number {
    return this.#capacityBlocks;
  }

  get referencedBlocks(): number {
    return this.#referencedBlocks;
  }

  get busyBlocks(): number {
    return this.#busyBlocks;
  }

  /** What can still be allocated. */
  get freeBlocks(): number {
    return this.#freeBlocks - this.#promisedBlocks;
  }

  /**
   * Gives `blocks` places away: one run where there is one near, else several. All or nothing: where fewer
   * are free it fails with the store error NO_SPACE; where a bitmap cannot be read, with IO or CORRUPT.
   */
  allocate(blocks: number): MaybePromise<readonly Run[]> {
    if (!(blocks > 0)) assert.fail('something is allocated');
    if (blocks > this.freeBlocks) {
      throw new StoreError(
        'NO_SPACE',
        `The pool has ${this.freeBlocks} free blocks, and ${blocks} are needed.`,
      );
    }
    const runs: Growing[] = [];
    if (this.#fit(runs, blocks)) return runs;
    this.#promisedBlocks += blocks;
    return this.#gather(runs, blocks);
  }

  /** One run of places, at a cursor of its own, for what is to lie together; undefined: none is at hand. */
  allocateRun(blocks: number): Run | undefined {
    if (blocks > this.freeBlocks) return undefined;
    const runs: Growing[] = [];
    const cursor = this.#cursor;
    this.#cursor = this.#runCursor;
    if (!this.#fit(runs, blocks)) {
      const below = this.#frontier * GROUP_PLACES;
      const scattered = this.#freeBelowFrontier < below * RUN_FREE_SHARE_MAX;
      const extend = scattered && this.#frontier < this.#table.groupCount;
      const next = (Math.floor(this.#cursor / GROUP_PLACES) + FIT_GROUPS_MAX) * GROUP_PLACES;
      if (extend) this.#raiseFrontier(this.#frontier + 1);
      this.#cursor = extend ? below : next < below ? next : FIRST_DATA_PLACE;
      this.#fit(runs, blocks);
    }
    this.#runCursor = this.#cursor;
    this.#cursor = cursor;
    return runs[0];
  }

  /** The places are stored in a table from now on: busy until now, or free where a journal is replayed. */
  reference(place: number, blocks: number): void {
    this.#eachGroup(place, blocks, (group, from, to) => this.#reference(group, from, to));
  }

  /** The places are in no table any more; they stay busy until abandoned. */
  release(place: number, blocks: number): void {
    this.#eachGroup(place, blocks, (group, from, to) => this.#release(group, from, to));
  }

  /** Nobody looks at the busy places any more: they are free. */
  abandon(place: number, blocks: number): void {
    this.#eachGroup(place, blocks, (group, from, to) => this.#abandon(group, from, to));
  }

  /** Groups of places that were ever used are numbered below this. */
  get usedGroups(): number {
    return this.#frontier;
  }

  /**
   * Shows `wants` every free run of a group, in order and in pieces of about `blocksMax`; those it wants are
   * busy from then on, and returned. Nothing where no place of the group was ever used. Fails with the store
   * errors IO and CORRUPT.
   */
  takeRuns(
    number: number,
    blocksMax: number,
    wants: (place: number, blocks: number) => boolean,
  ): MaybePromise<readonly Run[]> {
    if (number >= this.#frontier || this.#table.freeIn(number) === 0) return [];
    const group = this.#table.group(number);
    const take = (): readonly Run[] => this.#takeRunsOf(group, blocksMax, wants);
    const load = this.#table.fill(group);
    return load instanceof Promise ? load.then(take) : take();
  }

  /** Whether a table holds the place. May have to load. */
  isReferenced(place: number): MaybePromise<boolean> {
    const group = this.#table.group(Math.floor(place / GROUP_PLACES));
    const look = (): boolean =>
      firstSet(group.referenced, place % GROUP_PLACES, (place % GROUP_PLACES) + 1) === place % GROUP_PLACES;
    const load = this.#table.fill(group);
    return load instanceof Promise ? load.then(look) : look();
  }

  /** The data space has become larger. */
  grow(capacityBlocks: number): void {
    assert(capacityBlocks >= this.#capacityBlocks, 'a data space never shrinks');
    const last = Math.floor(this.#capacityBlocks / GROUP_PLACES);
    const endBefore = this.#table.endOf(last);
    this.#freeBlocks += capacityBlocks - this.#capacityBlocks;
    this.#capacityBlocks = capacityBlocks;
    this.#table.grow(capacityBlocks);
    if (last < this.#frontier) this.#freeBelowFrontier += this.#table.endOf(last) - endBefore;
  }

  /** Freezes the references of now; later changes do not show in it. */
  beginCheckpoint(): StructureCheckpoint {
    return new AllocatorCheckpoint(this.#table, this.#checksum);
  }

  /** Takes all of it as one run at or near the cursor. False: there is none. */
  #fit(runs: Growing[], blocks: number): boolean {
    if (blocks > GROUP_PLACES) return false;
    let number = Math.floor(this.#cursor / GROUP_PLACES);
    let from = this.#cursor % GROUP_PLACES;
    for (let looks = 0; looks < FIT_GROUPS_MAX && number < this.#frontier; looks += 1) {
      if (this.#table.freeIn(number) >= blocks && this.#table.isKnown(number)) {
        const group = this.#table.group(number);
        if (blocks <= group.longestRunBlocks && this.#fitIn(runs, { group, from, blocks })) return true;
      }
      number += 1;
      from = 0;
    }
    return false;
  }

  #fitIn(runs: Growing[], wanted: { group: PlaceGroup; from: number; blocks: number }): boolean {
    const { group, blocks } = wanted;
    const begin = Math.max(wanted.from, this.#table.startOf(group.number));
    const end = this.#table.endOf(group.number);
    const at = firstClearRun(group.taken, { from: begin, to: end, length: blocks });
    if (at < end) this.#take(runs, group, { from: at, to: at + blocks });
    else if (begin === this.#table.startOf(group.number)) group.longestRunBlocks = blocks - 1;
    return at < end;
  }

  /** Takes what is free from the cursor on, in pieces, until the promise is kept. */
  #gather(runs: Growing[], blocks: number): MaybePromise<readonly Run[]> {
    let missing = blocks;
    const goOn = (): MaybePromise<readonly Run[]> => {
      while (missing > 0) {
        const group = this.#table.group(this.#nextGroup());
        const load = this.#table.fill(group);
        if (load instanceof Promise) return load.then(goOn);
        missing -= this.#takeNext(runs, group, missing);
      }
      return runs;
    };
    const giveBack = (error: unknown): never => {
      this.#promisedBlocks -= missing;
      for (const run of runs) this.abandon(run.place, run.blocks);
      throw error;
    };
    try {
      const done = goOn();
      return done instanceof Promise ? done.catch(giveBack) : done;
    } catch (error) {
      return giveBack(error);
    }
  }

  /** The group to take from: that of the cursor or a later one with free places. Moves the cursor there. */
  #nextGroup(): number {
    let number = Math.floor(this.#cursor / GROUP_PLACES);
    for (;;) {
      const free = this.#table.firstFree(number, this.#frontier);
      if (free !== undefined) {
        const chosen = this.#table.knownNear(free, this.#frontier);
        if (chosen !== Math.floor(this.#cursor / GROUP_PLACES)) this.#cursor = chosen * GROUP_PLACES;
        return chosen;
      }
      const below = this.#frontier * GROUP_PLACES;
      const extend = this.#frontier < this.#table.groupCount && this.#freeBelowFrontier < below * REUSE_SHARE;
      const stuck = this.#freeBelowFrontier === 0;
      number = extend || (stuck && this.#frontier < this.#table.groupCount) ? this.#frontier : 0;
      if (number === this.#frontier) this.#raiseFrontier(this.#frontier + 1);
      this.#cursor = number * GROUP_PLACES;
    }
  }

  /**
   * Takes the first free run from the cursor on, at most `missing` places of it; steps on where there is
   * none.
   */
  #takeNext(runs: Growing[], group: PlaceGroup, missing: number): number {
    const base = group.number * GROUP_PLACES;
    const end = this.#table.endOf(group.number);
    const begin = Math.max(this.#cursor - base, this.#table.startOf(group.number));
    const from = begin < end ? firstClear(group.taken, begin, end) : end;
    if (from >= end) {
      this.#cursor = base + GROUP_PLACES;
      return 0;
    }
    const to = firstSet(group.taken, from, Math.min(end, from + missing));
    this.#promisedBlocks -= to - from;
    this.#take(runs, group, { from, to });
    return to - from;
  }

  #takeRunsOf(
    group: PlaceGroup,
    blocksMax: number,
    wants: (place: number, blocks: number) => boolean,
  ): readonly Run[] {
    const base = group.number * GROUP_PLACES;
    const runs: Run[] = [];
    const [start, end] = [this.#table.startOf(group.number), this.#table.endOf(group.number)];
    for (const { from, to } of freePieces(group, { start, end, blocksMax })) {
      if (!wants(base + from, to - from)) continue;
      this.#mark(group, from, to);
      runs.push({ place: base + from, blocks: to - from });
    }
    return runs;
  }

  #mark(group: PlaceGroup, from: number, to: number): void {
    const blocks = to - from;
    setRange(group.taken, from, to);
    group.busyBlocks += blocks;
    this.#busyBlocks += blocks;
    this.#countFree(group.number, -blocks);
  }

  #take(runs: Growing[], group: PlaceGroup, range: { from: number; to: number }): void {
    const blocks = range.to - range.from;
    this.#mark(group, range.from, range.to);
    const place = group.number * GROUP_PLACES + range.from;
    this.#cursor = place + blocks;
    const last = runs[runs.length - 1];
    if (last !== undefined && last.place + last.blocks === place) last.blocks += blocks;
    else runs.push({ place, blocks });
  }

  #reference(group: PlaceGroup, from: number, to: number): void {
    const blocks = to - from;
    if (group.number >= this.#frontier) this.#raiseFrontier(group.number + 1);
    assert.equal(countRange(group.referenced, from, to), 0, 'a place is referenced once');
    const busy = countRange(group.taken, from, to);
    this.#table.groupChanges.changing(group);
    setRange(group.referenced, from, to);
    setRange(group.taken, from, to);
    if (group.unknown !== undefined) clearRange(group.unknown, from, to);
    group.busyBlocks -= busy;
    this.#busyBlocks -= busy;
    if (busy !== blocks) this.#countFree(group.number, busy - blocks);
    this.#table.addReferenced(group.number, blocks);
    this.#referencedBlocks += blocks;
  }

  #release(group: PlaceGroup, from: number, to: number): void {
    const blocks = to - from;
    const unknown = group.unknown === undefined ? 0 : countRange(group.unknown, from, to);
    assert.equal(countRange(group.referenced, from, to) + unknown, blocks, 'a place released is referenced');
    this.#table.groupChanges.changing(group);
    clearRange(group.referenced, from, to);
    setRange(group.taken, from, to);
    if (group.unknown !== undefined) clearRange(group.unknown, from, to);
    group.busyBlocks += blocks;
    this.#busyBlocks += blocks;
    this.#table.addReferenced(group.number, -blocks);
    this.#referencedBlocks -= blocks;
  }

  #abandon(group: PlaceGroup, from: number, to: number): void {
    const blocks = to - from;
    const taken = countRange(group.taken, from, to);
    assert(taken === blocks && countRange(group.referenced, from, to) === 0, 'a place abandoned is busy');
    clearRange(group.taken, from, to);
    group.longestRunBlocks = GROUP_PLACES;
    group.busyBlocks -= blocks;
    this.#busyBlocks -= blocks;
    this.#countFree(group.number, blocks);
  }

  /** Corrects the count of free places of a group below the frontier. */
  #countFree(group: number, blocks: number): void {
    this.#table.addFree(group, blocks);
    this.#freeBlocks += blocks;
    this.#freeBelowFrontier += blocks;
  }

  #raiseFrontier(frontier: number): void {
    for (let group = this.#frontier; group < frontier; group += 1)
      this.#freeBelowFrontier += this.#table.freeIn(group);
    this.#frontier = Math.max(this.#frontier, frontier);
  }

  #eachGroup(
    place: number,
    blocks: number,
    change: (group: PlaceGroup, from: number, to: number) => void,
  ): void {
    const end = place + blocks;
    assert(place >= FIRST_DATA_PLACE && blocks > 0 && end <= this.#capacityBlocks, 'places lie in the space');
    eachGroupPart(place, end, (number, from, to) => change(this.#table.group(number), from, to));
  }
}
