/** iSCSI names (RFC 7143 §4.2.7): normalised form and what may stand in them. */
import { OperatorError } from '../../lun/errors.ts';

/** RFC 7143 §4.2.7.1: at most 223 bytes. */
const NAME_BYTES_MAX = 223;
const IQN = /^iqn\.\d{4}-(0[1-9]|1[0-2])\.[a-z0-9-]+(\.[a-z0-9-]+)*(:[a-z0-9.:-]+)?$/;
const EUI = /^eui\.[0-9a-f]{16}$/;
const NAA = /^naa\.([0-9a-f]{16}|[0-9a-f]{32})$/;

/** The name in its normalised form (lower case); an OperatorError names what is wrong with it. */
export function iscsiName(text: string, what: string): string {
  const name = text.toLowerCase().normalize('NFKC');
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) {
    throw new OperatorError(
      'bad-name',
      `${what} "${text.slice(0, 60)}…" is longer than ${NAME_BYTES_MAX} bytes`,
    );
  }
  if (IQN.test(name) || EUI.test(name) || NAA.test(name)) return name;
  throw new OperatorError(
    'bad-name',
    `${what} "${text}" is no iSCSI name: want iqn.YYYY-MM.reversed.domain[:anything], eui. with 16 or naa. with 16 or 32 hexadecimal digits`,
  );
}

/** The target name a new pool gets: the host's name in the form that iSCSI names allow. */
export function defaultTargetName(hostName: string): string {
  const host = hostName
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, '-')
    .replace(/^[.-]+|[.-]+$/g, '');
  return `iqn.2026-11.io.snaplun:${host === '' ? 'host' : host}`;
}
