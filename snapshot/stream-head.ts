/** The first chunk of a stream: what it holds, and what it builds on. FORMAT.md, "Streams". */

/** Which snapshot a stream holds, and what it builds on. */
export interface StreamHead {
  readonly vlun: string;
  readonly snapshot: string;
  /** Of the snapshot first exported under it, however often it was passed on: 32 hexadecimal digits. */
  readonly identity: string;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly createdAtMs: number;
  /** The snapshot that the receiver has to have; absent in a full stream. */
  readonly from?: { readonly snapshot: string; readonly identity: string };
}

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const IDENTITY = /^[0-9a-f]{32}$/;
/** The last moment that a Date can hold: one behind it could never be shown. */
const CREATED_AT_MS_MAX = 8.64e15;

/**
 * Whether all of it is there and within bounds. The sums of a stream say that nothing happened to it on its
 * way, not that a program of ours wrote it, and what stands here is kept in the pool for good.
 */
export function isStreamHead(value: unknown): value is StreamHead {
  if (!isRecord(value)) return false;
  const { vlun, sizeBytes, blockBytes, createdAtMs, from } = value;
  const blocks = blockBytes === 512 || blockBytes === 4096;
  if (!blocks || !isCount(sizeBytes) || sizeBytes === 0 || sizeBytes % blockBytes !== 0) return false;
  if (!isCount(createdAtMs) || createdAtMs > CREATED_AT_MS_MAX || !isText(vlun, NAME)) return false;
  return namesSnapshot(value) && (from === undefined || (isRecord(from) && namesSnapshot(from)));
}

function namesSnapshot({ snapshot, identity }: Record<string, unknown>): boolean {
  return isText(snapshot, NAME) && isText(identity, IDENTITY);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown, form: RegExp): boolean {
  return typeof value === 'string' && form.test(value);
}
