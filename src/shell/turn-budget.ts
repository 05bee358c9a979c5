/**
 * How much of what was received one turn of the event loop takes on. A turn serves every socket that is
 * ready, and with sixteen floods that is five hundred commands: for so long no timer runs and no answer of
 * the medium is heard, and whoever asks for little waits behind all of them. So once a turn has taken on
 * enough, whoever asks for much goes on in the next one, in order.
 */
import type { Clock } from '../clock.ts';

/** Work after which floods wait for another turn. */
export const TURN_MS_MAX = 2;

export class TurnBudget {
  readonly #clock: Pick<Clock, 'after' | 'nowMs'>;
  /** When the first flood of this turn came; undefined: none has. */
  #begunMs: number | undefined;
  #waiting: Array<() => void> = [];
  readonly #ended = (): void => {
    this.#begunMs = undefined;
  };

  constructor(clock: Pick<Clock, 'after' | 'nowMs'>) {
    this.#clock = clock;
  }

  /** A flood has sent something. Whether this turn has done enough, or others wait already. */
  isSpent(nowMs: number): boolean {
    if (this.#begunMs === undefined) {
      this.#begunMs = nowMs;
      this.#clock.after(0, this.#ended);
    }
    return this.#waiting.length > 0 || nowMs - this.#begunMs >= TURN_MS_MAX;
  }

  /** Calls `goOn` once, in order, in a later turn. */
  wait(goOn: () => void): void {
    if (this.#waiting.push(goOn) === 1) this.#plan();
  }

  #plan(): void {
    this.#clock.after(0, () => this.#turn());
  }

  /** What comes while it is at work is for the next one. */
  #turn(): void {
    const waiting = this.#waiting;
    const begunMs = this.#clock.nowMs();
    const end = waiting.length;
    let done = 0;
    while (done < end) {
      waiting[done]?.();
      done += 1;
      if (this.#clock.nowMs() - begunMs >= TURN_MS_MAX) break;
    }
    this.#waiting = waiting.slice(done);
    if (this.#waiting.length > 0) this.#plan();
  }
}
