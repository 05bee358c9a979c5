/**
 * `snapshot create`: freezes the live image of a VLUN and gives it a new one over that; of a tracking VLUN
 * the live images of all VLUNs above it too (P13). Several VLUNs are one record, hence one point of the
 * journal: a consistency group. VLUNs that track one of them go on tracking it.
 */
import { OperatorError } from '../lun/errors.ts';
import type { Draft, SnapshotObject } from './catalogue.ts';
import { freeze } from './layers.ts';
import type { SnapshotTarget } from './pool-types.ts';
import { checkName, vlunNamed } from './requests.ts';

export function createSnapshots(
  draft: Draft,
  targets: readonly SnapshotTarget[],
  of: { readonly nowMs: number; readonly schedule?: string | undefined },
): SnapshotObject[] {
  if (targets.length === 0) throw new OperatorError('not-found', 'No VLUN was named.');
  const vluns = targets.map(({ vlun: name, snapshot }) => {
    checkName(snapshot, 'snapshot');
    const vlun = vlunNamed(draft, name);
    if (draft.snapshotNamed(vlun.id, snapshot) !== undefined) {
      throw new OperatorError('exists', `There is a snapshot '${name}@${snapshot}' already.`);
    }
    return vlun;
  });
  const twice = vluns.find((vlun, at) => vluns.indexOf(vlun) !== at);
  if (twice !== undefined) throw new OperatorError('duplicate', `'${twice.name}' is named twice.`);
  const frozen = freeze(
    draft,
    vluns.map(({ id }) => id),
  );
  return vluns.map((vlun, at) => {
    const snapshot: SnapshotObject = {
      id: draft.next('snapshot'),
      vlun: vlun.id,
      name: (targets[at] as SnapshotTarget).snapshot,
      image: frozen.get(vlun.id) as number,
      identity: draft.next('identity'),
      sizeBytes: vlun.sizeBytes,
      blockBytes: vlun.blockBytes,
      createdAtMs: of.nowMs,
      ...(of.schedule !== undefined && { schedule: of.schedule }),
    };
    draft.putSnapshot(snapshot);
    return snapshot;
  });
}
