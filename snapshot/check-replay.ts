/**
 * What the journal makes of the checkpoint: records applied in the plainest way to pages read on demand.
 * Where the engine leaves out a hole that hides nothing, the check keeps it; that makes no difference to any
 * reader.
 */
import { keyNumber } from './check-bytes.ts';
import type { CheckedCatalogue, CheckedVlun } from './check-catalogue.ts';
import type { CheckedExtent, CheckedRecord } from './check-journal.ts';
import type { PlaceBits } from './check-space.ts';
import { type Source, valuesOf } from './check-stored.ts';
import { BLOCKS_PER_PAGE, type CheckedPage, emptyPage, HOLE_PLACE, readPage } from './check-tables.ts';

const KEY_BYTES = 10;

function tableKey(image: number, page: number): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  const view = new DataView(key.buffer);
  key[0] = 't'.charCodeAt(0);
  key[1] = Math.floor(page / 2 ** 32);
  view.setUint32(2, page % 2 ** 32);
  view.setUint32(6, image);
  return key;
}

export class Replay {
  readonly #source: Source;
  readonly #catalogue: CheckedCatalogue;
  readonly #places: PlaceBits;
  /** Pages looked at, by image and page. */
  readonly #pages = new Map<string, CheckedPage>();
  /** The record being applied, for messages. */
  #what = '';

  constructor(source: Source, catalogue: CheckedCatalogue, places: PlaceBits) {
    this.#source = source;
    this.#catalogue = catalogue;
    this.#places = places;
  }

  async apply(record: CheckedRecord): Promise<void> {
    this.#what = `record ${record.sequence}`;
    if (record.body.kind === 'structure') this.#catalogue.apply(record.body.change);
    if (record.body.kind !== 'write') return;
    for (const extent of record.body.extents) if (extent.kind === 'share') this.#share(extent);
    for (const extent of record.body.extents) {
      if (extent.kind === 'reclaim') await this.#reclaim(extent);
      else if (extent.kind === 'merge') await this.#merge(extent);
      else if (extent.kind === 'sweep') await this.#sweep(extent);
      else await this.#write(extent);
    }
  }

  /**
   * Every entry that points at data, after the replay: stored pages that no record touched, and those
   * touched.
   */
  async *entries(): AsyncGenerator<{ image: number; block: number; place: number; sum: number }> {
    for await (const { key, value } of valuesOf(this.#source.meta, 't')) {
      const name = { page: keyNumber(key, 1, 5), image: keyNumber(key, 6, 4) };
      if (this.#pages.has(`${name.image} ${name.page}`)) continue;
      const page = readPage(value, name, this.#source.checksum);
      if (typeof page !== 'string') yield* dataOf(name, page);
    }
    for (const [name, page] of this.#pages) {
      const [image, number] = name.split(' ').map(Number) as [number, number];
      yield* dataOf({ image, page: number }, page);
    }
  }

  async #write(extent: CheckedExtent): Promise<void> {
    const vlun = this.#catalogue.vluns.get(extent.vlun);
    if (vlun === undefined) {
      this.#source.findings.add('I14', `${this.#what} writes to VLUN ${extent.vlun}, which does not exist`);
      return;
    }
    const below = this.#catalogue.below(vlun.id);
    const whole = extent.kind === 'write' || extent.kind === 'hole' || extent.kind === 'share';
    for (let i = 0; i < extent.blocks; i += 1) {
      const block = extent.block + i;
      const place = extent.sums === undefined ? HOLE_PLACE : extent.place + i;
      const entry = { place, sum: extent.sums?.[i] ?? 0 };
      if (extent.kind === 'move') await this.#expectSame(vlun.live, block, entry.sum);
      if (extent.kind !== 'share' && extent.sums !== undefined) this.#take(place);
      await this.#put(vlun.live, block, entry);
      if (whole) await this.#forget(below, block);
    }
  }

  /** What moves is there already. */
  async #expectSame(image: number, block: number, sum: number): Promise<void> {
    const page = await this.#page(image, Math.floor(block / BLOCKS_PER_PAGE));
    const at = block % BLOCKS_PER_PAGE;
    if ((page.places[at] as number) > HOLE_PLACE && page.sums[at] === sum) return;
    const what = `${this.#what} moves block ${block} of image ${image}, which has no such entry`;
    this.#source.findings.add('I14', what);
  }

  /** P5, P10: trackers lose their entry. */
  async #forget(below: readonly CheckedVlun[], block: number): Promise<void> {
    for (const { live } of below) await this.#put(live, block, { place: 0, sum: 0 });
  }

