/**
 * The allocator's groups in memory: the counts of all of them, the bitmaps of some. Bitmaps are loaded on
 * demand and evicted under a bound, those not used for a while first; one that was changed, or has busy
 * places, stays.
 */
import { StoreError } from '../lun/errors.ts';
import type { MaybePromise } from '../lun/units.ts';
import { countRange } from './bit-runs.ts';
import type { Checksum } from './checksum.ts';
import { ChangeTracker } from './copy-on-change.ts';
import { CHUNK_GROUPS, GroupCounts } from './group-counts.ts';
import { allocatorKey, KEYS, numberOfKey } from './keys.ts';
import type { MetaSpace } from './medium/medium.ts';
import { decodeGroup, GROUP_PLACES, GROUP_RESIDENT_BYTES, PlaceGroup } from './place-group.ts';
import { scanAll } from './table-load.ts';
import { FIRST_DATA_PLACE } from './table-page.ts';

export interface GroupTableOptions {
  readonly meta: MetaSpace;
  readonly checksum: Checksum;
  readonly capacityBlocks: number;
  readonly cacheBytes: number;
}

/** Groups looked at in one search for something to evict, so that many dirty ones do not make it long. */
const TRIM_LOOKS_MAX = 16;
/** Groups looked at for one whose bitmap is in memory, before one is loaded. */
const KNOWN_LOOKS_MAX = 64;

export class GroupTable {
  readonly groupChanges = new ChangeTracker<PlaceGroup>({ copy: (group) => group.copy() });
  readonly countChanges = new ChangeTracker<GroupCounts>({ copy: (counts) => counts.copy() });
  readonly #meta: MetaSpace;
  readonly #checksum: Checksum;
  readonly #cacheBytes: number;
  /** Resident groups, in the order in which they came or were last passed over. */
  readonly #groups = new Map<number, PlaceGroup>();
  readonly #counts = new Map<number, GroupCounts>();
  #capacityBlocks: number;
  /** The group used last. */
  #last: PlaceGroup | undefined;

  constructor(options: GroupTableOptions) {
    this.#meta = options.meta;
    this.#checksum = options.checksum;
    this.#cacheBytes = options.cacheBytes;
    this.#capacityBlocks = options.capacityBlocks;
  }

  /** Reads the counts; `take` is told those of every group that has references. */
  async load(take: (group: number, referencedBlocks: number) => void): Promise<void> {
    await scanAll(this.#meta, KEYS.counts, (key, value) => {
      const chunk = numberOfKey(key);
      const counts = GroupCounts.decode(value, chunk, this.#checksum);
      for (let at = 0; at < CHUNK_GROUPS; at += 1) {
        const referenced = counts.referenced[at] as number;
        const group = chunk * CHUNK_GROUPS + at;
        if (referenced === 0) continue;
        if (referenced > this.endOf(group) - this.startOf(group)) {
          throw new StoreError('CORRUPT', `Allocator group ${group} has more references than places.`);
        }
        take(group, referenced);
      }
      this.#countsEnter(counts);
    });
  }

