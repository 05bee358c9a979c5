/**
 * The redirect tables agree with a plain map of maps under any order of changes, checkpoints, failures and
 * crashes.
 */
import { expect, test } from 'vitest';
import type { StructureCheckpoint } from '../../../snapshot/copy-on-change.ts';
import { PAGE_RESIDENT_BYTES, type TablePage } from '../../../snapshot/table-page.ts';
import { TableStore } from '../../../snapshot/table-store.ts';
import { plainChecksum } from '../../support/plain-checksum.ts';
import { PlainMeta } from '../../support/plain-meta.ts';
import { type Random, seededRandom } from '../../support/random.ts';

const IMAGES = [1, 2, 3, 4, 5, 6, 7, 900];
const PAGES = [0, 1, 2, 3, 40, 16_383, 16_384, 5_000_000];
const TINY_CACHE_BYTES = 3 * PAGE_RESIDENT_BYTES;

/** What is stored: image → block → [place, sum]. */
type Model = Map<number, Map<number, readonly [place: number, sum: number]>>;

const copyOf = (model: Model): Model =>
  new Map([...model].map(([image, blocks]) => [image, new Map(blocks)]));
const pageOf = (block: number): number => Math.floor(block / 256);

class World {
  readonly meta = new PlainMeta();
  readonly random: Random;
  model: Model = new Map();
  /** The model as it was committed last. */
  committed: Model = new Map();
  tables!: TableStore;
  open: { checkpoint: StructureCheckpoint; model: Model } | undefined;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.meta.slow = seed % 2 === 1;
  }

  async load(): Promise<void> {
    const options = { meta: this.meta, checksum: plainChecksum, cacheBytes: TINY_CACHE_BYTES };
    this.tables = await TableStore.load(options);
    this.open = undefined;
  }

  blocks(image: number): Map<number, readonly [number, number]> {
    const blocks = this.model.get(image) ?? new Map();
    this.model.set(image, blocks);
    return blocks;
  }

  async change(): Promise<void> {
    const { random, tables } = this;
    const image = random.pick(IMAGES);
    const page = random.pick(PAGES);
    const found = await tables.page(image, page);
    if (found !== undefined) tables.pin(found);
    // Somebody else's loads in between must not take a pinned page away.
    if (random.chance(0.3)) await tables.page(random.pick(IMAGES), random.pick(PAGES));
    if (found !== undefined) tables.unpin(found);
    const blocks = this.blocks(image);
    for (let count = random.between(1, 4); count > 0; count -= 1) {
      const block = page * 256 + random.below(6) * 51;
      const before = blocks.get(block)?.[0] ?? 0;
      if (random.chance(0.5)) {
        const entry = [random.between(1, 2 ** 40 - 1), random.below(2 ** 32)] as const;
        expect(tables.put(image, block, ...entry)).toBe(before);
        blocks.set(block, entry);
      } else {
        expect(tables.remove(image, block)).toBe(before);
        blocks.delete(block);
      }
    }
  }

  async dropPage(): Promise<void> {
    const image = this.random.pick(IMAGES);
    const page = this.random.pick(PAGES);
    await this.tables.page(image, page);
    this.tables.dropPage(image, page);
    for (const block of [...this.blocks(image).keys()])
      if (pageOf(block) === page) this.blocks(image).delete(block);
  }

  dropImage(): void {
    const image = this.random.pick(IMAGES);
    this.tables.dropImage(image);
    this.model.delete(image);
  }

  begin(): void {
    if (this.open !== undefined) {
      expect(() => this.tables.beginCheckpoint()).toThrow('one checkpoint at a time');
      return;
    }
    this.open = { checkpoint: this.tables.beginCheckpoint(), model: copyOf(this.model) };
  }

  async end(): Promise<void> {
    if (this.open === undefined) return;
    const { checkpoint, model } = this.open;
    await checkpoint.prepare();
    const changes = [];
    for (const slice of checkpoint.slices()) {
      changes.push(...slice);
      if (this.random.chance(0.5)) await this.change();
    }
    expect(changes.map(({ key }) => Buffer.from(key).toString('hex'))).toEqual(
      changes.map(({ key }) => Buffer.from(key).toString('hex')).sort(),
    );
    this.meta.failNextCommit = this.random.chance(0.25);
    try {
      await this.meta.commit(changes);
      checkpoint.committed();
      this.committed = model;
    } catch {
      checkpoint.failed();
    }
    this.open = undefined;
  }

  async compare(): Promise<void> {
    const { tables, model } = this;
    const imagesWithEntries = IMAGES.filter((image) => (model.get(image)?.size ?? 0) > 0);
    expect(tables.images()).toEqual(imagesWithEntries);
    for (const image of IMAGES) {
      const blocks = [...(model.get(image) ?? [])];
      const { entries, data } = tables.imageStats(image);
      expect([entries, data]).toEqual([blocks.length, blocks.filter(([, [place]]) => place > 1).length]);
      const pages = [...new Set(blocks.map(([block]) => pageOf(block)))].sort((one, other) => one - other);
      expect(tables.pagesOf(image, 0, 100)).toEqual(pages);
      expect(tables.pagesOf(image, 2, 2)).toEqual(pages.filter((page) => page >= 2).slice(0, 2));
      expect(PAGES.filter((page) => tables.hasEntries(image, page))).toEqual(pages);
    }
    for (const page of PAGES) this.comparePages(page, await tables.scanPage(page, IMAGES));
    for (const image of IMAGES) {
      const page = this.random.pick(PAGES);
      const found = await tables.page(image, page);
      if (found !== undefined) this.comparePage(found);
      expect(found !== undefined).toBe(tables.hasEntries(image, page));
    }
  }

  comparePages(page: number, found: readonly TablePage[]): void {
    expect(found.map((each) => each.image)).toEqual(this.tables.imagesWithEntries(page, IMAGES));
    for (const each of found) this.comparePage(each);
  }

  comparePage(found: TablePage): void {
    const expected = new Map([...this.blocks(found.image)].filter(([block]) => pageOf(block) === found.page));
    const stored = new Map<number, readonly [number, number]>();
    for (let index = 0; index < 256; index += 1) {
      const place = found.places[index] as number;
      if (place !== 0) stored.set(found.page * 256 + index, [place, found.sums[index] as number]);
    }
    expect(stored).toEqual(expected);
    expect(found.entries).toBe(expected.size);
  }

  async step(): Promise<void> {
    const dice = this.random.below(100);
    if (dice < 70) await this.change();
    else if (dice < 74) await this.dropPage();
    else if (dice < 75) this.dropImage();
    else if (dice < 82) this.begin();
    else if (dice < 90) await this.end();
    else if (dice < 92) await this.crash();
    else await this.compare();
  }

  /** What was not committed is gone. */
  async crash(): Promise<void> {
    this.model = copyOf(this.committed);
    await this.load();
    await this.compare();
  }
}

