/**
 * What an operator may ask for: names, sizes and documents, refused here with the words the operator reads.
 */
import { OperatorError } from '../lun/errors.ts';
import type { Draft, SnapshotObject, VlunObject } from './catalogue.ts';
import type { LimitRequest } from './pool-types.ts';
import { UNIT_DOCUMENT_PREFIX } from './pool-unit.ts';

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
/** Names that begin so are the pool's own. */
export const STAGING_PREFIX = '.import-';
const DOCUMENT_NAME_BYTES_MAX = 60;

export function checkName(name: string, what: 'VLUN' | 'snapshot'): void {
  if (NAME.test(name)) return;
  throw new OperatorError('bad-name', `A ${what} is named with 1 to 64 of A–Z a–z 0–9 . _ -, not '${name}'.`);
}

export function checkSize(sizeBytes: number, blockBytes: number): void {
  if (Number.isSafeInteger(sizeBytes) && sizeBytes > 0 && sizeBytes % blockBytes === 0) return;
  throw new OperatorError(
    'bad-size',
    `The size has to be a multiple of ${blockBytes} bytes, at least one block.`,
  );
}

/** A reservation as it is stored: none where it is 0. OperatorError bad-size. */
export function reservation(
  reservedBytes: number | undefined,
  sizeBytes: number,
): { readonly reservedBytes?: number } {
  if (reservedBytes === undefined || reservedBytes === 0) return {};
  if (Number.isSafeInteger(reservedBytes) && reservedBytes > 0 && reservedBytes <= sizeBytes) {
    return { reservedBytes };
  }
  throw new OperatorError(
    'bad-size',
    `A reservation is at most the size of the LUN, ${sizeBytes} bytes, not ${reservedBytes}.`,
  );
}

const IOPS_MAX_MAX = 1e9;
/** Less would let one large command keep the others waiting for minutes. */
const THROUGHPUT_MAX_MIN_BYTES = 64 * 1024;

/** Limits as they are stored: none where 0; what the request does not name stays. OperatorError bad-limit. */
export function limits(request: LimitRequest, present: LimitRequest = {}): LimitRequest {
  const { iopsMax = present.iopsMax ?? 0, throughputMaxBytes = present.throughputMaxBytes ?? 0 } = request;
  const isNumber = (value: number, min: number, max: number): boolean =>
    value === 0 || (Number.isSafeInteger(value) && value >= min && value <= max);
  if (!isNumber(iopsMax, 1, IOPS_MAX_MAX)) {
    throw new OperatorError(
      'bad-limit',
      `A limit is 1 to ${IOPS_MAX_MAX} commands a second, not ${iopsMax}.`,
    );
  }
  if (!isNumber(throughputMaxBytes, THROUGHPUT_MAX_MIN_BYTES, Number.MAX_SAFE_INTEGER)) {
    throw new OperatorError(
      'bad-limit',
      `A limit is ${THROUGHPUT_MAX_MIN_BYTES} bytes a second or more, not ${throughputMaxBytes}.`,
    );
  }
  return { ...(iopsMax > 0 && { iopsMax }), ...(throughputMaxBytes > 0 && { throughputMaxBytes }) };
}

/** Refuses what cannot be stored, and documents that belong to units. */
export function checkDocuments(documents: Readonly<Record<string, unknown>> | undefined): void {
  for (const name of Object.keys(documents ?? {})) {
    const bytes = Buffer.byteLength(name);
    if (bytes > 0 && bytes <= DOCUMENT_NAME_BYTES_MAX && !name.startsWith(UNIT_DOCUMENT_PREFIX)) continue;
    throw new OperatorError('bad-document', `A document is named with 1 to 60 bytes, not '${name}'.`);
  }
}

export function vlunNamed(draft: Draft, name: string): VlunObject {
  const vlun = draft.vlunNamed(name);
  if (vlun === undefined) throw new OperatorError('not-found', `There is no VLUN '${name}'.`);
  return vlun;
}

export function snapshotNamed(draft: Draft, vlun: VlunObject, name: string): SnapshotObject {
  const snapshot = draft.snapshotNamed(vlun.id, name);
  if (snapshot === undefined) {
    throw new OperatorError('not-found', `There is no snapshot '${vlun.name}@${name}'.`);
  }
  return snapshot;
}

/** The name of a VLUN to be made: well formed and not taken. */
export function newVlunName(draft: Draft, name: string): void {
  checkName(name, 'VLUN');
  if (name.startsWith(STAGING_PREFIX)) {
    throw new OperatorError(
      'bad-name',
      `'${name}' will not do: names that begin with '${STAGING_PREFIX}' are kept for imports.`,
    );
  }
  if (draft.vlunNamed(name) !== undefined)
    throw new OperatorError('exists', `There is a VLUN '${name}' already.`);
}
