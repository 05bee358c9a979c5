/**
 * `snapshot clone`: a writable VLUN whose empty live image stands over the snapshot's frozen one. One record.
 */
import type { Draft, VlunObject } from './catalogue.ts';
import { imageOver } from './layers.ts';
import type { CloneRequest } from './pool-types.ts';
import { newVlunName, snapshotNamed, vlunNamed } from './requests.ts';

export function clone(draft: Draft, request: CloneRequest, nowMs: number): VlunObject {
  const origin = vlunNamed(draft, request.vlun);
  const snapshot = snapshotNamed(draft, origin, request.snapshot);
  newVlunName(draft, request.newName);
  const live = imageOver(draft, snapshot.image, snapshot.sizeBytes);
  draft.putImage(live);
  const vlun: VlunObject = {
    id: draft.next('vlun'),
    name: request.newName,
    identity: draft.next('identity'),
    sizeBytes: snapshot.sizeBytes,
    blockBytes: snapshot.blockBytes,
    readOnly: false,
    removable: origin.removable,
    writeCache: origin.writeCache,
    createdAtMs: nowMs,
    live: live.id,
    parent: `${request.vlun}@${request.snapshot}`,
  };
  draft.putVlun(vlun);
  return vlun;
}
