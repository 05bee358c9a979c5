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

/** Where lists are read from: the catalogue, or a draft of it. */
export interface LayerSource {
  vlun(id: number): VlunObject | undefined;
  image(id: number): ImageObject | undefined;
}

/** The images a VLUN reads, in order; the first is its live image. */
export function layersOfVlun(source: LayerSource, vlun: number): Int32Array {
  const layers: number[] = [];
  appendVlun(source, { vlun, layers });
  return Int32Array.from(layers);
}

/** The images a frozen image reads, in order; the first is itself. */
export function layersOfImage(source: LayerSource, image: number): Int32Array {
  const layers: number[] = [];
  appendImage(source, { image, layers });
  return Int32Array.from(layers);
}

interface Walk {
  readonly layers: number[];
  readonly until?: number | undefined;
}

function appendVlun(source: LayerSource, walk: Walk & { readonly vlun: number }): void {
  const { vlun: id, layers, until } = walk;
  const vlun = source.vlun(id);
  assert(vlun, `VLUN ${id} exists`);
  layers.push(vlun.live);
  if (vlun.tracks !== undefined) appendVlun(source, { vlun: vlun.tracks, until: vlun.tracksUntil, layers });
  appendImage(source, { image: imageOf(source, vlun.live).base, until, layers });
}

function appendImage(source: LayerSource, walk: Walk & { readonly image: number | undefined }): void {
  const { layers, until } = walk;
  let id = walk.image;
  while (id !== undefined && id !== until) {
    const image = imageOf(source, id);
    layers.push(id);
    if (image.via !== undefined) appendImage(source, { ...image.via, layers });
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

function viaOf(above: number, vlun: VlunObject): NonNullable<ImageObject['via']> {
  return vlun.tracksUntil === undefined ? { image: above } : { image: above, until: vlun.tracksUntil };
}

/** Ends the tracking of these VLUNs (P12): each keeps exactly what it reads at this moment, and follows no more. */
export function detach(draft: Draft, ids: readonly number[]): void {
  freeze(draft, ids);
  for (const id of ids) {
    const { tracks, tracksUntil, ...vlun } = draft.vlun(id);
    assert(tracks !== undefined, 'a VLUN that is released tracks another');
    assert(tracksUntil !== undefined, 'freezing noted where the following began');
    draft.putVlun(vlun);
  }
}

/**
 * Marks the images dropped that no VLUN and no snapshot reads through. Returns their numbers.
 * Cost: one step per image that is still read.
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
  return unread.map((image) => image.id);
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
