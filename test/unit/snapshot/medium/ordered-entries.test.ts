/** The ordered entries against a plain object sorted anew at every question, over seeded histories. */
import { expect, test } from 'vitest';
import type { MetaChange } from '../../../../snapshot/medium/medium.ts';
import { OrderedEntries } from '../../../../snapshot/medium/ordered-entries.ts';
import { type Random, seededRandom } from '../../../support/random.ts';

/** Few distinct keys, so that puts and removals meet; prefixes of each other, so that order is tried. */
function someKey(random: Random): Uint8Array {
  return Uint8Array.from({ length: random.between(1, 3) }, () => random.pick([0, 1, 127, 128, 255]));
}

function someChanges(random: Random): MetaChange[] {
  return Array.from({ length: random.between(0, 8) }, () => ({
    key: someKey(random),
    value: random.chance(0.4) ? undefined : random.bytes(random.below(4)),
  }));
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test.each(Array.from({ length: 40 }, (_, seed) => seed))('history of seed %i', (seed) => {
  const random = seededRandom(seed);
  const entries = new OrderedEntries();
  const model = new Map<string, string>();
  for (let step = 0; step < 60; step += 1) {
    const changes = someChanges(random);
    entries.apply(changes);
    for (const { key, value } of changes) {
      if (value === undefined) model.delete(hex(key));
      else model.set(hex(key), hex(value));
    }
    const [from, to] = [someKey(random), someKey(random)];
    const limit = random.between(0, 5);
    const reverse = random.chance(0.5);
    const within = [...model].filter(([key]) => key >= hex(from) && key < hex(to)).sort();
    const expected = (reverse ? within.reverse() : within).slice(0, limit);
    const found = entries.scan({ from, to, limit, reverse }).map(({ key, value }) => [hex(key), hex(value)]);
    expect(found).toEqual(expected);
    const one = entries.get(from);
    expect(one && hex(one)).toBe(model.get(hex(from)));
  }
});

test('a clone goes its own way', () => {
  const entries = new OrderedEntries();
  entries.apply([{ key: Uint8Array.of(1), value: Uint8Array.of(1) }]);
  const clone = new OrderedEntries(entries);
  clone.apply([{ key: Uint8Array.of(1), value: undefined }]);
  entries.apply([{ key: Uint8Array.of(2), value: Uint8Array.of(2) }]);
  const everything = { from: Uint8Array.of(0), to: Uint8Array.of(9) };
  expect(entries.scan(everything).length).toBe(2);
  expect(clone.scan(everything).length).toBe(0);
});
