/**
 * Whether somebody who asks for little at a time is at work: who sent something last, and who before
 * that. Those who keep many commands outstanding are not reckoned with: among themselves they share well
 * enough, and long turns are what makes them fast.
 */

/** Whoever sent nothing for so long is not reckoned with; whoever asked for much asks for much so long. */
export const MOMENT_MS = 100;

export class Contention {
  #latest: object | undefined;
  #latestMs = Number.NEGATIVE_INFINITY;
  /** When somebody else than the latest did, last. */
  #othersMs = Number.NEGATIVE_INFINITY;

  /** `user` has sent something, and asks for little at a time. */
  note(user: object, nowMs: number): void {
    if (user !== this.#latest) {
      this.#othersMs = this.#latestMs;
      this.#latest = user;
    }
    this.#latestMs = nowMs;
  }

  /** Whether somebody else than `user` did so a moment ago. */
  isShared(user: object, nowMs: number): boolean {
    const othersMs = user === this.#latest ? this.#othersMs : this.#latestMs;
    return nowMs - othersMs < MOMENT_MS;
  }

  forget(user: object): void {
    if (user === this.#latest) this.#latest = undefined;
  }
}
