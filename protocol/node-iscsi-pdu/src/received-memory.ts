// Memory that received bytes lie in, and that is used again once nobody looks at them. A frame's fields are
// views of such memory; whoever keeps one of them beyond the next call of the deframer holds the memory.

/** Counts who still looks at some bytes. Every hold is released once. */
export interface ReceivedMemory {
  hold(): void;
  release(): void;
}

/** Where buffers come from and go back to. */
export interface BufferSource {
  /** Exactly so many bytes, which may hold anything. */
  allocate(bytes: number): Uint8Array;
  /** A buffer that nobody looks at any more. */
  giveBack(buffer: Uint8Array): void;
}

/** Fresh memory every time. */
export const FRESH_BUFFERS: BufferSource = {
  allocate: (bytes) => new Uint8Array(bytes),
  giveBack: () => undefined,
};

/** One buffer, and what is to happen when its last holder has released it. */
export class CountedMemory implements ReceivedMemory {
  readonly bytes: Uint8Array;
  readonly #onUnused: (memory: CountedMemory) => void;
  #holders = 0;

  constructor(bytes: Uint8Array, onUnused: (memory: CountedMemory) => void) {
    this.bytes = bytes;
    this.#onUnused = onUnused;
  }

  get isHeld(): boolean {
    return this.#holders > 0;
  }

  hold(): void {
    this.#holders += 1;
  }

  release(): void {
    if (this.#holders === 0) throw new RangeError('memory is released once for every hold');
    this.#holders -= 1;
    if (this.#holders === 0) this.#onUnused(this);
  }
}
