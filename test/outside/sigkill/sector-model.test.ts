/**
 * The model that SIGKILL is judged by: which values a sector may hold, worked out by hand for each order of
 * events.
 */
import { describe, expect, test } from 'vitest';
import { contentOf, SECTOR_BYTES, SectorModel } from './sector-model.ts';

const at = (value: number) => ({ value, lba: 5, sectors: 1 });

describe('What a sector may hold', () => {
  test('before any write it holds zeroes, and while one is in flight either', () => {
    const model = new SectorModel(8);
    expect(model.allowed(5)).toEqual([0]);
    model.issue(at(1));
    expect(model.allowed(5)).toEqual([0, 1]);
    expect(model.allowed(4)).toEqual([0]);
  });

  test('an acknowledged write is the only answer, until the next one is sent', () => {
    const model = new SectorModel(8);
    model.acknowledge(model.issue(at(1)));
    expect(model.allowed(5)).toEqual([1]);
    model.issue(at(2));
    expect(model.allowed(5)).toEqual([1, 2]);
  });

  test('of two writes in flight together either may be last, whichever is acknowledged first', () => {
    const model = new SectorModel(8);
    const [first, second] = [model.issue(at(1)), model.issue(at(2))];
    model.acknowledge(second);
    model.acknowledge(first);
    expect(model.allowed(5)).toEqual([1, 2]);
    model.acknowledge(model.issue(at(3)));
    expect(model.allowed(5)).toEqual([3]);
  });

  test('a write that was never acknowledged stays possible beside those that were', () => {
    const model = new SectorModel(8);
    model.issue(at(1));
    model.acknowledge(model.issue(at(2)));
    expect(model.allowed(5)).toEqual([1, 2]);
  });
});

describe('Comparing what was read', () => {
  test('takes any allowed value, and from then on no other', () => {
    const model = new SectorModel(8);
    model.issue(at(1));
    expect(model.settle({ lba: 5, data: contentOf(at(1)) })).toEqual([]);
    expect(model.allowed(5)).toEqual([1]);
    const zeroes = new Uint8Array(SECTOR_BYTES);
    expect(model.settle({ lba: 5, data: zeroes })).toEqual([{ lba: 5, found: 'zeroes', allowed: [1] }]);
  });

  test('notices a lost write, a torn sector and a sector of another address', () => {
    const model = new SectorModel(8);
    model.acknowledge(model.issue({ value: 7, lba: 0, sectors: 3 }));
    const data = contentOf({ value: 7, lba: 0, sectors: 3 });
    data.fill(0, 0, SECTOR_BYTES);
    data.fill(0xee, SECTOR_BYTES + 200, SECTOR_BYTES + 300);
    data.set(contentOf({ value: 7, lba: 6, sectors: 1 }), 2 * SECTOR_BYTES);
    expect(model.settle({ lba: 0, data }).map((one) => one.found)).toEqual([
      'zeroes',
      'write 7 of sector 1, torn',
      'write 7 of sector 6',
    ]);
  });
});
