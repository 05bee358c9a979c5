/**
 * What a VLUN or a frozen image reads: an ordered list of images. A block is read from the first of them
 * that has an entry for it; where none has, it is zeroes.
 *
 *   frozen image   itself, then what it followed when it was frozen (`via`), then the layers of its base
 *   VLUN           its live image, then the layers of the VLUN it tracks up to the image that was frozen
 *                  together with its own base (all of them when it has no base), then the layers of its base
 *
 * So a tracking VLUN reads its own live entries, then what the VLUNs above wrote since the record that froze
 * its base, then that base (SYSTEM P13); and before any such record its own entries, then the other's (P3).
 *
 * The lists depend on the catalogue alone. `freeze` is the one place that moves live images: it freezes
 * those of the given VLUNs and of all VLUNs above them, each once, from the top down.
 */
import assert from 'node:assert';
import type { Draft, ImageObject, VlunObject } from './catalogue.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';

/** Where lists are read from: the catalogue, or a draft of it. */
export interface LayerSource {
  vlun(id: number): VlunObject | undefined;
  image(id: number): ImageObject | undefined;
}

/** Images in the order in which they are read. */
export interface Layers {
  readonly images: Int32Array;
  /** Where each of them ends: it is read below this pool block only. Undefined: nowhere, for all. */
  readonly ends: Float64Array | undefined;
}

const NOWHERE = Number.POSITIVE_INFINITY;

/** What a VLUN reads; the first image is its live one. */
export function layersOfVlun(source: LayerSource, vlun: number): Layers {
  const list = new LayerList();
  appendVlun(source, { vlun, list, end: NOWHERE });
  return list.layers();
}

/** What a frozen image reads; the first image is itself. */
export function layersOfImage(source: LayerSource, image: number): Layers {
  const list = new LayerList();
  appendImage(source, { image, list, end: NOWHERE });
  return list.layers();
}

class LayerList {
  readonly #images: number[] = [];
  readonly #ends: number[] = [];
  #bounded = false;

  push(image: number, end: number): void {
    this.#images.push(image);
    this.#ends.push(end);
    if (end !== NOWHERE) this.#bounded = true;
  }

