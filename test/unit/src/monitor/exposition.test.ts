// The text that is exposed against a parser that knows nothing of it, and that parser against text that no
// scraper would take.
import { expect, test } from 'vitest';
import { expose } from '../../../../src/monitor/exposition.ts';
import { ParsedMetrics } from '../../../support/exposition.ts';

test('labels and help with every character that has to be escaped come back as they were', () => {
  const strange = 'a"b\\c\nd,e={f} g';
  const text = expose({
    name: 'strange_total',
    type: 'counter',
    help: 'With \\ and a\nline feed.',
    samples: [
      { labels: { lun: strange, n: 7 }, value: 1.5e21 },
      { labels: { lun: '', n: 8 }, value: 0 },
    ],
  });
  expect(text).toBe(
    '# HELP strange_total With \\\\ and a\\nline feed.\n# TYPE strange_total counter\n' +
      'strange_total{lun="a\\"b\\\\c\\nd,e={f} g",n="7"} 1.5e+21\nstrange_total{lun="",n="8"} 0\n',
  );
  const parsed = new ParsedMetrics(text);
  expect(parsed.value('strange_total', { lun: strange })).toBe(1.5e21);
});

test('a gauge may be infinite or no number', () => {
  const samples = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN].map((value, at) => ({
    labels: { at },
    value,
  }));
  const parsed = new ParsedMetrics(expose({ name: 'g', type: 'gauge', help: 'h', samples }));
  expect(parsed.samples('g').map(({ value }) => value)).toEqual([
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NaN,
  ]);
});

const counter = '# HELP a_total h\n# TYPE a_total counter\n';
const histogram = '# HELP h h\n# TYPE h histogram\n';

test.each([
  ['no line feed at the end', `${counter}a_total 1`],
  ['a sample without a family', 'a_total 1\n'],
  ['a type without help', '# TYPE a_total counter\na_total 1\n'],
  ['a family that comes twice', `${counter}a_total 1\n${counter}a_total{x="1"} 1\n`],
  ['a sample that comes twice', `${counter}a_total 1\na_total 1\n`],
  ['a counter that is not called one', '# HELP a h\n# TYPE a counter\na 1\n'],
  ['a counter below zero', `${counter}a_total -1\n`],
  ['a label that is not quoted', `${counter}a_total{x=1} 1\n`],
  ['a quote that is not escaped', `${counter}a_total{x="1"2"} 1\n`],
  ['a value that is none', `${counter}a_total one\n`],
  ['a sample of another family', `${counter}b_total 1\n`],
  ['a histogram without its last bucket', `${histogram}h_bucket{le="1"} 1\nh_sum 1\nh_count 1\n`],
  [
    'buckets that are not cumulative',
    `${histogram}h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n`,
  ],
  ['a count that is not the last bucket', `${histogram}h_bucket{le="+Inf"} 1\nh_sum 1\nh_count 2\n`],
])('the parser refuses %s', (_, text) => {
  expect(() => new ParsedMetrics(text)).toThrow();
});
