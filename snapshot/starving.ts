/**
 * Commands that found no room. What waits to be freed is made free, and they try again. Others may be given
 * that first, and free in turn what they replace; so a command tries as long as anything is on its way back,
 * up to a bound. Then it fails.
 */
import { StoreError } from '../lun/errors.ts';
import type { Intent } from './batch.ts';
import type { VlunNode } from './views.ts';

export interface StarvingOptions {
  /** Makes freed places allocatable; undefined: there are none to wait for. */
  readonly makeRoom: () => Promise<void> | undefined;
  readonly onFull: (node: VlunNode) => void;
}

const TRIES_MAX = 16;

export class Starving {
  readonly #options: StarvingOptions;
  readonly #submit: (intent: Intent) => void;
  #waiting = 0;

  constructor(options: StarvingOptions, submit: (intent: Intent) => void) {
    this.#options = options;
    this.#submit = submit;
  }

  /** Commands that wait for room. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The command could not be stored for this reason; it is submitted again, or ends with it. */
  take(intent: Intent, cause: unknown): void {
    const full = cause instanceof StoreError && cause.code === 'NO_SPACE';
    const room = full && intent.tries < TRIES_MAX ? this.#options.makeRoom() : undefined;
    if (room === undefined) {
      if (full && intent.node !== undefined) this.#options.onFull(intent.node);
      intent.done(cause);
      return;
    }
    intent.tries += 1;
    this.#waiting += 1;
    const tryAgain = (): void => {
      this.#waiting -= 1;
      this.#submit(intent);
    };
    void room.then(tryAgain, tryAgain);
  }
}
