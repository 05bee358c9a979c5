/** Targets that nothing guards, where more than this machine reaches them. */
import type { Log } from '../log.ts';
import { isLoopback } from '../shell/portal.ts';
import type { Targets } from './targets.ts';

export interface Exposure {
  readonly targets: Targets;
  /** Where the server listens: HOST:PORT each. */
  readonly portals: readonly string[];
  readonly log: Log;
}

/** One warning for each target with neither CHAP nor an access list, if a portal is beyond loopback. */
export function warnOfOpenTargets({ targets, portals, log }: Exposure): void {
  const beyond = portals.filter((portal) => !isLoopback(portal));
  if (beyond.length === 0) return;
  for (const { name } of targets.list()) {
    const { chapInbound, allowedInitiators, redirect } = targets.document(name);
    if (chapInbound !== undefined || allowedInitiators !== undefined || redirect !== undefined) continue;
    log.warn(
      'whoever reaches this portal may read and write every LUN: no CHAP and no access list; see `snaplun chap set` and `snaplun initiator allow`',
      { event: 'target-open', target: name, portals: beyond.join(', ') },
    );
  }
}
