import type { BufferSource } from 'node-iscsi-pdu';
import type { TargetDirectory } from './directory.ts';
import type { Limits, Preferences } from './limits.ts';
import type { LoginGuard } from './login-guard.ts';
import type { SessionRegistry } from './session-registry.ts';

/** What a connection is given when its transport comes up. */
export interface ConnectionOptions {
  readonly directory: TargetDirectory;
  /** Shared by all connections of the server. */
  readonly registry: SessionRegistry;
  /** Shared by all connections of the server; without it each stands alone. */
  readonly guard?: LoginGuard;
  /** Overrides of `DEFAULT_LIMITS`. */
  readonly limits?: Partial<Limits>;
  /** Overrides of `DEFAULT_PREFERENCES`. */
  readonly preferences?: Partial<Preferences>;
  /** Cryptographically strong random bytes. */
  readonly randomBytes: (count: number) => Uint8Array;
  /** CRC32C of `bytes`, going on from `previous` (0 at the start). Without it a table of our own is used. */
  readonly crc32c?: (bytes: Uint8Array, previous?: number) => number;
  /** For data that is gathered from several pieces; without it fresh memory is used. */
  readonly buffers?: BufferSource;
  /** `address:port` of this end and of the peer; IPv6 addresses in brackets. */
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** Of the portal that took the connection, 1 … 65535. */
  readonly portalGroupTag: number;
  /** When the transport came up. */
  readonly nowMs: number;
}
