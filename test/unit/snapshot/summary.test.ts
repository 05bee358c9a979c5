/**
 * A summary chunk agrees with a plain set while it grows into a bitmap and shrinks back, and is stored as
 * said.
 */
import { expect, test } from 'vitest';
import { CHUNK_PAGES, SummaryChunk } from '../../../snapshot/summary.ts';
import { plainChecksum } from '../../support/plain-checksum.ts';
import { seededRandom } from '../../support/random.ts';

const NAME = { image: 0x01020304, chunk: 0x0a0b0c };

function pagesOf(chunk: SummaryChunk, from = 0, limit = CHUNK_PAGES): number[] {
  const pages: number[] = [];
  chunk.collect(pages, { from, limit, base: 0 });
  return pages;
}

function sealed(behind: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + behind.byteLength);
  bytes.set(behind, 4);
  new DataView(bytes.buffer).setUint32(0, plainChecksum(behind), true);
  return bytes;
}

test.each([1, 2, 3])('agrees with a set of pages, seed %i', (seed) => {
  const random = seededRandom(seed);
  let chunk = new SummaryChunk(NAME);
  const model = new Set<number>();
  for (let step = 0; step < 6000; step += 1) {
    // More is added in the first half, so that the chunk passes the border between its forms both ways.
    const page = random.below(random.pick([20, CHUNK_PAGES]));
    const add = random.chance(step < 3000 ? 0.8 : 0.1);
    const drawn = add ? page : ([...model][random.below(model.size)] ?? page);
    if (model.has(drawn)) {
      if (!add) {
        chunk.delete(drawn);
        model.delete(drawn);
      }
    } else if (add) {
      chunk.add(drawn);
      model.add(drawn);
    }
    expect(chunk.has(page)).toBe(model.has(page));
    expect(chunk.count).toBe(model.size);
    if (step % 100 !== 0) continue;
    const sorted = [...model].sort((one, other) => one - other);
    expect(pagesOf(chunk)).toEqual(sorted);
    expect(pagesOf(chunk, page, 5)).toEqual(sorted.filter((each) => each >= page).slice(0, 5));
    const before = chunk;
    chunk = SummaryChunk.decode(chunk.encode(plainChecksum), NAME, plainChecksum);
    expect(pagesOf(chunk)).toEqual(sorted);
    expect(pagesOf(before.copy())).toEqual(sorted);
  }
});

test('the stored list is the one written by hand', () => {
  const chunk = new SummaryChunk(NAME);
  for (const page of [300, 2, 16_383]) chunk.add(page);
  const behind = Buffer.from('01 00 0300 04030201 0c0b0a00 0200 2c01 ff3f'.replace(/\s/g, ''), 'hex');
  expect(chunk.encode(plainChecksum)).toEqual(sealed(behind));
});

test('the stored bitmap is the one written by hand', () => {
  const chunk = new SummaryChunk(NAME);
  for (let page = 0; page < 513; page += 1) chunk.add(page);
  const head = Buffer.from('01 01 0102 04030201 0c0b0a00'.replace(/\s/g, ''), 'hex');
  const behind = new Uint8Array(head.byteLength + 2048);
  behind.set(head);
  behind.fill(0xff, head.byteLength, head.byteLength + 64);
  behind[head.byteLength + 64] = 1;
  expect(chunk.encode(plainChecksum)).toEqual(sealed(behind));
});

test('whatever else is stored there is refused, naming image and chunk', () => {
  const chunk = new SummaryChunk(NAME);
  for (const page of [300, 2, 16_383]) chunk.add(page);
  const good = chunk.encode(plainChecksum);
  for (let bit = 0; bit < good.byteLength * 8; bit += 1) {
    const wrong = good.slice();
    wrong[bit >>> 3] = (wrong[bit >>> 3] as number) ^ (1 << (bit & 7));
    expect(() => SummaryChunk.decode(wrong, NAME, plainChecksum)).toThrow('chunk 658188 of image 16909060');
  }
  for (const behind of [
    '01 00 0200 04030201 0c0b0a00 0200 0200',
    '01 00 0200 04030201 0c0b0a00 0300 0200',
    '01 00 0100 04030201 0c0b0a00 0040',
    '01 00 0200 04030201 0c0b0a00 0200',
    '01 01 0100 04030201 0c0b0a00 01',
    '01 02 0100 04030201 0c0b0a00 0100',
    '02 00 0100 04030201 0c0b0a00 0100',
    '01 00 0100 04030201 0d0b0a00 0100',
  ]) {
    const bytes = sealed(Buffer.from(behind.replace(/\s/g, ''), 'hex'));
    expect(() => SummaryChunk.decode(bytes, NAME, plainChecksum), behind).toThrow('damaged');
  }
});
