import { type LoginStatus, PduError, RejectReason } from 'node-iscsi-pdu';

/** What the initiator gets for breaking a rule: a Reject, a login status, or a closed connection. */
export type PeerAnswer = { readonly reject: RejectReason } | { readonly login: LoginStatus } | 'drop';

/** The initiator broke a rule: answer it, keep serving others. Caught in one place, inside `handle`. */
export class IscsiPeerError extends Error {
  override readonly name = 'IscsiPeerError';
  readonly answer: PeerAnswer;

  constructor(message: string, answer: PeerAnswer, options?: ErrorOptions) {
    super(message, options);
    this.answer = answer;
  }
}

/** The Reject that answers a failure; undefined when it cannot be answered with one. */
export function rejectReasonOf(error: unknown): RejectReason | undefined {
  if (error instanceof IscsiPeerError) {
    return typeof error.answer === 'object' && 'reject' in error.answer ? error.answer.reject : undefined;
  }
  if (!(error instanceof PduError)) return undefined;
  switch (error.kind) {
    case 'text':
    case 'text-too-long':
    case 'malformed':
      return RejectReason.INVALID_PDU_FIELD;
    case 'unknown-opcode':
      return RejectReason.COMMAND_NOT_SUPPORTED;
    case 'too-large':
    case 'header-digest':
      return undefined;
    default:
      return error.kind satisfies never;
  }
}
