/**
 * `snapshot rollback`: a VLUN reads what it read when the snapshot was taken. Its live image becomes a new
 * empty one over the snapshot's frozen image; what was in the old one is given back in the background.
 * Nothing is copied, identity and sessions stay, and so do the snapshots taken since. One record.
 *
 * It counts as a write of every block (P14). The VLUNs that track this one follow: each gets an empty live
 * image over nothing, so that it reads what it tracks, whole. Where this VLUN itself tracks another it goes
 * on doing so from this moment: the live images above are frozen in the same record, and it follows what is
 * written after it.
 *
 * Like any write it holds the range lock of its family, here of all blocks: a command that has read in order
 * to write (part of a block, COMPARE AND WRITE) never mixes what was before with what is after.
 */
import assert from 'node:assert';
import type { Draft, VlunObject } from './catalogue.ts';
import { dropUnread, freeze, imageOver } from './layers.ts';
import { snapshotNamed, vlunNamed } from './requests.ts';

export interface RollbackTarget {
  readonly vlun: string;
  readonly snapshot: string;
}

/** What a VLUN is to read from now on. */
export interface Contents {
  /** A frozen image. */
  readonly image: number;
  readonly sizeBytes: number;
}

/** Returns the VLUNs that read something else now: the one rolled back first, then those that track it. */
export function rollback(draft: Draft, request: RollbackTarget): VlunObject[] {
  const vlun = vlunNamed(draft, request.vlun);
  const changed = replaceContents(draft, vlun, snapshotNamed(draft, vlun, request.snapshot));
  dropUnread(draft);
  return changed;
}

/** The VLUN reads this frozen image; what it read before is left to `dropUnread`. */
export function replaceContents(draft: Draft, vlun: VlunObject, contents: Contents): VlunObject[] {
  const live = imageOver(draft, contents.image, contents.sizeBytes);
  draft.putImage(live);
  const { tracks } = vlun;
  const tracksUntil = tracks === undefined ? undefined : freeze(draft, [tracks]).get(tracks);
  const replaced = {
    ...draft.vlun(vlun.id),
    sizeBytes: contents.sizeBytes,
    live: live.id,
    ...(tracksUntil !== undefined && { tracksUntil }),
  };
  draft.putVlun(replaced);
  return [replaced, ...followersOf(draft, vlun.id).map((follower) => follow(draft, follower))];
}

/** The VLUNs below, however far. */
function followersOf(draft: Draft, id: number): VlunObject[] {
  const vluns = draft.vluns();
  const found = vluns.filter(({ tracks }) => tracks === id);
  for (let i = 0; i < found.length; i += 1) {
    found.push(...vluns.filter(({ tracks }) => tracks === (found[i] as VlunObject).id));
  }
  return found;
}

function follow(draft: Draft, follower: VlunObject): VlunObject {
  const { tracksUntil: _before, ...vlun } = follower;
  assert(vlun.tracks !== undefined, 'what follows tracks a VLUN');
  const live = draft.next('image');
  draft.putImage({ id: live, frozen: false });
  const followed = { ...vlun, live };
  draft.putVlun(followed);
  return followed;
}
