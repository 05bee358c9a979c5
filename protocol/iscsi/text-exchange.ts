/**
 * Text in the full feature phase (RFC 7143 §11.10, §11.11): one exchange at a time, its text in as many
 * PDUs as it takes in either direction. A request with no target transfer tag begins anew and drops the
 * exchange before it.
 */
import {
  encodeTextSegments,
  type Frame,
  RESERVED_TAG,
  RejectReason,
  TextCollector,
  type TextPair,
  TextRequest,
  TextResponse,
} from 'node-iscsi-pdu';
import { IscsiPeerError } from './errors.ts';
import type { Wire } from './wire.ts';

export interface TextExchangeOptions {
  readonly wire: Wire;
  readonly textBytesMax: number;
  /** What the initiator takes in one PDU; asked anew for every answer. */
  readonly segmentBytes: () => number;
  /** Answers one whole text; throws IscsiPeerError. */
  readonly answer: (pairs: readonly TextPair[]) => readonly TextPair[];
}

export class TextExchange {
  readonly #options: TextExchangeOptions;
  readonly #collector: TextCollector;
  #transferTag = RESERVED_TAG;
  #lastTransferTag = 0;
  #initiatorTaskTag = RESERVED_TAG;
  #segments: Uint8Array[] = [];

  constructor(options: TextExchangeOptions) {
    this.#options = options;
    this.#collector = new TextCollector({ totalBytesMax: options.textBytesMax });
  }

  /** Takes a request whose turn has come. A failure ends the exchange. */
  request(frame: Frame): void {
    const request = TextRequest.decode(frame.bhs);
    try {
      this.#take(request, frame.data);
    } catch (error) {
      this.#reset();
      throw error;
    }
  }

  #take(request: TextRequest, data: Uint8Array): void {
    if (request.final && request.continue) throw protocolError('a text is final and continued at once');
    if (request.initiatorTaskTag === RESERVED_TAG) throw protocolError('a text has no task tag');
    if (request.targetTransferTag === RESERVED_TAG) {
      this.#reset();
      this.#initiatorTaskTag = request.initiatorTaskTag;
    } else if (
      request.targetTransferTag !== this.#transferTag ||
      request.initiatorTaskTag !== this.#initiatorTaskTag
    ) {
      throw protocolError('a text continues an exchange that is not under way');
    }
    if (this.#segments.length > 0) {
      if (data.length > 0) throw protocolError('text was sent before the answer was complete');
      this.#respond(request);
      return;
    }
    const pairs = this.#collector.add(data, request.continue);
    if (pairs === undefined) {
      this.#send(request, { final: false, continues: false, data: new Uint8Array(0) });
      return;
    }
    this.#segments = encodeTextSegments(this.#options.answer(pairs), this.#options.segmentBytes());
    this.#respond(request);
  }

  #respond(request: TextRequest): void {
    const data = this.#segments.shift() ?? new Uint8Array(0);
    const continues = this.#segments.length > 0;
    this.#send(request, { final: request.final && !continues, continues, data });
  }

  #send(
    request: TextRequest,
    answer: { readonly final: boolean; readonly continues: boolean; readonly data: Uint8Array },
  ): void {
    const { final, continues, data } = answer;
    if (final) this.#reset();
    else if (this.#transferTag === RESERVED_TAG) this.#transferTag = this.#newTransferTag();
    const { lun, initiatorTaskTag } = request;
    const targetTransferTag = final ? RESERVED_TAG : this.#transferTag;
    const fields = { final, continue: continues, lun, initiatorTaskTag, targetTransferTag };
    this.#options.wire.send(TextResponse, fields, { data });
  }

  #newTransferTag(): number {
    this.#lastTransferTag = (this.#lastTransferTag + 1) & 0x7fff_ffff;
    return this.#lastTransferTag;
  }

  #reset(): void {
    this.#collector.reset();
    this.#segments = [];
    this.#transferTag = RESERVED_TAG;
    this.#initiatorTaskTag = RESERVED_TAG;
  }
}

function protocolError(message: string): IscsiPeerError {
  return new IscsiPeerError(message, { reject: RejectReason.PROTOCOL_ERROR });
}