  layers(): Layers {
    const ends = this.#bounded ? Float64Array.from(this.#ends) : undefined;
    return { images: Int32Array.from(this.#images), ends };
  }
}

interface Walk {
  readonly list: LayerList;
  readonly until?: number | undefined;
  readonly end: number;
}

function appendVlun(source: LayerSource, walk: Walk & { readonly vlun: number }): void {
  const { vlun: id, list, until, end } = walk;
  const vlun = source.vlun(id);
  assert(vlun, `VLUN ${id} exists`);
  const live = imageOf(source, vlun.live);
  list.push(live.id, end);
  if (vlun.tracks !== undefined) {
    appendVlun(source, { vlun: vlun.tracks, until: vlun.tracksUntil, list, end });
  }
  appendImage(source, { image: live.base, until, list, end: Math.min(end, live.baseEnd ?? NOWHERE) });
}

function appendImage(source: LayerSource, walk: Walk & { readonly image: number | undefined }): void {
  const { list, until } = walk;
  let { image: id, end } = walk;
  while (id !== undefined && id !== until) {
    const image = imageOf(source, id);
    list.push(id, end);
    if (image.via !== undefined) appendImage(source, { ...image.via, list, end });
    end = Math.min(end, image.baseEnd ?? NOWHERE);
    id = image.base;
  }
}

function imageOf(source: LayerSource, id: number): ImageObject {
  const image = source.image(id);
  assert(image, `image ${id} exists`);
  return image;
}

/**
 * Freezes the live images of these VLUNs and of every VLUN above them (P13), and gives each an empty live
 * image over the frozen one. Returns the frozen image of every VLUN that got a new one.
 */
export function freeze(draft: Draft, vluns: readonly number[]): Map<number, number> {
  const frozen = new Map<number, number>();
  for (const vlun of vluns) freezeUpwards(draft, vlun, frozen);
  return frozen;
}

function freezeUpwards(draft: Draft, id: number, frozen: Map<number, number>): number {
  const already = frozen.get(id);
  if (already !== undefined) return already;
  const vlun = draft.vlun(id);
  const above = vlun.tracks === undefined ? undefined : freezeUpwards(draft, vlun.tracks, frozen);
  const image = draft.image(vlun.live);
  draft.putImage({ ...image, frozen: true, ...(above !== undefined && { via: viaOf(above, vlun) }) });
  const live = draft.next('image');
  draft.putImage({ id: live, base: image.id, frozen: false });
  draft.putVlun({ ...vlun, live, ...(above !== undefined && { tracksUntil: above }) });
  frozen.set(id, image.id);
  return image.id;
}

/**
 * The image of a VLUN that is read like this frozen one, and past this size as zeroes, whatever lies below.
 */
export function imageOver(draft: Draft, base: number, sizeBytes: number): ImageObject {
  const source: LayerSource = { vlun: () => undefined, image: (id) => draft.image(id) };
  const followed = [...layersOfImage(source, base).images].some((id) => draft.image(id).via !== undefined);
  const baseEnd = Math.ceil(sizeBytes / POOL_BLOCK_BYTES);
  return { id: draft.next('image'), base, frozen: false, ...(followed && { baseEnd }) };
}

function viaOf(above: number, vlun: VlunObject): NonNullable<ImageObject['via']> {
  return vlun.tracksUntil === undefined ? { image: above } : { image: above, until: vlun.tracksUntil };
}

/**
 * Ends the tracking of these VLUNs (P12): each keeps exactly what it reads at this moment, and follows no
 * more. Past its end there is nothing any more, for it and for those below, whose own bases may hold what a
 * larger VLUN above once had there (P15).
 */
export function detach(draft: Draft, ids: readonly number[]): void {
  const trackers = trackersOf(draft);
  const ends = new Map<number, number>();
  for (const id of ids) ends.set(id, endOf(draft.vlun(id)));
  for (const [id, end] of ends) {
    for (const tracker of trackers.get(id) ?? []) ends.set(tracker.id, Math.max(end, endOf(tracker)));
  }
  freeze(draft, [...ends.keys()]);
  for (const id of ids) {
    const { tracks, tracksUntil, ...vlun } = draft.vlun(id);
    assert(tracks !== undefined, 'a VLUN that is released tracks another');
    assert(tracksUntil !== undefined, 'freezing noted where the following began');
    draft.putVlun(vlun);
  }
  for (const [id, baseEnd] of ends) draft.putImage({ ...draft.image(draft.vlun(id).live), baseEnd });
}

/** The pool block past which nothing of a VLUN is seen. */
function endOf({ sizeBytes }: VlunObject): number {
  return Math.ceil(sizeBytes / POOL_BLOCK_BYTES);
}

function trackersOf(draft: Draft): Map<number, VlunObject[]> {
  const trackers = new Map<number, VlunObject[]>();
  for (const vlun of draft.vluns()) {
    if (vlun.tracks === undefined) continue;
    const present = trackers.get(vlun.tracks);
    if (present === undefined) trackers.set(vlun.tracks, [vlun]);
    else present.push(vlun);
  }
  return trackers;
}

/**
 * Marks the images dropped that no VLUN and no snapshot reads through. Returns their numbers. An image that
 * is read, but always with an end before its base, loses a base that is dropped, and the end with it. Cost:
 * one step per image that is still read.
 */
export function dropUnread(draft: Draft): number[] {
  const images = new Map(draft.images().map((image) => [image.id, image]));
  const vluns = new Map(draft.vluns().map((vlun) => [vlun.id, vlun]));
  const source: LayerSource = { vlun: (id) => vluns.get(id), image: (id) => images.get(id) };
  const read = new ReadImages(source);
  for (const vlun of vluns.values()) read.addVlun(vlun.id);
  for (const snapshot of draft.snapshots()) read.addImage(snapshot.image);
  const unread = [...images.values()].filter((image) => !read.has(image.id) && image.dropped !== true);
  for (const image of unread) draft.putImage({ ...image, frozen: true, dropped: true });
  const gone = new Set(unread.map((image) => image.id));
  for (const image of images.values()) if (read.has(image.id)) forgetGone(draft, image, gone);
  return [...gone];
}

function forgetGone(draft: Draft, image: ImageObject, gone: ReadonlySet<number>): void {
  const { base, baseEnd, via, ...rest } = image;
  const baseGone = base !== undefined && gone.has(base);
  const untilGone = via?.until !== undefined && gone.has(via.until);
  if (!baseGone && !untilGone) return;
  draft.putImage({
    ...rest,
    ...(base !== undefined && !baseGone && { base }),
    ...(baseEnd !== undefined && !baseGone && { baseEnd }),
    ...(via !== undefined && { via: untilGone ? { image: via.image } : via }),
  });
}

/** The images that are read; each way down (an image, with where to stop) is walked once. */
class ReadImages {
  readonly #source: LayerSource;
  readonly #walked = new Set<string>();
  readonly #read = new Set<number>();

  constructor(source: LayerSource) {
    this.#source = source;
  }

  has(image: number): boolean {
    return this.#read.has(image);
  }

  addVlun(id: number, until?: number): void {
    const vlun = this.#source.vlun(id);
    assert(vlun, `VLUN ${id} exists`);
    this.#read.add(vlun.live);
    if (vlun.tracks !== undefined) this.addVlun(vlun.tracks, vlun.tracksUntil);
    this.addImage(imageOf(this.#source, vlun.live).base, until);
  }

  addImage(first: number | undefined, until?: number): void {
    let id = first;
    while (id !== undefined && id !== until) {
      const way = `${id} ${until ?? ''}`;
      if (this.#walked.has(way)) return;
      this.#walked.add(way);
      const image = imageOf(this.#source, id);
      this.#read.add(id);
      if (image.via !== undefined) this.addImage(image.via.image, image.via.until);
      id = image.base;
    }
  }
}
