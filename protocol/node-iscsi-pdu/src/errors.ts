/**
 * What was wrong with the bytes:
 * `header-digest`: the header's CRC32C does not match; nothing after it in the stream can be trusted.
 * `too-large`: the data segment is longer than the receiver's limit.
 * `malformed`: lengths inside the PDU contradict each other.
 * `unknown-opcode`: RFC 7143 §11.2.1.2 does not define the opcode.
 * `text`: a data segment is not key=value text (RFC 7143 §6.1).
 * `text-too-long`: key=value text passes a limit of the receiver.
 */
export type PduErrorKind =
  | 'header-digest'
  | 'too-large'
  | 'malformed'
  | 'unknown-opcode'
  | 'text'
  | 'text-too-long';

/** The peer sent bytes that are no valid PDU. Mistakes of the caller are RangeErrors instead. */
export class PduError extends Error {
  override readonly name = 'PduError';
  readonly kind: PduErrorKind;
  /**
   * The 48 bytes of the offending PDU's header, where known: a Reject carries them back (RFC 7143 §11.17.4).
   */
  readonly bhs: Uint8Array | undefined;

  constructor(kind: PduErrorKind, message: string, bhs?: Uint8Array, options?: { readonly cause: unknown }) {
    super(message, options);
    this.kind = kind;
    this.bhs = bhs;
  }
}
