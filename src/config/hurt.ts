/** Whom a configuration takes something from: initiators that are logged in, and LUNs that track one. */
import type { AdminContext } from '../admin/verb.ts';
import type { DeclaredTarget } from './configuration.ts';
import type { WholeConfiguration } from './present.ts';

/** In words, each once. */
export function hurtBy(
  { hub }: AdminContext,
  present: WholeConfiguration,
  wanted: WholeConfiguration,
): readonly string[] {
  const hurt: string[] = [];
  for (const [name, target] of present.targets) {
    const lost = lostBy(target, wanted.targets.get(name));
    if (lost === undefined) continue;
    const who = [...new Set(hub.sessionsOf(name).map(({ facts }) => facts.initiatorName))].sort();
    if (who.length > 0) hurt.push(`${who.join(', ')} (logged in to ${name}, which loses ${lost})`);
  }
  for (const [name, lun] of present.luns) {
    const { tracks } = lun;
    if (tracks === undefined || wanted.luns.has(tracks) || !wanted.luns.has(name)) continue;
    hurt.push(`${name} (tracking ${tracks}, which is deleted)`);
  }
  return hurt;
}

function lostBy(before: DeclaredTarget, after: DeclaredTarget | undefined): string | undefined {
  if (after === undefined) return 'everything: it is deleted';
  const lost = [...before.luns].filter(([lun, reference]) => after.luns.get(lun) !== reference);
  return lost.length === 0
    ? undefined
    : lost.map(([lun, reference]) => `LUN ${lun}, ${reference}`).join('; ');
}

/** Ends the sessions of those who may no longer log in, as the verbs for one of them do. */
export function dropLockedOut(
  { hub }: AdminContext,
  present: WholeConfiguration,
  wanted: WholeConfiguration,
): void {
  for (const name of present.targets.keys()) {
    const target = wanted.targets.get(name);
    for (const { facts, connection } of hub.sessionsOf(name)) {
      const { initiatorName } = facts;
      const why =
        target === undefined
          ? 'the target was deleted'
          : target.initiators?.has(initiatorName) === false
            ? 'the initiator was denied'
            : undefined;
      if (why !== undefined) connection.feed({ type: 'drop', why });
    }
  }
}
