/**
 * Keeps a peer from filling the log: of each kind of line so many in a while, then silence, and with the
 * next one that is let through the number of those that were not.
 */
const WINDOW_MS = 60_000;
/** Kinds known at a time; the one that was begun first is forgotten first. */
const KINDS_MAX = 1_024;

interface Window {
  readonly sinceMs: number;
  admitted: number;
  suppressed: number;
}

export class Throttle {
  readonly #linesMax: number;
  readonly #windows = new Map<string, Window>();

  /** `linesMax` of each kind in a minute. */
  constructor(linesMax: number) {
    this.#linesMax = linesMax;
  }

  /** Whether a line of this kind may be written now, and how many before it were not; undefined: not. */
  admit(kind: string, nowMs: number): { readonly suppressed: number } | undefined {
    const window = this.#windows.get(kind);
    if (window === undefined || nowMs - window.sinceMs >= WINDOW_MS) {
      this.#windows.delete(kind);
      if (this.#windows.size >= KINDS_MAX) this.#forgetOldest();
      this.#windows.set(kind, { sinceMs: nowMs, admitted: 1, suppressed: 0 });
      return { suppressed: window?.suppressed ?? 0 };
    }
    if (window.admitted < this.#linesMax) {
      window.admitted += 1;
      return { suppressed: 0 };
    }
    window.suppressed += 1;
    return undefined;
  }

  #forgetOldest(): void {
    const [oldest] = this.#windows.keys();
    if (oldest !== undefined) this.#windows.delete(oldest);
  }
}
