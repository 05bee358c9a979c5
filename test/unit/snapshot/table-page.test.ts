/** A table page has exactly the stored form that FORMAT.md gives it, and nothing else is taken for one. */
import { expect, test } from 'vitest';
import { decodePage, encodePage, PAGE_BYTES_MAX, TablePage } from '../../../snapshot/table-page.ts';
import { plainChecksum } from '../../support/plain-checksum.ts';
import { seededRandom } from '../../support/random.ts';

const NAME = { image: 0x01020304, page: 0x0a0b0c0d0e };

function pageWith(entries: ReadonlyArray<readonly [block: number, place: number, sum: number]>): TablePage {
  const page = new TablePage(NAME);
  for (const [block, place, sum] of entries) {
    page.places[block] = place;
    page.sums[block] = sum;
    page.entries += 1;
    if (place >= 2) page.data += 1;
  }
  return page;
}

// Written by hand from the layout: one data entry for block 9 and a hole for block 255.
const GOLDEN_BEHIND_CHECKSUM = Buffer.from(
  `01 00 0200 04030201 0e0d0c0b0a
   00 02 ${'00 '.repeat(29)} 80
   78563412ab efbeadde
   0100000000 00000000`.replace(/\s/g, ''),
  'hex',
);

function golden(): Uint8Array {
  const bytes = new Uint8Array(4 + GOLDEN_BEHIND_CHECKSUM.byteLength);
  bytes.set(GOLDEN_BEHIND_CHECKSUM, 4);
  new DataView(bytes.buffer).setUint32(0, plainChecksum(GOLDEN_BEHIND_CHECKSUM), true);
  return bytes;
}

test('the stored form is the one written by hand', () => {
  const page = pageWith([
    [9, 0xab12345678, 0xdeadbeef],
    [255, 1, 0],
  ]);
  expect(encodePage(page, plainChecksum)).toEqual(golden());
  const read = decodePage(golden(), NAME, plainChecksum);
  expect(read.entries).toBe(2);
  expect(read.data).toBe(1);
  expect([...read.places.entries()].filter(([, place]) => place !== 0)).toEqual([
    [9, 0xab12345678],
    [255, 1],
  ]);
  expect(read.sums[9]).toBe(0xdeadbeef);
});

test('a page with one entry takes 58 bytes, a full one what is promised', () => {
  expect(encodePage(pageWith([[0, 2, 1]]), plainChecksum).byteLength).toBe(58);
  const full = pageWith(
    Array.from({ length: 256 }, (_, block) => [block, 2 ** 40 - 1 - block, block] as const),
  );
  const bytes = encodePage(full, plainChecksum);
  expect(bytes.byteLength).toBe(2353);
  expect(PAGE_BYTES_MAX).toBe(2353);
  expect(decodePage(bytes, NAME, plainChecksum).places).toEqual(full.places);
});

test('every flipped bit, every cut and another name are refused, naming image and page', () => {
  const bytes = golden();
  for (let bit = 0; bit < bytes.byteLength * 8; bit += 1) {
    const wrong = bytes.slice();
    wrong[bit >>> 3] = (wrong[bit >>> 3] as number) ^ (1 << (bit & 7));
    expect(() => decodePage(wrong, NAME, plainChecksum), `bit ${bit}`).toThrow(
      /page 43135012110 of image 16909060/,
    );
  }
  for (let cut = 0; cut < bytes.byteLength; cut += 1) {
    expect(() => decodePage(bytes.slice(0, cut), NAME, plainChecksum), `cut ${cut}`).toThrow('damaged');
  }
  expect(() => decodePage(bytes, { ...NAME, page: 7 }, plainChecksum)).toThrow('damaged');
  expect(() => decodePage(bytes, { ...NAME, image: 7 }, plainChecksum)).toThrow('damaged');
});

