import { expect, test } from 'vitest';
import { GROUP_PLACES } from '../../../snapshot/place-group.ts';
import { SpaceAhead } from '../../../snapshot/space-ahead.ts';

/** What was prepared, in groups of places, while the groups in use become as many as told, in turn. */
function prepared(capacityGroups: number, usedGroups: readonly number[]): string[] {
  const allocator = { usedGroups: usedGroups[0] as number, capacityBlocks: capacityGroups * GROUP_PLACES };
  const found: string[] = [];
  const prepare = (place: number, blocks: number): void => {
    found.push(`${place / GROUP_PLACES}+${blocks / GROUP_PLACES}`);
  };
  const ahead = new SpaceAhead({ allocator, data: { prepare } });
  for (const used of usedGroups) {
    allocator.usedGroups = used;
    ahead.look();
    ahead.look();
  }
  return found;
}

test('two groups above those in use are prepared, each once', () => {
  expect(prepared(10, [0, 1, 2, 3, 5])).toEqual(['1+3', '4+1', '5+2']);
});

test('nothing is prepared within the first group, nor past the end', () => {
  expect(prepared(10, [0, 1])).toEqual([]);
  expect(prepared(2.5, [0, 1, 2, 3])).toEqual(['1+1.5']);
});

test('what was in use when the pool was opened is left as it is', () => {
  expect(prepared(10, [5, 5, 6])).toEqual(['5+2', '7+1']);
});
