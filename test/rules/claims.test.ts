/**
 * Shows that docs/CLAIMS.md is complete (every claim and every rule has a row), and that the code and the
 * tests it names exist.
 */
import { expect, test } from 'vitest';
import { readTracked, trackedPaths } from './sources.ts';

const CLAIMS_MAX = 46;
const RULES_MAX = 15;

interface Row {
  readonly label: string;
  readonly code: string;
  readonly tests: string;
}

const rows: readonly Row[] = readTracked('docs/CLAIMS.md')
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter(([, label]) => /^(P\d+|\d+(, \d+)*)$/.test(label ?? ''))
  .map(([, label = '', , code = '', tests = '']) => ({ label, code, tests }));

/** What does not exist of the files that a cell names and of the names that stand after each. */
function missing(cell: string): string[] {
  let text: string | undefined;
  const wrong: string[] = [];
  for (const [, path, symbol, words] of cell.matchAll(/`([\w/.-]+\.ts)`|`(#?\w+)`|"([^"]+)"/g)) {
    const name = symbol ?? words;
    if (path !== undefined) {
      text = trackedPaths.includes(path) ? readTracked(path) : undefined;
      if (text === undefined) wrong.push(path);
    } else if (name !== undefined && text?.includes(name) !== true) wrong.push(name);
  }
  return text === undefined ? [...wrong, `no file in: ${cell}`] : wrong;
}

test('every claim and every rule has a row', () => {
  const labels = rows.flatMap(({ label }) => label.split(', '));
  const wanted = [
    ...Array.from({ length: CLAIMS_MAX }, (_, i) => String(i + 1)),
    ...Array.from({ length: RULES_MAX }, (_, i) => `P${i + 1}`),
  ];
  expect(labels.toSorted()).toEqual(wanted.toSorted());
});

test.each(rows)('$label names code and tests that exist', ({ code, tests }) => {
  expect([...missing(code), ...missing(tests)]).toEqual([]);
});
