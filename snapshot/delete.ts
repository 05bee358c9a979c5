/**
 * `lun delete` and `snapshot delete`: one record takes the object out and marks the images dropped that
 * nothing reads any more; the background gives their blocks back. Clones keep what they read, so nothing is
 * refused because of them. The VLUNs that track a deleted one are released first, in the same record (P14).
 */
import { OperatorError } from '../lun/errors.ts';
import type { Draft } from './catalogue.ts';
import { detach, dropUnread } from './layers.ts';
import type { DeleteVlunRequest } from './pool-types.ts';
import { unitDocuments } from './pool-unit.ts';
import { snapshotNamed, vlunNamed } from './requests.ts';

export function deleteVlun(draft: Draft, request: DeleteVlunRequest, documentNames: readonly string[]): void {
  const vlun = vlunNamed(draft, request.name);
  const snapshots = draft.snapshots().filter((snapshot) => snapshot.vlun === vlun.id);
  if (snapshots.length > 0 && request.withSnapshots !== true) {
    throw new OperatorError(
      'has-snapshots',
      `The VLUN '${request.name}' has snapshots: ${snapshots.map(({ name }) => name).join(', ')}. Delete them with it, or first.`,
    );
  }
  const trackers = draft.vluns().filter(({ tracks }) => tracks === vlun.id);
  detach(
    draft,
    trackers.map(({ id }) => id),
  );
  for (const { id } of snapshots) {
    draft.removeSnapshot(id);
    removeDocuments(draft, unitDocuments(`snapshot/${id}`), documentNames);
  }
  draft.removeVlun(vlun.id);
  removeDocuments(draft, unitDocuments(`vlun/${vlun.id}`), documentNames);
  dropUnread(draft);
}

export function deleteSnapshot(
  draft: Draft,
  request: { readonly vlun: string; readonly snapshot: string },
  documentNames: readonly string[],
): void {
  const snapshot = snapshotNamed(draft, vlunNamed(draft, request.vlun), request.snapshot);
  draft.removeSnapshot(snapshot.id);
  removeDocuments(draft, unitDocuments(`snapshot/${snapshot.id}`), documentNames);
  dropUnread(draft);
}

function removeDocuments(draft: Draft, prefix: string, names: readonly string[]): void {
  for (const name of names) if (name.startsWith(prefix)) draft.putDocuments({ [name]: undefined });
}
