/**
 * The catalogue as the check reads it: objects, changes of them, who reads which image, and what must hold of
 * all that.
 */
import type { Findings, Invariant } from './check-report.ts';

export interface CheckedVlun {
  readonly id: number;
  readonly name: string;
  readonly identity: number;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly live: number;
  readonly tracks?: number;
  readonly tracksUntil?: number;
}

export interface CheckedImage {
  readonly id: number;
  readonly base?: number;
  readonly baseEnd?: number;
  readonly via?: { readonly image: number; readonly until?: number };
  readonly frozen: boolean;
  readonly dropped?: boolean;
}

export interface CheckedSnapshot {
  readonly id: number;
  readonly vlun: number;
  readonly name: string;
  readonly identity: number;
  readonly image: number;
}

export interface CheckedCounters {
  readonly vlun: number;
  readonly image: number;
  readonly snapshot: number;
  readonly identity: number;
}

type Changes<T> = ReadonlyArray<readonly [number, T | null]>;

/** A structure record: after-images of what it changed; null removes. */
export interface CheckedChange {
  readonly counters: CheckedCounters | undefined;
  readonly vluns: Changes<CheckedVlun>;
  readonly images: Changes<CheckedImage>;
  readonly snapshots: Changes<CheckedSnapshot>;
  readonly documents: ReadonlyArray<readonly [string, unknown] | readonly [string]>;
}

/** The change in the JSON of a structure record. */
export function readChange(json: unknown): CheckedChange {
  const change = (typeof json === 'object' && json !== null ? json : {}) as Partial<CheckedChange>;
  const { counters, vluns = [], images = [], snapshots = [], documents = [] } = change;
  return { counters, vluns, images, snapshots, documents };
}

const NAME = /^[A-Za-z0-9._-]{1,64}$/;

export class CheckedCatalogue {
  counters: CheckedCounters = { vlun: 1, image: 1, snapshot: 1, identity: 1 };
  readonly vluns = new Map<number, CheckedVlun>();
  readonly images = new Map<number, CheckedImage>();
  readonly snapshots = new Map<number, CheckedSnapshot>();
  readonly documents = new Map<string, unknown>();

  apply(change: CheckedChange): void {
    this.counters = change.counters ?? this.counters;
    put(this.vluns, change.vluns);
    put(this.images, change.images);
    put(this.snapshots, change.snapshots);
    for (const [name, value] of change.documents) {
      if (value === undefined) this.documents.delete(name);
      else this.documents.set(name, value);
    }
  }

  /** The VLUNs that track this one, and those that track them; each once, even where they go in a circle. */
  below(vlun: number): CheckedVlun[] {
    const found: CheckedVlun[] = [];
    this.#collectTrackers(vlun, found);
    for (let i = 0; i < found.length; i += 1) this.#collectTrackers((found[i] as CheckedVlun).id, found);
    return found;
  }

  #collectTrackers(above: number, found: CheckedVlun[]): void {
    for (const one of this.vluns.values()) {
      if (one.tracks === above && !found.includes(one)) found.push(one);
    }
  }

  /** The images not dropped that have this one as their base. */
  standingOn(base: number): CheckedImage[] {
    return [...this.images.values()].filter((image) => image.base === base && image.dropped !== true);
  }

  /** Is the image read or written by itself, or followed; or, where asked, the end of a following? */
  isMentioned(image: number, asEnd: boolean): boolean {
    for (const snapshot of this.snapshots.values()) if (snapshot.image === image) return true;
    for (const { live, tracksUntil } of this.vluns.values()) {
      if (live === image || (asEnd && tracksUntil === image)) return true;
    }
    for (const { via, dropped } of this.images.values()) {
      if (dropped !== true && (via?.image === image || (asEnd && via?.until === image))) return true;
    }
    return false;
  }

  /**
   * The images that some VLUN or snapshot reads. Every image mentioned must exist and nothing go in a circle.
   */
  read(): Set<number> {
    const ways = new Ways(this);
    for (const vlun of this.vluns.values()) ways.addVlun(vlun, undefined);
    for (const { image } of this.snapshots.values()) ways.addImage(image, undefined);
    return ways.read;
  }
}

