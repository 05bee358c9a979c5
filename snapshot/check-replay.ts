/**
 * What the journal makes of the checkpoint: records applied in the plainest way to pages read on demand. Where the engine
 * leaves out a hole that hides nothing, the check keeps it; that makes no difference to any reader.
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
    for (const extent of record.body.extents) {
      if (extent.kind === 'reclaim') await this.#reclaim(extent);
      else await this.#write(extent);
    }
  }

  /** Every entry that points at data, after the replay: stored pages that no record touched, and those touched. */
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
    const whole = extent.kind === 'write' || extent.kind === 'hole';
    for (let i = 0; i < extent.blocks; i += 1) {
      const block = extent.block + i;
      const place = extent.sums === undefined ? HOLE_PLACE : extent.place + i;
      if (extent.sums !== undefined) this.#take(place);
      await this.#put(vlun.live, block, { place, sum: extent.sums?.[i] ?? 0 });
      if (whole) await this.#forget(below, block);
    }
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

  #take(place: number): void {
    const { findings, capacityBlocks } = this.#source;
    if (place <= HOLE_PLACE || place >= capacityBlocks) {
      findings.add('I15', `${this.#what} stores a block at place ${place}`);
    } else if (!this.#places.add(place)) {
      findings.add('I15', `${this.#what} stores a block at place ${place}, which has an entry`);
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
