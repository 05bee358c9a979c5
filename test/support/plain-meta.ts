/**
 * Ordered values in the plainest form, for tests of what is stored in them: a map, sorted anew for each
 * scan. Answers come at once or a turn later, as told, and a commit can be made to fail.
 */
import { StoreError } from '../../lun/errors.ts';
import type { MaybePromise } from '../../lun/units.ts';
import type { MetaChange, MetaKey, MetaSpace } from '../../snapshot/medium/medium.ts';

interface Entry {
  readonly key: MetaKey;
  readonly value: Uint8Array;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export class PlainMeta implements MetaSpace {
  /** By the key in hexadecimal digits, whose order is that of the bytes. */
  readonly entries = new Map<string, Uint8Array>();
  /** Answers come a turn later. */
  slow = false;
  failNextCommit = false;
  gets = 0;
  scans = 0;

  get(key: MetaKey): MaybePromise<Uint8Array | undefined> {
    this.gets += 1;
    return this.#answer(this.entries.get(hex(key))?.slice());
  }

  scan(range: {
    readonly from: MetaKey;
    readonly to: MetaKey;
    readonly limit?: number;
    readonly reverse?: boolean;
  }): MaybePromise<Entry[]> {
    this.scans += 1;
    const from = hex(range.from);
    const to = hex(range.to);
    const keys = [...this.entries.keys()].filter((key) => key >= from && key < to).sort();
    if (range.reverse === true) keys.reverse();
    const found = keys.slice(0, range.limit ?? keys.length).map((key) => ({
      key: new Uint8Array(Buffer.from(key, 'hex')),
      value: (this.entries.get(key) as Uint8Array).slice(),
    }));
    return this.#answer(found);
  }

  async commit(changes: readonly MetaChange[]): Promise<void> {
    if (this.failNextCommit) {
      this.failNextCommit = false;
      throw new StoreError('IO', 'The commit was made to fail.');
    }
    for (const { key, value } of changes) {
      if (value === undefined) this.entries.delete(hex(key));
      else this.entries.set(hex(key), value.slice());
    }
  }

  #answer<T>(value: T): MaybePromise<T> {
    return this.slow ? new Promise((resolve) => setImmediate(() => resolve(value))) : value;
  }
}
