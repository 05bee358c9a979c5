/** Shows how tables tell figures of now from those of a moment ago and from mere bounds. */
import { expect, test } from 'vitest';
import { spaceCells } from '../../../src/cli/space.ts';

const SPACE = { referencedBytes: 3 << 20, exclusiveBytes: 4096 };

test.each([
  ['of now', SPACE, ['3 MiB', '4 KiB']],
  ['of a moment ago', { ...SPACE, usageAt: '2026-11-26T06:00:00.000Z' }, ['~3 MiB', '~4 KiB']],
  ['never counted yet', { ...SPACE, usageAt: null }, ['<3 MiB', undefined]],
])('%s', (_, space, cells) => {
  expect(spaceCells(space)).toEqual(cells);
});
