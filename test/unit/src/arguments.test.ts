// Arguments of admin verbs are checked at the door, by name.
import { expect, test } from 'vitest';
import { checkArguments } from '../../../src/admin/arguments.ts';

const FIELDS = { name: 'string', lun: 'number?', force: 'boolean?', vluns: 'strings?' } as const;

test('what fits goes through', () => {
  const given = { name: 'a', lun: 3, force: true, vluns: ['a', 'b'] };
  expect(checkArguments('v', FIELDS, given)).toEqual(given);
  expect(checkArguments('v', FIELDS, { name: 'a', lun: undefined })).toEqual({ name: 'a' });
});

test.each([
  [{}, /v wants "name"/],
  [{ name: 1 }, /"name" must be a string/],
  [{ name: 'a', lun: '3' }, /"lun" must be a number/],
  [{ name: 'a', lun: Number.NaN }, /"lun" must be a number/],
  [{ name: 'a', vluns: [1] }, /"vluns" must be a strings/],
  [{ name: 'a', other: 1 }, /takes no argument "other"/],
])('%j is refused', (given, message) => {
  expect(() => checkArguments('v', FIELDS, given)).toThrow(message);
});
