/** Where things are when nobody says: the pool, the admin socket, the portal. */
import { homedir } from 'node:os';
import { join } from 'node:path';

export const DEFAULT_PORTAL = '127.0.0.1:3260';

/** `$SNAPLUN_POOL`, else /var/lib/snaplun for root, else the user's data directory. */
export function defaultPool(environment: NodeJS.ProcessEnv, isRoot: boolean): string {
  const named = environment['SNAPLUN_POOL'];
  if (named !== undefined && named !== '') return named;
  if (isRoot) return '/var/lib/snaplun';
  const data = environment['XDG_DATA_HOME'];
  return join(data !== undefined && data !== '' ? data : join(homedir(), '.local', 'share'), 'snaplun');
}

/** `$SNAPLUN_ADMIN`, else admin.sock in the pool directory. */
export function defaultAdminSocket(environment: NodeJS.ProcessEnv, pool: string): string {
  const named = environment['SNAPLUN_ADMIN'];
  return named !== undefined && named !== '' ? named : join(pool, 'admin.sock');
}

/** Data space of a pool created without a size: thin, so it costs nothing until it is used. */
export const DEFAULT_POOL_BYTES = 1024 ** 4;
