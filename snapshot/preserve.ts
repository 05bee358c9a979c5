/**
 * `preserve` (P2): a second VLUN that tracks a first one live. Its image is empty and stands over nothing:
 * what it has no entry for, it reads through the VLUN it tracks. Nothing is copied; the cost is one record.
 * Commands to the first VLUN run on: those already in the pipeline come before the record, the others after
 * it, and the second VLUN follows both (P1, P9).
 */
import type { Draft, VlunObject } from './catalogue.ts';
import type { PreserveRequest } from './pool-types.ts';
import { newVlunName, vlunNamed } from './requests.ts';

export function preserve(draft: Draft, request: PreserveRequest, nowMs: number): VlunObject {
  const tracked = vlunNamed(draft, request.name);
  newVlunName(draft, request.newName);
  const live = draft.next('image');
  draft.putImage({ id: live, frozen: false });
  const vlun: VlunObject = {
    id: draft.next('vlun'),
    name: request.newName,
    identity: draft.next('identity'),
    sizeBytes: tracked.sizeBytes,
    blockBytes: tracked.blockBytes,
    readOnly: false,
    removable: tracked.removable,
    writeCache: tracked.writeCache,
    createdAtMs: nowMs,
    live,
    tracks: tracked.id,
  };
  draft.putVlun(vlun);
  return vlun;
}
