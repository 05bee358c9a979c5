import {
  type Crc32c,
  Deframer,
  type EncodeOptions,
  encodePdu,
  type Frame,
  type Layout,
  type PduDefinition,
  type RecordOf,
} from 'node-iscsi-pdu';
import type { Transport } from './transport.ts';

/** Whole PDUs over a transport, for an initiator and for scripts that send what no initiator would. */
export class PduLink {
  readonly #transport: Transport;
  readonly #deframer: Deframer;
  readonly #crc32c: Crc32c | undefined;
  #digests = { header: false, data: false };
  #onFrame: (frame: Frame) => void = () => undefined;
  #onClose: (error?: unknown) => void = () => undefined;
  closed = false;

  constructor(transport: Transport, crc32c?: Crc32c) {
    this.#transport = transport;
    this.#crc32c = crc32c;
    const native = crc32c === undefined ? {} : { crc32c };
    this.#deframer = new Deframer({ maxDataSegmentLength: 0xffffff, ...native });
    transport.onBytes((chunk) => this.#receive(chunk));
    transport.onClose(() => this.#close());
  }

  onFrame(listener: (frame: Frame) => void): void {
    this.#onFrame = listener;
  }

  onClose(listener: (error?: unknown) => void): void {
    this.#onClose = listener;
  }

  setDigests(digests: { readonly header: boolean; readonly data: boolean }): void {
    this.#digests = digests;
    this.#deframer.setDigests(digests);
  }

  send<L extends Layout>(
    definition: PduDefinition<L>,
    record: Partial<RecordOf<L>>,
    options: EncodeOptions = {},
  ): void {
    const { header: headerDigest, data: dataDigest } = this.#digests;
    const native = this.#crc32c === undefined ? {} : { crc32c: this.#crc32c };
    this.sendBytes(encodePdu(definition, record, { headerDigest, dataDigest, ...native, ...options }));
  }

  sendBytes(pieces: readonly Uint8Array[]): void {
    if (!this.closed) this.#transport.write(pieces);
  }

  close(): void {
    this.#transport.close();
  }

  #receive(chunk: Uint8Array): void {
    this.#deframer.push(chunk);
    for (let frame = this.#deframer.next(); frame !== undefined; frame = this.#deframer.next()) {
      this.#onFrame(frame);
    }
  }

  #close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#onClose();
  }
}
