/** Who is told that pages of an image have changed; also of one that is empty, and so has no table. */
export interface PageWatcher {
  /** Entries of the page, or holes among them, became more or fewer. */
  changed(page: number): void;
}

export class PageWatchers {
  readonly #byImage = new Map<number, Set<PageWatcher>>();

  add(image: number, watcher: PageWatcher): void {
    const watchers = this.#byImage.get(image);
    if (watchers === undefined) this.#byImage.set(image, new Set([watcher]));
    else watchers.add(watcher);
  }

  delete(image: number, watcher: PageWatcher): void {
    const watchers = this.#byImage.get(image);
    watchers?.delete(watcher);
    if (watchers?.size === 0) this.#byImage.delete(image);
  }

  changed(image: number, page: number): void {
    if (this.#byImage.size === 0) return;
    const watchers = this.#byImage.get(image);
    if (watchers === undefined) return;
    for (const watcher of watchers) watcher.changed(page);
  }
}
