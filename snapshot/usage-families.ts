/**
 * Which images have to be counted together: those that stand on one another or follow one another, with the
 * VLUNs and snapshots that read them. A family is a chain where every image has at most one over it and
 * nothing follows; its images fall into groups, each with one reader, the images below that no snapshot names
 * any more being part of the group above.
 */
import type { Catalogue, ImageObject, SnapshotObject, VlunObject } from './catalogue.ts';
import { type LayerSource, type Layers, layersOfImage, layersOfVlun } from './layers.ts';
import { POOL_BLOCK_BYTES } from './medium/medium.ts';

/** A VLUN or a snapshot. */
export interface Reader {
  readonly key: string;
  /** The first image it reads. */
  readonly image: number;
  readonly layers: () => Layers;
  /** It reads blocks below this one only. */
  readonly endBlock: number;
}

/** Images of a chain that are read together, the lowest first; all but the last are about to go into it. */
export interface Group {
  readonly reader: Reader;
  readonly images: readonly number[];
  /** A VLUN writes to the last of them. */
  readonly live: boolean;
}

export interface Family {
  /** Another string wherever the images, how they stand on one another, or their readers are others. */
  readonly signature: string;
  readonly images: readonly number[];
  readonly liveImages: readonly number[];
  readonly readers: readonly Reader[];
  /** The lowest first; undefined where it is no chain. */
  readonly chain: readonly Group[] | undefined;
}

export function vlunKey(id: number): string {
  return `vlun ${id}`;
}

export function snapshotKey(id: number): string {
  return `snapshot ${id}`;
}

/** The family of every VLUN and snapshot, by its key; with `chains` those that are chains are told apart. */
export function familiesOf(catalogue: Catalogue, { chains }: { chains: boolean }): Map<string, Family> {
  const images = [...catalogue.images.values()].filter(({ dropped }) => dropped !== true);
  const members = new Sets();
  for (const { id, base, via } of images) {
    for (const other of [base, via?.image]) if (other !== undefined) members.join(id, other);
  }
  for (const { live, tracks } of catalogue.vluns.values()) {
    const tracked = tracks === undefined ? undefined : catalogue.vluns.get(tracks);
    if (tracked !== undefined) members.join(live, tracked.live);
  }
  const readers = grouped(readersOf(catalogue), ({ image }) => members.of(image));
  const byMember = grouped(images, ({ id }) => members.of(id));
  const live = new Map([...catalogue.vluns.values()].map((vlun) => [vlun.live, vlun]));
  const found = new Map<string, Family>();
  for (const [member, ofFamily] of readers) {
    const counted = familyFrom(byMember.get(member) ?? [], ofFamily, live);
    const { signature } = counted;
    const family = chains ? counted : { ...counted, signature: `no chain: ${signature}`, chain: undefined };
    for (const { key } of ofFamily) found.set(key, family);
  }
  return found;
}

function readersOf(catalogue: Catalogue): Reader[] {
  const source: LayerSource = {
    vlun: (id) => catalogue.vluns.get(id),
    image: (id) => catalogue.images.get(id),
  };
  const ofVlun = ({ id, live, sizeBytes }: VlunObject): Reader => ({
    key: vlunKey(id),
    image: live,
    layers: () => layersOfVlun(source, id),
    endBlock: Math.ceil(sizeBytes / POOL_BLOCK_BYTES),
  });
  const ofSnapshot = ({ id, image, sizeBytes }: SnapshotObject): Reader => ({
    key: snapshotKey(id),
    image,
    layers: () => layersOfImage(source, image),
    endBlock: Math.ceil(sizeBytes / POOL_BLOCK_BYTES),
  });
  return [...[...catalogue.vluns.values()].map(ofVlun), ...[...catalogue.snapshots.values()].map(ofSnapshot)];
}

function familyFrom(
  images: readonly ImageObject[],
  readers: readonly Reader[],
  live: ReadonlyMap<number, VlunObject>,
): Family {
  const stands = images.map(({ id, base, baseEnd, via }) => {
    return `${id}<${base ?? ''}|${baseEnd ?? ''}|${via?.image ?? ''}|${via?.until ?? ''}`;
  });
  const tracks = images.map(({ id }) => live.get(id)).filter((vlun) => vlun?.tracks !== undefined);
  const follows = tracks.map((vlun) => `${vlun?.id}:${vlun?.tracks}:${vlun?.tracksUntil ?? ''}`);
  const named = readers.map(({ key, image, endBlock }) => `${key}=${image}:${endBlock}`);
  return {
    signature: [...stands, ...follows, ...named].join(),
    images: images.map(({ id }) => id),
    liveImages: images.filter(({ id }) => live.has(id)).map(({ id }) => id),
    readers,
    chain: tracks.length > 0 ? undefined : chainOf(images, readers, live),
  };
}

function chainOf(
  images: readonly ImageObject[],
  readers: readonly Reader[],
  live: ReadonlyMap<number, VlunObject>,
): readonly Group[] | undefined {
  const over = new Map<number | undefined, number>();
  for (const { id, base, baseEnd, via } of images) {
    if (via !== undefined || baseEnd !== undefined || over.has(base)) return undefined;
    over.set(base, id);
  }
  const byImage = new Map(readers.map((reader) => [reader.image, reader]));
  if (byImage.size < readers.length) return undefined;
  const groups: Group[] = [];
  let open: number[] = [];
  for (let id = over.get(undefined); id !== undefined; id = over.get(id)) {
    open.push(id);
    const reader = byImage.get(id);
    if (reader === undefined) continue;
    groups.push({ reader, images: open, live: live.has(id) });
    open = [];
  }
  return groups;
}

function grouped<T>(all: readonly T[], memberOf: (one: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const one of all) {
    const member = memberOf(one);
    const group = groups.get(member);
    if (group === undefined) groups.set(member, [one]);
    else group.push(one);
  }
  return groups;
}

/** Numbers that were joined, directly or through others, have the same representative. */
class Sets {
  readonly #above = new Map<number, number>();

  of(number: number): number {
    let at = number;
    for (let above = this.#above.get(at); above !== undefined; above = this.#above.get(at)) {
      const next = this.#above.get(above);
      if (next !== undefined) this.#above.set(at, next);
      at = above;
    }
    return at;
  }

  join(one: number, other: number): void {
    const [a, b] = [this.of(one), this.of(other)];
    if (a !== b) this.#above.set(a, b);
  }
}
