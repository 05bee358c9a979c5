/**
 * What login has to ask: which targets exist, who may use them, and how they prove themselves. The
 * answers are synchronous and of the moment; a change of them touches logged-in sessions only when
 * the shell drops those.
 */

/** A name and a secret of CHAP (RFC 1994). The secret is bytes, and never leaves chap.ts. */
export interface ChapCredentials {
  readonly name: string;
  readonly secret: Uint8Array;
}

/** How an initiator must prove itself, and how the target answers when it is asked the same. */
export type Authentication =
  | { readonly method: 'none' }
  | {
      readonly method: 'chap';
      /** Any of these is accepted. */
      readonly inbound: readonly ChapCredentials[];
      /** What the target proves itself with; without it, mutual authentication fails. */
      readonly outbound?: ChapCredentials;
    };

/** Who asks, from where. */
export interface Asker {
  readonly initiatorName: string;
  /**
   * `address:port` of this end, IPv6 in brackets: what SendTargets advertises unless configured
   * otherwise.
   */
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** Of the portal by which it came, 1 … 65535. */
  readonly portalGroupTag: number;
}

/** Each answer but the first ends the login with the status of RFC 7143 §11.13.5 it is named after. */
export type TargetAnswer =
  | {
      readonly kind: 'found';
      /** The name as configured; names compare in their normalised form (RFC 7143 §4.2.7). */
      readonly targetName: string;
      readonly targetAlias?: string;
      readonly portalGroupTag: number;
      readonly authentication: Authentication;
    }
  | { readonly kind: 'not-found' }
  /** Status 0202h: this initiator is not allowed the target. */
  | { readonly kind: 'forbidden' }
  /** Status 0203h: it existed and was removed. */
  | { readonly kind: 'removed' }
  /** Status 0301h: it exists and is not operational now. */
  | { readonly kind: 'unavailable' }
  /** Status 0101h or 0102h with this `address:port[,tag]`. */
  | { readonly kind: 'moved'; readonly address: string; readonly permanent: boolean };

/** Where a target can be reached, as TargetAddress tells it (RFC 7143 §13.8). */
export interface TargetAddress {
  /** `address:port`, IPv6 in brackets. */
  readonly address: string;
  readonly portalGroupTag: number;
}

/** One line group of SendTargets (RFC 7143 Appendix C). */
export interface TargetListing {
  readonly targetName: string;
  readonly addresses: readonly TargetAddress[];
}

export interface TargetDirectory {
  find(targetName: string, asker: Asker): TargetAnswer;
  /** How a discovery session of this initiator authenticates. */
  discovery(asker: Asker): Authentication;
  /** What SendTargets shows this initiator: only what it may use. */
  list(asker: Asker): readonly TargetListing[];
}
