/**
 * Binary keys in bytewise order, for the media that keep their tables in memory. A key is held as a
 * string of one character per byte, whose order is the bytes' order; the sorted list of them is
 * brought up to date by one merge per change set, so that a commit costs O(entries + changes), not
 * a sort. Values are copied on the way in (not with `slice`, which of a Buffer is no copy) and never changed
 * afterwards, so a clone shares them.
 */
import type { MetaChange, MetaKey } from './medium.ts';

interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface EntryRange {
  readonly from: MetaKey;
  readonly to: MetaKey;
  readonly limit?: number;
  readonly reverse?: boolean;
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

export class OrderedEntries {
  readonly #entries: Map<string, Entry>;
  #names: string[];

  constructor(from?: OrderedEntries) {
    this.#entries = new Map(from === undefined ? [] : from.#entries);
    this.#names = from === undefined ? [] : from.#names.slice();
  }

  get(key: MetaKey): Uint8Array | undefined {
    return this.#entries.get(nameOf(key))?.value;
  }

  scan(range: EntryRange): Entry[] {
    const from = this.#indexOf(nameOf(range.from));
    const to = this.#indexOf(nameOf(range.to));
    const count = Math.min(Math.max(0, to - from), range.limit ?? Number.POSITIVE_INFINITY);
    const found: Entry[] = [];
    for (let i = 0; i < count; i += 1) {
      const name = this.#names[range.reverse ? to - 1 - i : from + i] as string;
      found.push(this.#entries.get(name) as Entry);
    }
    return found;
  }

  /** All the changes; of several for one key the last wins. */
  apply(changes: readonly MetaChange[]): void {
    const added = new Set<string>();
    let removed = false;
    for (const { key, value } of changes) {
      const name = nameOf(key);
      if (value === undefined) {
        if (!this.#entries.delete(name)) continue;
        if (!added.delete(name)) removed = true;
        continue;
      }
      if (!this.#entries.has(name)) added.add(name);
      this.#entries.set(name, { key: new Uint8Array(key), value: new Uint8Array(value) });
    }
    if (removed || added.size > 0) this.#merge([...added].sort());
  }

  /** First index whose name is not below `name`. */
  #indexOf(name: string): number {
    let low = 0;
    let high = this.#names.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#names[middle] as string) < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** A name removed and added again in one change set is in both lists; it is kept once. */
  #merge(added: readonly string[]): void {
    const merged: string[] = [];
    let next = 0;
    for (const name of this.#names) {
      if (!this.#entries.has(name)) continue;
      while (next < added.length && (added[next] as string) < name) merged.push(added[next++] as string);
      if (added[next] === name) next += 1;
      merged.push(name);
    }
    while (next < added.length) merged.push(added[next++] as string);
    this.#names = merged;
  }
}
