/**
 * The exact state at one moment, without stopping the world (SYSTEM.md §6, checkpoint). A structure is made
 * of items: table pages, summary chunks, counters, allocator groups. The tracker knows which were changed
 * since the last checkpoint began. Beginning one takes that list as it is, in O(1); an item that is changed
 * again before its bytes were taken is copied first, and the copy stands for it in the checkpoint.
 *
 * Each item carries two generation numbers. `changedIn` is the generation of its latest change, 0 when what
 * is stored equals what is in memory; beginning a checkpoint begins a generation. `encodedIn` is the last
 * generation whose bytes were taken. So the usual change, of an item that is dirty already, costs one
 * comparison.
 *
 * When the commit succeeds, items not changed since are clean. When it fails, all of them are dirty again:
 * their live state includes whatever was changed later, so nothing needs to be merged.
 */
import assert from 'node:assert';
import type { MaybePromise } from '../lun/units.ts';
import type { MetaChange } from './medium/medium.ts';

/** What is written of a structure in one checkpoint: its state when the checkpoint began. */
export interface StructureCheckpoint {
  /**
   * To be awaited before `slices`: loads what is needed to know the state. May fail with the medium's error.
   */
  prepare(): MaybePromise<void>;
  /**
   * The changes, sorted by key over all slices, in pieces short enough for a serving loop; some may be empty.
   * Once.
   */
  slices(): Iterable<MetaChange[]>;
  /** All slices at once. */
  changes(): MetaChange[];
  /** The changes are stored and flushed. */
  committed(): void;
  /** They are not: everything is as dirty as before. */
  failed(): void;
}

export interface TrackedItem {
  /** The generation of the latest change; 0 when clean. */
  changedIn: number;
  /** The last generation of which the bytes were taken. */
  encodedIn: number;
}

export interface TrackerOptions<Item extends TrackedItem> {
  /** A copy of the state that will be encoded later. */
  readonly copy: (item: Item) => Item;
  /** A clean item is about to change. */
  readonly becameDirty?: (item: Item) => void;
  /** What is stored equals the item now. */
  readonly becameClean?: (item: Item) => void;
}

export class ChangeTracker<Item extends TrackedItem> {
  readonly #options: TrackerOptions<Item>;
  #generation = 1;
  #changed: Item[] = [];
  #open: FrozenItems<Item> | undefined;

  constructor(options: TrackerOptions<Item>) {
    this.#options = options;
  }

  /** Items changed since the last checkpoint began. */
  get changedCount(): number {
    return this.#changed.length;
  }

  /** To be called before every change of an item. */
  changing(item: Item): void {
    if (item.changedIn !== this.#generation) this.#firstChange(item);
  }

  /** Freezes the state of now. One checkpoint is open at a time. */
  begin(): FrozenItems<Item> {
    assert(this.#open === undefined, 'one checkpoint at a time');
    this.#open = new FrozenItems(this.#changed, this.#generation);
    this.#changed = [];
    this.#generation += 1;
    return this.#open;
  }

  committed(): void {
    const frozen = this.#end();
    for (const item of frozen.items) {
      if (item.changedIn !== frozen.generation) continue;
      item.changedIn = 0;
      this.#options.becameClean?.(item);
    }
  }

  failed(): void {
    const frozen = this.#end();
    for (const item of frozen.items) {
      if (item.changedIn !== frozen.generation) continue;
      item.changedIn = this.#generation;
      this.#changed.push(item);
    }
  }

  #firstChange(item: Item): void {
    const frozen = this.#open;
    if (item.changedIn === 0) this.#options.becameDirty?.(item);
    else if (frozen !== undefined && item.encodedIn !== frozen.generation) {
      frozen.copies.set(item, this.#options.copy(item));
    }
    item.changedIn = this.#generation;
    this.#changed.push(item);
  }

  #end(): FrozenItems<Item> {
    const frozen = this.#open;
    assert(frozen !== undefined, 'a checkpoint is ended once');
    this.#open = undefined;
    return frozen;
  }
}

/** The items of one open checkpoint. */
export class FrozenItems<Item extends TrackedItem> {
  readonly items: readonly Item[];
  readonly generation: number;
  /** What an item was when the checkpoint began, where it was changed since. */
  readonly copies = new Map<Item, Item>();

  constructor(items: readonly Item[], generation: number) {
    this.items = items;
    this.generation = generation;
  }

  /** The state when the checkpoint began. */
  stateOf(item: Item): Item {
    return this.copies.get(item) ?? item;
  }

  /** The state to encode. The item may be changed without a copy from now on. */
  take(item: Item): Item {
    const state = this.stateOf(item);
    this.copies.delete(item);
    item.encodedIn = this.generation;
    return state;
  }
}

/** `prepare`, `slices` and `changes` in the simple form: every part in turn, nothing to load. */
export function flattened(slices: Iterable<MetaChange[]>): MetaChange[] {
  const changes: MetaChange[] = [];
  for (const slice of slices) for (const change of slice) changes.push(change);
  return changes;
}
