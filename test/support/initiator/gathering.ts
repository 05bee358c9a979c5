import type { Transport } from './index.ts';

/** A transport that can keep what is sent, and send it as one. */
export class Gathering implements Transport {
  readonly #inner: Transport;
  #kept: Uint8Array[] | undefined;

  constructor(inner: Transport) {
    this.#inner = inner;
  }

  gather(): void {
    this.#kept = [];
  }

  release(): void {
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    this.#inner.write([Buffer.concat(kept)]);
  }

  write(pieces: readonly Uint8Array[]): void {
    if (this.#kept === undefined) this.#inner.write(pieces);
    else this.#kept.push(...pieces.map((piece) => piece.slice()));
  }

  onBytes(listener: (chunk: Uint8Array) => void): void {
    this.#inner.onBytes(listener);
  }

  onClose(listener: () => void): void {
    this.#inner.onClose(listener);
  }

  close(): void {
    this.#inner.close();
  }
}
