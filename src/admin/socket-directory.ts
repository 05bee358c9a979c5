/**
 * Who can reach the admin socket. There is no password on it: whoever may connect may do everything, and the
 * kernel decides who may, by the mode of the socket (0600: connecting wants the right to write to it) and of
 * the directories above it. Node.js tells no peer credentials, so this is all there is, and it has to hold:
 * a directory in which others may write is refused, for there they could put a socket of their own in place
 * of this one and be told CHAP secrets.
 */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { OperatorError } from '../../lun/errors.ts';

/** Write permission of the group and of all others. */
const OTHERS_WRITE = 0o022;

/** Makes its directory, mode 0700, where there is none. OperatorError admin: others may write in it. */
export function secureSocketDirectory(socketPath: string, uid: number | undefined): void {
  const directory = dirname(socketPath);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { mode, uid: owner } = statSync(directory);
  if ((mode & OTHERS_WRITE) !== 0) {
    const octal = (mode & 0o7777).toString(8).padStart(4, '0');
    throw new OperatorError(
      'admin',
      `cannot open the admin socket ${socketPath}: others may write in ${directory} (mode ${octal}); take that from them with chmod go-w, or name another place with --admin`,
    );
  }
  if (uid !== undefined && owner !== uid && owner !== 0) {
    throw new OperatorError(
      'admin',
      `cannot open the admin socket ${socketPath}: ${directory} belongs to another user (uid ${owner}); name another place with --admin`,
    );
  }
}