  async #reclaim({ vlun: image, block: page }: CheckedExtent): Promise<void> {
    if (this.#catalogue.images.get(image)?.dropped !== true) {
      this.#source.findings.add(
        'I14',
        `${this.#what} gives back page ${page} of image ${image}, which is not dropped`,
      );
    }
    const found = await this.#page(image, page);
    for (const place of found.places) if (place > HOLE_PLACE) this.#places.delete(place);
    found.places.fill(0);
  }

  /** A page of a hidden image goes into its only child, which keeps its own entries. */
  async #merge({ vlun: image, block: page, place: into }: CheckedExtent): Promise<void> {
    const children = this.#catalogue.standingOn(image);
    const [child] = children;
    if (child?.id !== into || children.length > 1 || this.#catalogue.isMentioned(image, true)) {
      const what = `${this.#what} merges image ${image} into ${into}, which is not all that needs it`;
      this.#source.findings.add('I14', what);
      return;
    }
    const from = await this.#page(image, page);
    const to = await this.#page(into, page);
    const end = (child.baseEnd ?? Number.POSITIVE_INFINITY) - page * BLOCKS_PER_PAGE;
    for (const [at, place] of from.places.entries()) {
      if (place === 0) continue;
      if (at >= end || to.places[at] !== 0) {
        this.#places.delete(place);
        continue;
      }
      to.places[at] = place;
      to.sums[at] = from.sums[at] as number;
    }
    from.places.fill(0);
  }

  /** A page of a hidden image loses the entries that every image over it overrides. */
  async #sweep({ vlun: image, block: page }: CheckedExtent): Promise<void> {
    const children = this.#catalogue.standingOn(image);
    if (children.length === 0 || this.#catalogue.isMentioned(image, false)) {
      this.#source.findings.add('I14', `${this.#what} sweeps image ${image}, which is read by itself`);
      return;
    }
    const from = await this.#page(image, page);
    const over: Array<{ readonly found: CheckedPage; readonly end: number }> = [];
    for (const { id, baseEnd = Number.POSITIVE_INFINITY } of children) {
      over.push({ found: await this.#page(id, page), end: baseEnd - page * BLOCKS_PER_PAGE });
    }
    for (const [at, place] of from.places.entries()) {
      if (place === 0 || !over.every(({ found, end }) => at >= end || found.places[at] !== 0)) continue;
      this.#places.delete(place);
      from.places[at] = 0;
    }
  }

  #take(place: number): void {
    const { findings, capacityBlocks } = this.#source;
    if (place <= HOLE_PLACE || place >= capacityBlocks) {
      findings.add('I15', `${this.#what} stores a block at place ${place}`);
    } else if (!this.#places.add(place)) {
      findings.add('I15', `${this.#what} stores a block at place ${place}, which has an entry`);
    }
  }

  #share({ place: first, blocks }: CheckedExtent): void {
    for (let place = first; place < first + blocks; place += 1) {
      if (this.#places.has(place)) this.#places.addBeyond(place);
      else this.#source.findings.add('I15', `${this.#what} shares place ${place}, which has no entry`);
    }
  }

  async #put(image: number, block: number, entry: { place: number; sum: number }): Promise<void> {
    const page = await this.#page(image, Math.floor(block / BLOCKS_PER_PAGE));
    const at = block % BLOCKS_PER_PAGE;
    const old = page.places[at] as number;
    if (old > HOLE_PLACE) this.#places.delete(old);
    page.places[at] = entry.place;
    page.sums[at] = entry.sum;
  }

  async #page(image: number, page: number): Promise<CheckedPage> {
    const name = `${image} ${page}`;
    const known = this.#pages.get(name);
    if (known !== undefined) return known;
    const bytes = await this.#source.meta.get(tableKey(image, page));
    const read = bytes === undefined ? emptyPage() : readPage(bytes, { image, page }, this.#source.checksum);
    // A page that cannot be read was reported with the checkpoint.
    const found = typeof read === 'string' ? emptyPage() : read;
    this.#pages.set(name, found);
    return found;
  }
}

function* dataOf(
  name: { readonly image: number; readonly page: number },
  page: CheckedPage,
): Generator<{ image: number; block: number; place: number; sum: number }> {
  for (const [i, place] of page.places.entries()) {
    if (place <= HOLE_PLACE) continue;
    yield { image: name.image, block: name.page * BLOCKS_PER_PAGE + i, place, sum: page.sums[i] as number };
  }
}
