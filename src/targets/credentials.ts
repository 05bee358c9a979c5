/** CHAP secrets as they come from the operator. */
import { OperatorError } from '../../lun/errors.ts';
import type { StoredCredentials } from './documents.ts';

/** RFC 7143 §9.2.1 wants at least 96 bits; the upper bound is that of a CHAP value in practice. */
const SECRET_BYTES_MIN = 12;
const SECRET_BYTES_MAX = 255;

export interface GivenSecret {
  readonly name: string;
  readonly secret: string;
  /** Where it was read from. */
  readonly file?: string | undefined;
}

/** OperatorError bad-secret. */
export function stored({ name, secret, file }: GivenSecret): StoredCredentials {
  const bytes = Buffer.from(secret, 'utf8');
  if (bytes.byteLength < SECRET_BYTES_MIN || bytes.byteLength > SECRET_BYTES_MAX) {
    throw new OperatorError(
      'bad-secret',
      `a CHAP secret has ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX} bytes, not ${bytes.byteLength} (RFC 7143 §9.2.1)`,
    );
  }
  return { name, secretHex: bytes.toString('hex'), ...(file === undefined ? {} : { file }) };
}

/** OperatorError bad-secret: whoever knows the one would know the other (RFC 7143 §9.2.1). */
export function refuseSameSecrets(inbound: StoredCredentials, outbound: StoredCredentials | undefined): void {
  if (inbound.secretHex !== outbound?.secretHex) return;
  throw new OperatorError('bad-secret', 'the two secrets of mutual CHAP must differ (RFC 7143 §9.2.1)');
}
