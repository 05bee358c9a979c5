/**
 * What becomes of frozen images that no snapshot names any more. One that is the base of a single image, and
 * is mentioned nowhere else, is merged into that image. One that is the base of several, or that marks where
 * a following ends, stays hidden, and loses the entries that all images over it override.
 *
 *   layers before   C, X, what X follows, the base of X      X hidden, C its only child
 *   layers after    C and X in one, what X follows, the base of X
 *
 * For that, nothing may be read between C and X: C follows nothing, and is no live image of a VLUN that
 * tracks. The entries go over page by page, each entry of X to C unless C has one of its own; whoever reads
 * through C reads the same before, meanwhile and after. What C does not read, past its `baseEnd`, is given
 * back.
 */
import type { ImageObject, SnapshotObject, VlunObject } from './catalogue.ts';

export interface Relatives {
  images(): Iterable<ImageObject>;
  vluns(): Iterable<VlunObject>;
  snapshots(): Iterable<SnapshotObject>;
}

/** A hidden image with the images that stand over it. */
export interface HiddenImage {
  readonly image: ImageObject;
  readonly children: readonly ImageObject[];
}

export class ImageRelations {
  /** To be merged into the only child. */
  readonly merges = new Map<number, HiddenImage>();
  /** To be swept. */
  readonly sweeps = new Map<number, HiddenImage>();
  /** Some list of images is read in which one follows another VLUN. */
  readonly following: boolean;
  readonly #children = new Map<number, ImageObject[]>();
  /** Read or written by themselves, or followed. */
  readonly #named = new Set<number>();
  /** Ends of a following. */
  readonly #ends = new Set<number>();
  /** Live images of VLUNs that track another. */
  readonly #tracking = new Set<number>();

  constructor(from: Relatives) {
    for (const { image } of from.snapshots()) this.#named.add(image);
    for (const vlun of from.vluns()) this.#addVlun(vlun);
    let following = this.#tracking.size > 0;
    const images = [...from.images()].filter(({ dropped }) => dropped !== true);
    for (const image of images) {
      this.#addImage(image);
      following ||= image.via !== undefined;
    }
    this.following = following;
    for (const image of images) this.#judge(image);
  }

  /** The next merge: one whose child is not itself about to go, so that each entry moves once. */
  nextMerge(but: ReadonlySet<number>): HiddenImage | undefined {
    for (const merge of this.merges.values()) {
      const [child] = merge.children;
      if (child !== undefined && !this.merges.has(child.id) && !but.has(merge.image.id)) return merge;
    }
    return undefined;
  }

  /** Where this image is merged to at the moment. */
  mergesInto(image: number, child: number): boolean {
    return this.merges.get(image)?.children[0]?.id === child;
  }

  #addVlun(vlun: VlunObject): void {
    this.#named.add(vlun.live);
    if (vlun.tracks !== undefined) this.#tracking.add(vlun.live);
    if (vlun.tracksUntil !== undefined) this.#ends.add(vlun.tracksUntil);
  }

  #addImage(image: ImageObject): void {
    const { base, via } = image;
    if (via !== undefined) this.#named.add(via.image);
    if (via?.until !== undefined) this.#ends.add(via.until);
    if (base === undefined) return;
    const children = this.#children.get(base);
    if (children === undefined) this.#children.set(base, [image]);
    else children.push(image);
  }

  #judge(image: ImageObject): void {
    if (this.#named.has(image.id)) return;
    const children = this.#children.get(image.id) ?? [];
    const [only] = children;
    if (only === undefined) return;
    const hidden = { image, children };
    if (children.length === 1 && !this.#ends.has(image.id) && this.#takes(only, image)) {
      this.merges.set(image.id, hidden);
    } else {
      this.sweeps.set(image.id, hidden);
    }
  }

  #takes(child: ImageObject, image: ImageObject): boolean {
    if (child.via !== undefined || this.#tracking.has(child.id)) return false;
    return image.via === undefined || (child.frozen && child.baseEnd === undefined);
  }
}

/** The child as it is when the image below it has gone into it. */
export function mergedChild({ image, children }: HiddenImage): ImageObject {
  const { base: _image, baseEnd, ...child } = children[0] as ImageObject;
  const end = Math.min(baseEnd ?? Number.POSITIVE_INFINITY, image.baseEnd ?? Number.POSITIVE_INFINITY);
  return {
    ...child,
    ...(image.base !== undefined && { base: image.base }),
    ...(image.base !== undefined && Number.isFinite(end) && { baseEnd: end }),
    ...(image.via !== undefined && { via: image.via }),
  };
}
