/** What would pull data from under somebody names them and wants --force. */
import { OperatorError } from '../../../lun/errors.ts';
import { type LunReference, referenceText } from '../../targets/documents.ts';
import type { AdminContext } from '../verb.ts';

/** Initiators that are logged in to a target that shows this, by name, each once. */
export function initiatorsOf(context: AdminContext, reference: LunReference): readonly string[] {
  const names = new Set<string>();
  for (const { target } of context.targets.mappings(reference)) {
    for (const session of context.hub.sessionsOf(target)) names.add(session.facts.initiatorName);
  }
  return [...names].sort();
}

/** Refuses unless `force`, naming the initiators and trackers that the step would hurt. */
export function guard(
  context: AdminContext,
  what: string,
  references: readonly LunReference[],
  options: { readonly force: boolean | undefined; readonly trackers?: readonly string[] },
): void {
  if (options.force === true) return;
  const hurt: string[] = [];
  for (const reference of references) {
    const initiators = initiatorsOf(context, reference);
    if (initiators.length > 0)
      hurt.push(`${initiators.join(', ')} (logged in to ${referenceText(reference)})`);
  }
  if (options.trackers !== undefined && options.trackers.length > 0) {
    hurt.push(`${options.trackers.join(', ')} (tracking it)`);
  }
  if (hurt.length === 0) return;
  throw new OperatorError('needs-force', `to ${what} would hurt ${hurt.join(' and ')}; add --force to go on`);
}