  /** Groups of the space, the last perhaps partial. */
  get groupCount(): number {
    return Math.ceil(this.#capacityBlocks / GROUP_PLACES);
  }

  get residentBytes(): number {
    return this.#groups.size * GROUP_RESIDENT_BYTES;
  }

  /**
   * The first place of the group that may be given away, counted from the group's first, and the end of them.
   */
  startOf(group: number): number {
    return group === 0 ? FIRST_DATA_PLACE : 0;
  }

  endOf(group: number): number {
    return Math.max(0, Math.min(GROUP_PLACES, this.#capacityBlocks - group * GROUP_PLACES));
  }

  grow(capacityBlocks: number): void {
    const before = this.#capacityBlocks;
    this.#capacityBlocks = capacityBlocks;
    const last = Math.floor(before / GROUP_PLACES);
    for (const counts of this.#counts.values()) {
      const first = counts.chunk * CHUNK_GROUPS;
      for (let group = Math.max(first, last); group < first + CHUNK_GROUPS; group += 1) {
        const endBefore = Math.max(0, Math.min(GROUP_PLACES, before - group * GROUP_PLACES));
        this.addFree(group, this.endOf(group) - endBefore);
      }
    }
    const resident = this.#groups.get(last);
    if (resident !== undefined) resident.longestRunBlocks = GROUP_PLACES;
  }

  freeIn(group: number): number {
    return this.#countsOf(group).free[group % CHUNK_GROUPS] as number;
  }

  referencedIn(group: number): number {
    return this.#countsOf(group).referenced[group % CHUNK_GROUPS] as number;
  }

  addFree(group: number, blocks: number): void {
    const counts = this.#countsOf(group);
    const at = group % CHUNK_GROUPS;
    counts.free[at] = (counts.free[at] as number) + blocks;
    counts.freeBlocks += blocks;
  }

  addReferenced(group: number, blocks: number): void {
    const counts = this.#countsOf(group);
    this.countChanges.changing(counts);
    const at = group % CHUNK_GROUPS;
    counts.referenced[at] = (counts.referenced[at] as number) + blocks;
  }

  /** The first group from `from` on and before `to` that has free places, or undefined. */
  firstFree(from: number, to: number): number | undefined {
    for (let group = from; group < to; group += 1) {
      const counts = this.#countsOf(group);
      if (counts.freeBlocks === 0) group = (counts.chunk + 1) * CHUNK_GROUPS - 1;
      else if ((counts.free[group % CHUNK_GROUPS] as number) > 0) return group;
    }
    return undefined;
  }

  /** Of the groups from `first` on with free places, one whose bitmap is in memory; else the first. */
  knownNear(first: number, end: number): number {
    const last = Math.min(end, first + KNOWN_LOOKS_MAX);
    for (let number = first; number < last; number += 1) {
      if (this.isKnown(number) && this.freeIn(number) > 0) return number;
    }
    return first;
  }

  /** Whether the whole bitmap of the group is known without a load. */
  isKnown(number: number): boolean {
    const group = this.#groups.get(number);
    return group === undefined ? this.referencedIn(number) === 0 : group.unknown === undefined;
  }

  /** The group, perhaps with unknown places. */
  group(number: number): PlaceGroup {
    const last = this.#last;
    if (last !== undefined && last.number === number) return last;
    let group = this.#groups.get(number);
    if (group === undefined) {
      this.#trim();
      group = new PlaceGroup(number, { known: this.referencedIn(number) === 0 });
      this.#groups.set(number, group);
    }
    group.used = true;
    this.#last = group;
    return group;
  }

  /** Makes the whole bitmap known. Fails with the store errors IO and CORRUPT. */
  fill(group: PlaceGroup): MaybePromise<void> {
    if (group.unknown === undefined) return undefined;
    if (group.loading !== undefined) return group.loading;
    const found = this.#meta.get(allocatorKey(group.number));
    if (!(found instanceof Promise)) {
      this.#filled(group, found);
      return undefined;
    }
    group.loading = found
      .then((bytes) => this.#filled(group, bytes))
      .finally(() => {
        group.loading = undefined;
      });
    return group.loading;
  }

  /** The same for a group under checkpoint and for the state of it that is stored. */
  fillFrozen(group: PlaceGroup, stateOf: (group: PlaceGroup) => PlaceGroup): MaybePromise<void> {
    if (group.unknown === undefined && stateOf(group).unknown === undefined) return undefined;
    const take = (bytes: Uint8Array | undefined): void => {
      const stored = decodeGroup(bytes, group.number, this.#checksum);
      stateOf(group).fill(stored);
      if (group.unknown !== undefined) this.#filled(group, bytes);
    };
    const found = this.#meta.get(allocatorKey(group.number));
    return found instanceof Promise ? found.then(take) : take(found);
  }

  #filled(group: PlaceGroup, bytes: Uint8Array | undefined): void {
    group.fill(decodeGroup(bytes, group.number, this.#checksum));
    const count = countRange(group.referenced, 0, GROUP_PLACES);
    if (count === this.referencedIn(group.number)) return;
    throw new StoreError(
      'CORRUPT',
      `Allocator group ${group.number} does not have the references counted for it.`,
    );
  }

  #countsOf(group: number): GroupCounts {
    const chunk = Math.floor(group / CHUNK_GROUPS);
    const counts = this.#counts.get(chunk);
    return counts ?? this.#countsEnter(new GroupCounts(chunk));
  }

  #countsEnter(counts: GroupCounts): GroupCounts {
    for (let at = 0; at < CHUNK_GROUPS; at += 1) {
      const group = counts.chunk * CHUNK_GROUPS + at;
      const places = Math.max(0, this.endOf(group) - this.startOf(group));
      counts.free[at] = places - (counts.referenced[at] as number);
      counts.freeBlocks += counts.free[at] as number;
    }
    this.#counts.set(counts.chunk, counts);
    return counts;
  }

  /**
   * Passes over those that were used since they were last looked at; to keep them in the order of their use
   * would move one with every block that is written.
   */
  #trim(): void {
    for (let looks = 0; looks < TRIM_LOOKS_MAX && this.residentBytes >= this.#cacheBytes; ) {
      const first = this.#groups.values().next().value;
      if (first === undefined) return;
      this.#groups.delete(first.number);
      const keep = first.changedIn !== 0 || first.busyBlocks > 0 || first.loading !== undefined;
      if (keep || first.used) this.#groups.set(first.number, first);
      else if (this.#last === first) this.#last = undefined;
      if (!first.used) looks += 1;
      first.used = false;
    }
  }
}
