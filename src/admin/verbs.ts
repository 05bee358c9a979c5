import type { StreamVerb, Verb } from './verb.ts';
import { ACCESS_VERBS } from './verbs/access.ts';
import { CONFIG_VERBS } from './verbs/config.ts';
import { LUN_VERBS } from './verbs/lun.ts';
import { POOL_VERBS } from './verbs/pool.ts';
import { SCHEDULE_VERBS } from './verbs/schedule.ts';
import { SCRUB_STREAM } from './verbs/scrub.ts';
import { SNAPSHOT_VERBS } from './verbs/snapshot.ts';
import { STREAM_VERBS } from './verbs/stream.ts';
import { TRAFFIC_VERBS } from './verbs/traffic.ts';

/** Everything that can be asked over the admin socket. */
export const ADMIN_VERBS: readonly Verb[] = [
  ...LUN_VERBS,
  ...SNAPSHOT_VERBS,
  ...SCHEDULE_VERBS,
  ...ACCESS_VERBS,
  ...POOL_VERBS,
  ...CONFIG_VERBS,
  ...TRAFFIC_VERBS,
];

/** Those that carry bytes besides. */
export const ADMIN_STREAM_VERBS: readonly StreamVerb[] = [...STREAM_VERBS, SCRUB_STREAM];