/** The ways from what is read down to the images; each, an image with where to stop, is walked once. */
class Ways {
  readonly read = new Set<number>();
  readonly #walked = new Set<string>();
  readonly #catalogue: CheckedCatalogue;

  constructor(catalogue: CheckedCatalogue) {
    this.#catalogue = catalogue;
  }

  addVlun(vlun: CheckedVlun, until: number | undefined): void {
    const { images, vluns } = this.#catalogue;
    this.read.add(vlun.live);
    const above = vlun.tracks === undefined ? undefined : vluns.get(vlun.tracks);
    if (above !== undefined) this.addVlun(above, vlun.tracksUntil);
    this.addImage(images.get(vlun.live)?.base, until);
  }

  addImage(first: number | undefined, until: number | undefined): void {
    const { images } = this.#catalogue;
    for (let id = first; id !== undefined && id !== until; id = images.get(id)?.base) {
      const way = `${id} ${until}`;
      if (this.#walked.has(way)) return;
      this.#walked.add(way);
      this.read.add(id);
      const via = images.get(id)?.via;
      if (via !== undefined) this.addImage(via.image, via.until);
    }
  }
}

function put<T>(map: Map<number, T>, changes: Changes<T>): void {
  for (const [id, object] of changes) {
    if (object === null) map.delete(id);
    else map.set(id, object);
  }
}

/** I8 to I12, as far as the catalogue alone can tell. */
export function judgeCatalogue(catalogue: CheckedCatalogue, findings: Findings): void {
  judgeNumbers(catalogue, findings);
  judgeNames(catalogue, findings);
  const mentioned = judgeImages(catalogue, findings);
  judgeVluns(catalogue, findings);
  const tracking = judgeTracking(catalogue, findings);
  // What is read can be followed only where it leads somewhere and has an end.
  if (mentioned && tracking) judgeDropped(catalogue, findings);
}

function judgeNumbers(catalogue: CheckedCatalogue, findings: Findings): void {
  const { counters } = catalogue;
  const identities = new Set<number>();
  const judge = (
    what: string,
    objects: Map<number, { id: number; identity?: number }>,
    next: number,
  ): void => {
    for (const [id, object] of objects) {
      if (object.id !== id) findings.add('I8', `${what} ${object.id} stands under the number ${id}`);
      if (!(id >= 1 && id < next)) findings.add('I8', `${what} ${id} has a number that was not given yet`);
      if (object.identity === undefined) continue;
      if (object.identity >= counters.identity || identities.has(object.identity)) {
        findings.add('I8', `${what} ${id} has the identity ${object.identity} of another`);
      }
      identities.add(object.identity);
    }
  };
  judge('VLUN', catalogue.vluns, counters.vlun);
  judge('image', catalogue.images, counters.image);
  judge('snapshot', catalogue.snapshots, counters.snapshot);
}

function judgeNames(catalogue: CheckedCatalogue, findings: Findings): void {
  const names = new Set<string>();
  const judge = (what: string, name: string, full: string): void => {
    if (!NAME.test(name)) findings.add('I8', `${what} is called ${JSON.stringify(name)}`);
    if (names.has(full)) findings.add('I8', `two are called ${full}`);
    names.add(full);
  };
  for (const { id, name } of catalogue.vluns.values()) judge(`VLUN ${id}`, name, name);
  for (const { id, vlun, name } of catalogue.snapshots.values()) {
    judge(`snapshot ${id}`, name, `${vlun}@${name}`);
    if (!catalogue.vluns.has(vlun))
      findings.add('I8', `snapshot ${id} is of VLUN ${vlun}, which does not exist`);
  }
}

function judgeImages(catalogue: CheckedCatalogue, findings: Findings): boolean {
  const before = findings.count;
  for (const { id, base, via, dropped } of catalogue.images.values()) {
    // What a dropped image read may have gone before it.
    if (dropped === true) continue;
    for (const below of [base, via?.image]) {
      if (below === undefined) continue;
      const image = catalogue.images.get(below);
      if (image === undefined) findings.add('I9', `image ${id} reads image ${below}, which does not exist`);
      else if (!image.frozen) findings.add('I9', `image ${id} reads image ${below}, which is not frozen`);
    }
  }
  if (hasCircle(catalogue)) findings.add('I9', 'an image reads itself');
  return findings.count === before;
}

/** Takes away, again and again, the images that read none of those left; a circle stays. */
function hasCircle({ images }: CheckedCatalogue): boolean {
  const readers = new Map<number, number[]>();
  const waitingFor = new Map<number, number>();
  for (const { id, base, via } of images.values()) {
    const below = [base, via?.image].filter((one): one is number => one !== undefined && images.has(one));
    waitingFor.set(id, below.length);
    for (const one of below) readers.set(one, [...(readers.get(one) ?? []), id]);
  }
  const free = [...images.keys()].filter((id) => waitingFor.get(id) === 0);
  for (const id of free) {
    for (const reader of readers.get(id) ?? []) {
      const left = (waitingFor.get(reader) ?? 0) - 1;
      waitingFor.set(reader, left);
      if (left === 0) free.push(reader);
    }
  }
  return free.length < images.size;
}

function judgeVluns(catalogue: CheckedCatalogue, findings: Findings): void {
  const owners = new Map<number, number>();
  for (const { id, live, sizeBytes, blockBytes } of catalogue.vluns.values()) {
    const image = catalogue.images.get(live);
    if (image === undefined) findings.add('I10', `VLUN ${id} writes to image ${live}, which does not exist`);
    else if (image.frozen || image.dropped === true)
      findings.add('I10', `VLUN ${id} writes to the frozen image ${live}`);
    if (owners.has(live)) findings.add('I10', `VLUNs ${owners.get(live)} and ${id} write to image ${live}`);
    owners.set(live, id);
    if (blockBytes !== 512 && blockBytes !== 4096)
      findings.add('I10', `VLUN ${id} has blocks of ${blockBytes}`);
    if (!(sizeBytes > 0 && sizeBytes % blockBytes === 0))
      findings.add('I10', `VLUN ${id} has ${sizeBytes} bytes`);
  }
  for (const { id, image } of catalogue.snapshots.values()) {
    const found = catalogue.images.get(image);
    if (found === undefined)
      findings.add('I10', `snapshot ${id} stands on image ${image}, which does not exist`);
    else if (!found.frozen)
      findings.add('I10', `snapshot ${id} stands on image ${image}, which is not frozen`);
  }
  for (const { id, frozen } of catalogue.images.values()) {
    if (!frozen && !owners.has(id))
      findings.add('I10', `image ${id} is not frozen, and no VLUN writes to it`);
  }
}

function judgeTracking(catalogue: CheckedCatalogue, findings: Findings): boolean {
  const before = findings.count;
  const add = (what: string, invariant: Invariant = 'I11'): void => findings.add(invariant, what);
  for (const vlun of catalogue.vluns.values()) {
    if (vlun.tracks === undefined) continue;
    const above = catalogue.vluns.get(vlun.tracks);
    if (above === undefined) add(`VLUN ${vlun.id} tracks VLUN ${vlun.tracks}, which does not exist`);
    else if (above.blockBytes !== vlun.blockBytes) add(`VLUN ${vlun.id} tracks one of other blocks`);
    const seen = new Set<number>();
    for (
      let at: CheckedVlun | undefined = vlun;
      at?.tracks !== undefined;
      at = catalogue.vluns.get(at.tracks)
    ) {
      if (seen.has(at.id)) {
        add(`VLUN ${vlun.id} tracks itself`);
        break;
      }
      seen.add(at.id);
    }
    if (vlun.tracksUntil !== undefined && !catalogue.images.has(vlun.tracksUntil)) {
      add(`VLUN ${vlun.id} follows up to image ${vlun.tracksUntil}, which does not exist`, 'I9');
    }
  }
  return findings.count === before;
}

function judgeDropped(catalogue: CheckedCatalogue, findings: Findings): void {
  const read = catalogue.read();
  for (const { id, dropped } of catalogue.images.values()) {
    if (dropped === true && read.has(id)) findings.add('I12', `image ${id} is marked dropped, and is read`);
    if (dropped !== true && !read.has(id))
      findings.add('I12', `image ${id} is read by nothing, and not marked dropped`);
  }
}
