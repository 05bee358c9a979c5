/** Snapshots that are being exported, each with how many times: nothing deletes them meanwhile by itself. */
export class RunningExports {
  readonly #counts = new Map<string, number>();

  has(vlun: string, snapshot: string): boolean {
    return this.#counts.has(`${vlun}@${snapshot}`);
  }

  /** Counts them while `run` runs. */
  async during<T>(vlun: string, snapshots: readonly string[], run: () => Promise<T>): Promise<T> {
    const keys = snapshots.map((snapshot) => `${vlun}@${snapshot}`);
    for (const key of keys) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    try {
      return await run();
    } finally {
      for (const key of keys) {
        const left = (this.#counts.get(key) ?? 1) - 1;
        if (left === 0) this.#counts.delete(key);
        else this.#counts.set(key, left);
      }
    }
  }
}
