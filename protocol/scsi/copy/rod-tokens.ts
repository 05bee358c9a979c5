/**
 * ROD tokens (SPC-4 §5.16.6, §6.4.9): 512 bytes that stand for blocks as they were when the token was made.
 * Who has one may write what it stands for wherever it may write, through whichever target of the process; so
 * it carries random bytes that nobody can guess. A token ends when nobody has used it for a while, when it is
 * deleted, when there are too many, and with the process.
 */
import type { FrozenBlocks } from '../../../lun/block-device.ts';
import { firstDifference } from '../../../lun/bytes.ts';
import { StoreError } from '../../../lun/errors.ts';
import type { BlockRange } from '../../../lun/units.ts';
import { u16Bytes, u32Bytes, u64Bytes, viewOf } from '../parameter-data.ts';
import { Sense, type SenseCode } from '../sense.ts';
import { IDENTIFICATION_CSCD, TOKENS_MAX } from './limits.ts';

export const ROD_TOKEN_BYTES = 512;
/** ROD TOKEN LENGTH: what is behind it. */
const TOKEN_LENGTH = ROD_TOKEN_BYTES - 8;
/** Where a token carries its random bytes: the extended part, which is the copy manager's own (§6.4.9.3). */
const SECRET_AT = 480;
const SECRET_BYTES = 32;
const IDENTIFIER_AT = 8;

/** ROD TYPE (SPC-4 Table 111): what is made here, and what stands for zeroes (SBC-3 §4.28.4). */
export const RodType = { POINT_IN_TIME_COPY: 0x00800000, BLOCK_DEVICE_ZERO: 0xffff0001 } as const;

export interface RodToken {
  /** Where the blocks are kept, and which, one range behind the other. */
  readonly frozen: FrozenBlocks;
  readonly ranges: readonly BlockRange[];
  readonly blockBytes: number;
  readonly bytes: Uint8Array;
  readonly timeoutMs: number;
}

export interface RodTokensOptions {
  readonly randomBytes: (count: number) => Uint8Array;
  /** Runs `run` once after so long; the returned function calls it off. */
  readonly after: (ms: number, run: () => void) => () => void;
}

interface Kept {
  readonly token: RodToken;
  /** Operations that read it now. */
  users: number;
  ended: boolean;
  cancel: () => void;
}

/** What a token is made of. */
export type TokenOrigin = Omit<RodToken, 'bytes'> & { readonly naa: Uint8Array };

/** The tokens of all targets of one process. */
export class RodTokens {
  readonly #options: RodTokensOptions;
  /** By identifier, the one used last at the end. */
  readonly #kept = new Map<number, Kept>();
  #last = 0;

  constructor(options: RodTokensOptions) {
    this.#options = options;
  }

  create({ naa, ...origin }: TokenOrigin): RodToken {
    this.#last += 1;
    const secret = this.#options.randomBytes(SECRET_BYTES);
    const token = { ...origin, bytes: tokenBytes(this.#last, { naa, ...origin }, secret) };
    const kept: Kept = { token, users: 0, ended: false, cancel: () => undefined };
    this.#kept.set(this.#last, kept);
    this.#wait(this.#last, kept);
    for (const [identifier] of this.#kept) {
      if (this.#kept.size <= TOKENS_MAX) break;
      this.#end(identifier);
    }
    return token;
  }

  /** Runs `use` with the token that these bytes are, or says why they are none. It stays until that is over. */
  async using<T>(bytes: Uint8Array, use: (token: RodToken) => Promise<T>): Promise<T | SenseCode> {
    const identifier = Number(viewOf(bytes).getBigUint64(IDENTIFIER_AT));
    const kept = this.#kept.get(identifier);
    if (kept === undefined) return Sense.INVALID_TOKEN_OPERATION_TOKEN_UNKNOWN;
    if (firstDifference(kept.token.bytes, bytes) !== undefined)
      return Sense.INVALID_TOKEN_OPERATION_TOKEN_CORRUPT;
    kept.users += 1;
    this.#kept.delete(identifier);
    this.#kept.set(identifier, kept);
    kept.cancel();
    try {
      return await use(kept.token);
    } finally {
      kept.users -= 1;
      if (kept.ended) this.#release(kept);
      else this.#wait(identifier, kept);
    }
  }

  /** DEL_TKN. */
  delete(token: RodToken): void {
    this.#end(Number(viewOf(token.bytes).getBigUint64(IDENTIFIER_AT)));
  }

  #wait(identifier: number, kept: Kept): void {
    kept.cancel();
    kept.cancel = this.#options.after(kept.token.timeoutMs, () => this.#end(identifier));
  }

  #end(identifier: number): void {
    const kept = this.#kept.get(identifier);
    if (kept === undefined) return;
    this.#kept.delete(identifier);
    kept.cancel();
    kept.ended = true;
    this.#release(kept);
  }

  /** What cannot be given back because the store fails goes at its next opening. */
  #release(kept: Kept): void {
    if (kept.users > 0) return;
    kept.token.frozen.release().catch((error: unknown) => {
      if (!(error instanceof StoreError)) throw error;
    });
  }
}

/** The form of SPC-4 Table 113; what is not said here is reserved or not reported. */
function tokenBytes(
  identifier: number,
  { naa, ranges, blockBytes }: Omit<TokenOrigin, 'frozen' | 'timeoutMs'>,
  secret: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(ROD_TOKEN_BYTES);
  const blocks = ranges.reduce((sum, range) => sum + range.blocks, 0);
  bytes.set(u32Bytes(RodType.POINT_IN_TIME_COPY), 0);
  bytes.set(u16Bytes(TOKEN_LENGTH), 6);
  bytes.set(u64Bytes(identifier), IDENTIFIER_AT);
  // CREATOR LOGICAL UNIT DESCRIPTOR: an NAA designator of a block device.
  bytes.set([IDENTIFICATION_CSCD, 0, 0, 0, 1, 0x03, 0, naa.byteLength, ...naa], 16);
  bytes.set(u32Bytes(blockBytes), 44);
  bytes.set(u64Bytes(blocks * blockBytes), 56);
  bytes.set(u32Bytes(blockBytes), 96);
  bytes.set(secret, SECRET_AT);
  return bytes;
}

/** The token that stands for zeroes, in the one form that it has (SBC-3 §4.28.4). */
export function isZeroToken(bytes: Uint8Array): boolean {
  return viewOf(bytes).getUint32(0) === RodType.BLOCK_DEVICE_ZERO;
}

/** Why these bytes cannot be a token that is known here. */
export function tokenFault(bytes: Uint8Array): SenseCode | undefined {
  const view = viewOf(bytes);
  const type = view.getUint32(0);
  if (view.getUint16(6) !== TOKEN_LENGTH) return Sense.INVALID_TOKEN_OPERATION_INVALID_TOKEN_LENGTH;
  if (type === RodType.POINT_IN_TIME_COPY || type === RodType.BLOCK_DEVICE_ZERO) return undefined;
  return Sense.INVALID_TOKEN_OPERATION_UNSUPPORTED_TOKEN_TYPE;
}