test.each(Array.from({ length: 16 }, (_, at) => at + 1))(
  'random changes agree with the model, seed %i',
  async (seed) => {
    const world = new World(seed);
    await world.load();
    for (let step = 0; step < 250; step += 1) await world.step();
    await world.end();
    await world.compare();
    await world.crash();
  },
);

async function emptyTables(cacheBytes: number): Promise<{ meta: PlainMeta; tables: TableStore }> {
  const meta = new PlainMeta();
  return { meta, tables: await TableStore.load({ meta, checksum: plainChecksum, cacheBytes }) };
}

async function store(meta: PlainMeta, tables: TableStore): Promise<void> {
  const checkpoint = tables.beginCheckpoint();
  await meta.commit(checkpoint.changes());
  checkpoint.committed();
}

test('clean pages are evicted down to the bound, dirty ones never, and one under commit not before it succeeded', async () => {
  const { meta, tables } = await emptyTables(TINY_CACHE_BYTES);
  for (let page = 0; page < 20; page += 1) tables.put(1, page * 256, 5 + page, 1);
  expect(tables.dirtyPages).toBe(20);
  expect(tables.residentBytes).toBe(20 * PAGE_RESIDENT_BYTES);
  const checkpoint = tables.beginCheckpoint();
  expect(tables.dirtyPages).toBe(0);
  await tables.page(1, 3);
  expect(tables.dirtyBytes).toBe(20 * PAGE_RESIDENT_BYTES);
  tables.put(1, 7 * 256, 99, 1);
  await meta.commit(checkpoint.changes());
  checkpoint.committed();
  expect(tables.dirtyPages).toBe(1);
  expect(tables.residentBytes).toBe(TINY_CACHE_BYTES);
  expect(tables.resident(1, 7)?.places[0]).toBe(99);
  expect((await tables.page(1, 0))?.places[0]).toBe(5);
  expect(tables.residentBytes).toBe(TINY_CACHE_BYTES);
});