test('bytes with a right checksum and a wrong form are refused, never an exception of another kind', () => {
  const random = seededRandom(11);
  for (let round = 0; round < 2000; round += 1) {
    const body = golden().slice(4, 4 + random.between(1, 63));
    for (let change = 0; change < 3; change += 1) body[random.below(body.byteLength)] = random.below(256);
    const bytes = new Uint8Array(body.byteLength + 4);
    bytes.set(body, 4);
    new DataView(bytes.buffer).setUint32(0, plainChecksum(body), true);
    let page: TablePage | undefined;
    try {
      page = decodePage(bytes, NAME, plainChecksum);
    } catch (error) {
      expect((error as { code?: string }).code, `round ${round}`).toBe('CORRUPT');
      continue;
    }
    expect(page.entries).toBe(page.places.filter((place) => place !== 0).length);
  }
});

test.each([4, 16, 17, 40, 256])(
  'with up to %i entries a page says what a plain map says, in whatever form',
  (most) => {
    const random = seededRandom(most);
    for (let round = 0; round < 20; round += 1) {
      const page = new TablePage(NAME);
      const model = new Map<number, readonly [place: number, sum: number]>();
      for (let step = 0; step < 200; step += 1) {
        const block = random.between(0, most - 1);
        const remove = random.next() < 0.3;
        const [place, sum] = remove
          ? [0, 0]
          : [random.between(1, 2 ** 40 - 1), random.between(0, 2 ** 32 - 1)];
        expect(page.put(block, place, sum)).toBe(model.get(block)?.[0] ?? 0);
        if (remove) model.delete(block);
        else model.set(block, [place, sum]);
      }
      const copy = page.copy();
      const sorted = [...model].sort(([one], [other]) => one - other);
      for (const one of [page, copy]) {
        const seen: unknown[] = [];
        one.each((block, place, sum) => seen.push([block, [place, sum]]));
        expect(seen).toEqual(sorted);
        for (let block = 0; block < 256; block += 1) expect(one.at(block)).toBe(model.get(block)?.[0] ?? 0);
      }
      // The arrays take over from the list, in the page alone; then the copy still has its own.
      for (const [block, [place, sum]] of sorted)
        expect([page.places[block], page.sums[block]]).toEqual([place, sum]);
      page.clear();
      expect(page.at(sorted[0]?.[0] ?? 0)).toBe(0);
      expect(copy.at(sorted[0]?.[0] ?? 0)).toBe(sorted[0]?.[1][0] ?? 0);
    }
  },
);

test('what was lent stays as it was, whoever of those that have it changes, and a copy too', () => {
  const random = seededRandom(1);
  const pages = Array.from({ length: 4 }, () => new TablePage(NAME));
  const models = pages.map(() => new Map<number, readonly [place: number, sum: number]>());
  const lent: Array<{ readonly places: Float64Array; readonly sums: Uint32Array; readonly was: string }> = [];
  for (let step = 0; step < 3_000; step += 1) {
    const at = random.below(pages.length);
    const page = pages[at] as TablePage;
    const model = models[at] as Map<number, readonly [place: number, sum: number]>;
    const what = random.next();
    if (what < 0.02) {
      page.clear();
      model.clear();
    } else if (what < 0.1) {
      const to = random.below(pages.length);
      if (what < 0.05) pages[to] = page.copy();
      else {
        const { places, sums } = page.lend();
        lent.push({ places, sums, was: `${places} ${sums}` });
        (pages[to] as TablePage).adopt({ places, sums });
      }
      models[to] = new Map(model);
    } else {
      const block = random.below(256);
      const entry = [random.between(1, 2 ** 40 - 1), random.between(0, 2 ** 32 - 1)] as const;
      page.put(block, ...entry);
      model.set(block, entry);
    }
    const seen: unknown[] = [];
    page.each((block, place, sum) => seen.push([block, [place, sum]]));
    expect(seen).toEqual([...(models[at] as typeof model)].sort(([one], [other]) => one - other));
  }
  expect(lent.length).toBeGreaterThan(50);
  for (const { places, sums, was } of lent) expect(`${places} ${sums}`).toBe(was);
});
