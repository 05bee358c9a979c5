/**
 * Whether the initiator is still there (RFC 7143 §11.19): after silence a NOP-In asks, and anything received
 * answers. While commands run nothing is asked: a busy target that stopped reading would otherwise
 * take its own backlog for a dead peer.
 */
export interface KeepaliveOptions {
  /** 0: never asks. */
  readonly afterMs: number;
  readonly timeoutMs: number;
}

export class Keepalive {
  readonly #options: KeepaliveOptions;
  #heardMs: number;
  #askedMs: number | undefined;

  constructor(options: KeepaliveOptions, nowMs: number) {
    this.#options = options;
    this.#heardMs = nowMs;
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#askedMs = undefined;
  }

  get dueMs(): number | undefined {
    if (this.#options.afterMs === 0) return undefined;
    if (this.#askedMs !== undefined) return this.#askedMs + this.#options.timeoutMs;
    return this.#heardMs + this.#options.afterMs;
  }

  /** What a tick finds: nothing due, time to ask (counted as asked), or silence for too long. */
  tick(nowMs: number, busy: boolean): 'quiet' | 'ask' | 'dead' {
    const { dueMs } = this;
    if (dueMs === undefined || nowMs < dueMs) return 'quiet';
    if (busy) {
      this.heard(nowMs);
      return 'quiet';
    }
    if (this.#askedMs !== undefined) return 'dead';
    this.#askedMs = nowMs;
    return 'ask';
  }
}
