/** What waits for its place in the journal, in order. */
export class CommitQueue<T> {
  #items: T[] = [];
  #head = 0;
  #taken = 0;

  get isEmpty(): boolean {
    return this.#head === this.#items.length;
  }

  /** How many were taken so far. */
  get taken(): number {
    return this.#taken;
  }

  /** The one whose turn it is; undefined when nothing waits. */
  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The first one is taken. */
  advance(): void {
    this.#taken += 1;
    this.#head += 1;
    if (this.isEmpty) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > 4096) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
  }

  /** All that wait; nothing does any more. */
  takeAll(): readonly T[] {
    const all = this.#items.slice(this.#head);
    this.#items = [];
    this.#head = 0;
    return all;
  }
}