test('a page that was emptied is gone from the medium after the next checkpoint, and its image too', async () => {
  const { meta, tables } = await emptyTables(TINY_CACHE_BYTES);
  tables.put(1, 0, 5, 1);
  tables.put(1, 300, 6, 1);
  await store(meta, tables);
  expect(meta.entries.size).toBe(4);
  tables.remove(1, 300);
  await store(meta, tables);
  expect([...meta.entries.keys()].filter((key) => key.startsWith('74'))).toEqual(['74000000000000000001']);
  tables.remove(1, 0);
  await store(meta, tables);
  expect(meta.entries.size).toBe(0);
  expect(tables.residentBytes).toBe(0);
});

test('a page that is neither resident nor empty cannot be changed', async () => {
  const { meta, tables } = await emptyTables(0);
  tables.put(1, 0, 5, 1);
  await store(meta, tables);
  expect(() => tables.put(1, 1, 6, 1)).toThrow('resident');
  expect(() => tables.remove(1, 0)).toThrow('resident');
});

test('many images of one page are read with one scan', async () => {
  const { meta, tables } = await emptyTables(0);
  const images = Array.from({ length: 300 }, (_, at) => at * 3 + 1);
  for (const image of images) tables.put(image, 700, image + 10, image);
  await store(meta, tables);
  meta.gets = 0;
  meta.scans = 0;
  const wanted = images.filter((image) => image % 2 === 0).reverse();
  const found = await tables.scanPage(2, [5, ...wanted, 6000]);
  expect(found.map((page) => page.image)).toEqual(wanted);
  expect([meta.gets, meta.scans]).toEqual([0, 1]);
});

test('loads of one page that meet give one page, and a change between them is seen by all', async () => {
  const { meta, tables } = await emptyTables(10 * PAGE_RESIDENT_BYTES);
  for (const image of [1, 2, 3, 4, 5, 6]) tables.put(image, 0, 5, 1);
  await store(meta, tables);
  const fresh = await TableStore.load({
    meta,
    checksum: plainChecksum,
    cacheBytes: 10 * PAGE_RESIDENT_BYTES,
  });
  meta.slow = true;
  meta.gets = 0;
  const loads = [fresh.page(1, 0), fresh.page(1, 0), fresh.scanPage(0, [1, 2, 3, 4, 5, 6]), fresh.page(4, 0)];
  const [first, second, all, fourth] = (await Promise.all(loads)) as [
    TablePage,
    TablePage,
    TablePage[],
    TablePage,
  ];
  expect(second).toBe(first);
  expect(all[0]).toBe(first);
  expect(all[3]).toBe(fourth);
  fresh.put(1, 0, 77, 1);
  expect(first.places[0]).toBe(77);
});

test('an image dropped while a page of it is being loaded does not come back', async () => {
  const { meta, tables } = await emptyTables(0);
  tables.put(1, 0, 5, 1);
  await store(meta, tables);
  meta.slow = true;
  const load = tables.page(1, 0);
  tables.dropImage(1);
  expect(await load).toBeUndefined();
  tables.put(1, 0, 8, 1);
  expect((await tables.page(1, 0))?.places[0]).toBe(8);
});

test('a page missing from the medium is damage, and names itself', async () => {
  const { meta, tables } = await emptyTables(0);
  tables.put(3, 512, 5, 1);
  await store(meta, tables);
  meta.entries.delete('74000000000200000003');
  expect(() => tables.page(3, 2)).toThrow('page 2 of image 3');
});
