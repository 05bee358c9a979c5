/** A medium in memory whose data is not read while a test says so. */
import type { Medium } from '../../snapshot/medium/medium.ts';
import { MemoryStore, openMemoryMedium } from '../../snapshot/medium/memory.ts';
import { overriding } from './overriding.ts';

export class HoldingMedium {
  readonly #store = new MemoryStore({ capacityBlocks: 1 << 16 });
  #held: (() => void)[] | undefined;

  /** From now on reads wait. */
  hold(): void {
    this.#held ??= [];
  }

  /** Those that wait go on, and others do not begin to. */
  letGo(): void {
    for (const resolve of this.#held ?? []) resolve();
    this.#held = undefined;
  }

  /** The pool that was there before, each time but the first. */
  open(): Medium {
    const medium = openMemoryMedium(this.#store);
    const { data } = medium;
    const read: typeof data.read = async (place, into) => {
      await new Promise<void>((resolve) => (this.#held === undefined ? resolve() : this.#held.push(resolve)));
      await data.read(place, into);
    };
    return overriding(medium, { data: overriding(data, { read }) });
  }
}
