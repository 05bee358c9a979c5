/**
 * Whether the pool still serves. Once it has failed or was closed, every command is refused, for good: after
 * a failed append or flush nothing more may be acknowledged (SYSTEM promise 8).
 */
import type { StoreError } from '../lun/errors.ts';

export class Gate {
  #closed: StoreError | undefined;

  get closed(): StoreError | undefined {
    return this.#closed;
  }

  /** Throws what the pool failed with. */
  check(): void {
    if (this.#closed !== undefined) throw this.#closed;
  }

  close(why: StoreError): void {
    this.#closed ??= why;
  }
}
