/** Time in a test's hands: it stands still, and timers run only when the test lets it pass. */
export class ManualTimers {
  readonly #timers = new Map<number, { atMs: number; run: () => void }>();
  #nowMs: number;
  #nextTimer = 1;

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, run: () => void): () => void {
    if (ms === 0) {
      const immediate = setImmediate(run);
      return () => clearImmediate(immediate);
    }
    const id = this.#nextTimer++;
    this.#timers.set(id, { atMs: this.#nowMs + ms, run });
    return () => this.#timers.delete(id);
  }

  /** Runs what is due within this time, in order, letting what it starts proceed in between. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { atMs }]) => atMs <= untilMs);
      const [first] = due.sort((a, b) => a[1].atMs - b[1].atMs || a[0] - b[0]);
      if (first === undefined) break;
      this.#timers.delete(first[0]);
      this.#nowMs = Math.max(this.#nowMs, first[1].atMs);
      first[1].run();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  /** Sets the clock, as an operator may; timers keep what they have left. */
  set(nowMs: number): void {
    for (const timer of this.#timers.values()) timer.atMs += nowMs - this.#nowMs;
    this.#nowMs = nowMs;
  }
}

/** Lets everything proceed that needs only turns of the loop. */
export async function settle(turns = 20): Promise<void> {
  for (let i = 0; i < turns; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
