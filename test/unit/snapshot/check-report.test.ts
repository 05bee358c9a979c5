/** Shows that FORMAT.md and the check speak of the same invariants, in the same words. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Findings, INVARIANTS } from '../../../snapshot/check-report.ts';

const format = readFileSync(new URL('../../../snapshot/FORMAT.md', import.meta.url), 'utf8');

test('FORMAT.md lists every invariant, and no other', () => {
  const listed = [...format.matchAll(/^- \*\*(I\d+)\*\* (.+)$/gm)].map(([, number, text]) => [number, text]);
  expect(Object.fromEntries(listed)).toEqual(INVARIANTS);
});

test('findings beyond what is listed are still counted', () => {
  const findings = new Findings();
  for (let i = 0; i < 1000; i += 1) findings.add('I4', `place ${i}`);
  expect(findings.count).toBe(1000);
  expect(findings.errors).toHaveLength(200);
  expect(findings.errors[0]).toBe('I4: place 0');
});
