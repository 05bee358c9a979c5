/**
 * A VLUN that nobody sees while something is brought together in it (stream-import.ts), and the one record
 * that puts it in its place: as a new VLUN, or as the contents of one that is at the snapshot it was begun
 * from. What an ended process left behind is deleted at the next opening.
 */
import { OperatorError } from '../lun/errors.ts';
import type { Draft, SnapshotObject, VlunObject } from './catalogue.ts';
import { dropUnread, freeze, imageOver } from './layers.ts';
import type { AdoptRequest, StageRequest } from './pool-types.ts';
import { checkName, checkSize, newVlunName, STAGING_PREFIX, snapshotNamed, vlunNamed } from './requests.ts';
import { replaceContents } from './rollback.ts';

/** Whether an image stores nothing. */
type IsEmpty = (image: number) => boolean;

export function isStaging({ name }: { readonly name: string }): boolean {
  return name.startsWith(STAGING_PREFIX);
}

export function stage(
  draft: Draft,
  request: StageRequest,
  from: { nowMs: number; isEmpty: IsEmpty },
): VlunObject {
  checkSize(request.sizeBytes, request.blockBytes);
  const { base } = request;
  const origin = base === undefined ? undefined : atSnapshot(draft, base, from.isEmpty);
  const live =
    origin === undefined
      ? { id: draft.next('image'), frozen: false }
      : imageOver(draft, origin.image, origin.sizeBytes);
  draft.putImage(live);
  const id = draft.next('vlun');
  const vlun: VlunObject = {
    id,
    name: `${STAGING_PREFIX}${id}`,
    identity: draft.next('identity'),
    sizeBytes: origin?.sizeBytes ?? request.sizeBytes,
    blockBytes: origin?.blockBytes ?? request.blockBytes,
    readOnly: false,
    removable: false,
    writeCache: true,
    createdAtMs: from.nowMs,
    live: live.id,
  };
  draft.putVlun(vlun);
  return vlun;
}

/** Returns the VLUNs that read something else now. */
export function adopt(draft: Draft, request: AdoptRequest, isEmpty: IsEmpty): VlunObject[] {
  checkName(request.snapshot, 'snapshot');
  const staged = vlunNamed(draft, request.staging);
  const image = freeze(draft, [staged.id]).get(staged.id) as number;
  const changed = takePlace(draft, request, { staged: draft.vlun(staged.id), image, isEmpty });
  const [vlun] = changed as [VlunObject];
  if (draft.snapshotNamed(vlun.id, request.snapshot) !== undefined) {
    throw new OperatorError('exists', `There is a snapshot '${vlun.name}@${request.snapshot}' already.`);
  }
  draft.putSnapshot({
    id: draft.next('snapshot'),
    vlun: vlun.id,
    name: request.snapshot,
    image,
    identity: draft.next('identity'),
    sizeBytes: vlun.sizeBytes,
    blockBytes: vlun.blockBytes,
    createdAtMs: request.createdAtMs,
    origin: request.origin,
  });
  dropUnread(draft);
  return changed;
}

function takePlace(
  draft: Draft,
  { name, base }: AdoptRequest,
  from: { readonly staged: VlunObject; readonly image: number; readonly isEmpty: IsEmpty },
): VlunObject[] {
  const { staged, image, isEmpty } = from;
  if (base === undefined) {
    newVlunName(draft, name);
    const made = { ...staged, name };
    draft.putVlun(made);
    return [made];
  }
  atSnapshot(draft, { vlun: name, snapshot: base }, isEmpty);
  draft.removeVlun(staged.id);
  return replaceContents(draft, vlunNamed(draft, name), { image, sizeBytes: staged.sizeBytes });
}

/** The snapshot, of a VLUN that is as it was then. */
function atSnapshot(
  draft: Draft,
  base: { readonly vlun: string; readonly snapshot: string },
  isEmpty: IsEmpty,
): SnapshotObject {
  const vlun = vlunNamed(draft, base.vlun);
  const snapshot = snapshotNamed(draft, vlun, base.snapshot);
  const same = draft.image(vlun.live).base === snapshot.image && isEmpty(vlun.live);
  if (same && vlun.tracks === undefined && vlun.sizeBytes === snapshot.sizeBytes) return snapshot;
  const label = `${base.vlun}@${base.snapshot}`;
  throw new OperatorError(
    'changed',
    `'${base.vlun}' is not at ${label} any more; \`snaplun snapshot rollback ${label}\` takes it there. Nothing was changed.`,
  );
}
