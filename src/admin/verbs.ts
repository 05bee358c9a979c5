import type { Verb } from './verb.ts';
import { ACCESS_VERBS } from './verbs/access.ts';
import { LUN_VERBS } from './verbs/lun.ts';
import { POOL_VERBS } from './verbs/pool.ts';
import { SNAPSHOT_VERBS } from './verbs/snapshot.ts';

/** Everything that can be asked over the admin socket. */
export const ADMIN_VERBS: readonly Verb[] = [...LUN_VERBS, ...SNAPSHOT_VERBS, ...ACCESS_VERBS, ...POOL_VERBS];
