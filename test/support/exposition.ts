/**
 * Reads the text format of Prometheus, version 0.0.4, from its specification and strictly: whatever a scraper
 * might trip over is an error here. Written without a look at what writes it.
 */
import assert from 'node:assert';

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** By name and labels, as they stand in the text. */
  readonly samples: Map<string, ParsedSample>;
}

export interface ParsedSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

const METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/;
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]Inf|NaN)$/i;
const HISTOGRAM_SUFFIXES = ['_bucket', '_sum', '_count'];

export class ParsedMetrics {
  readonly families: ReadonlyMap<string, ParsedFamily>;

  constructor(text: string) {
    this.families = parse(text);
    for (const family of this.families.values()) {
      if (family.type === 'histogram') checkHistogram(family);
    }
  }

  /** The value of the one sample of this name that has these labels, and perhaps others. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const found = this.samples(name).filter((sample) =>
      Object.entries(labels).every(([label, value]) => sample.labels.get(label) === value),
    );
    assert.equal(found.length, 1, `${found.length} samples of ${name} with ${JSON.stringify(labels)}`);
    return found[0]?.value ?? Number.NaN;
  }

  samples(name: string): readonly ParsedSample[] {
    return [...this.families.values()].flatMap(({ samples }) =>
      [...samples.values()].filter((sample) => sample.name === name),
    );
  }
}

function parse(text: string): Map<string, ParsedFamily> {
  assert(text.endsWith('\n'), 'the last line ends with a line feed');
  const families = new Map<string, ParsedFamily>();
  let help: { name: string; text: string } | undefined;
  let family: ParsedFamily | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment === null) {
      assert(!line.startsWith('#') && help === undefined, `a sample is due: ${line}`);
      assert(family !== undefined, `a sample without a family: ${line}`);
      addSample(family, line);
      continue;
    }
    const [, kind, name = '', rest = ''] = comment;
    assert.match(name, METRIC);
    if (kind === 'HELP') {
      assert(help === undefined && !families.has(name), `the family ${name} comes once, as one group`);
      assert(/^(?:[^\\]|\\[\\n])+$/.test(rest), `the help of ${name} is empty or badly escaped`);
      help = { name, text: rest };
    } else {
      assert(help?.name === name, `HELP comes before TYPE of ${name}`);
      assert(TYPES.includes(rest), `no type: ${rest}`);
      assert(
        (rest === 'counter') === name.endsWith('_total'),
        `counters, and only they, end in _total: ${name}`,
      );
      family = { name, type: rest, help: help.text, samples: new Map() };
      families.set(name, family);
      help = undefined;
    }
  }
  assert(help === undefined, 'HELP without TYPE');
  return families;
}

function addSample(family: ParsedFamily, line: string): void {
  const [, name = '', labelText = '', valueText = ''] =
    SAMPLE.exec(line) ?? assert.fail(`no sample: ${line}`);
  const suffix = name.slice(family.name.length);
  const allowed = family.type === 'histogram' ? HISTOGRAM_SUFFIXES : [''];
  assert(name.startsWith(family.name) && allowed.includes(suffix), `${name} is not of ${family.name}`);
  assert.match(valueText, NUMBER, line);
  const value = toNumber(valueText);
  if (family.type !== 'gauge') assert(value >= 0, `what counts is not negative: ${line}`);
  const labels = parseLabels(labelText);
  const key = `${name} ${JSON.stringify([...labels].sort())}`;
  assert(!family.samples.has(key), `twice: ${line}`);
  family.samples.set(key, { name, labels, value });
}

function parseLabels(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  let rest = text;
  while (rest !== '') {
    const [whole, name = '', value = ''] = LABEL.exec(rest) ?? assert.fail(`no label: ${rest}`);
    assert(!labels.has(name) && !name.startsWith('__'), `the label ${name} is there twice, or reserved`);
    labels.set(
      name,
      value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char)),
    );
    rest = rest.slice(whole.length);
  }
  return labels;
}

function toNumber(text: string): number {
  const infinite = /^([+-])Inf$/i.exec(text);
  if (infinite === null) return Number(text);
  return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** Buckets are cumulative in the order of `le`, and the last one, +Inf, is the count. */
function checkHistogram({ name, samples }: ParsedFamily): void {
  const series = new Map<string, ParsedSample[]>();
  for (const sample of samples.values()) {
    const key = JSON.stringify([...sample.labels].filter(([label]) => label !== 'le').sort());
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const [labels, group] of series) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map((bucket) =>
      toNumber(bucket.labels.get('le') ?? assert.fail('a bucket has le')),
    );
    assert.deepEqual(
      bounds,
      [...new Set(bounds)].sort((a, b) => a - b),
      `bounds of ${name}${labels}`,
    );
    const counts = buckets.map(({ value }) => value);
    assert.deepEqual(
      counts,
      [...counts].sort((a, b) => a - b),
      `buckets of ${name}${labels} are cumulative`,
    );
    assert.equal(bounds.at(-1), Number.POSITIVE_INFINITY);
    const count = group.find((sample) => sample.name === `${name}_count`);
    assert(count !== undefined && group.some((sample) => sample.name === `${name}_sum`));
    assert.equal(counts.at(-1), count.value, `${name}${labels}`);
  }
}
