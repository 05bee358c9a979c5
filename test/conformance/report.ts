/** What a run of the suite amounts to: the table, the totals, and what must have passed and did not. */
import { type Judgement, VERDICTS, type Verdict } from './suite.ts';

/** By profile name, in the order they were run. */
export type Results = ReadonlyMap<string, readonly Judgement[]>;

const suiteOf = (test: string): string => test.slice(0, test.indexOf('.'));

function count(judgements: readonly Judgement[], verdict: Verdict): number {
  return judgements.filter((one) => one.verdict === verdict).length;
}

/** Passed, failed and skipped, as `6/0/1`; a dash where nothing applies. */
function cell(judgements: readonly Judgement[]): string {
  if (judgements.length === 0) return '-';
  return VERDICTS.map((verdict) => count(judgements, verdict)).join('/');
}

/** Over all profiles a test passes when it passes on one and fails on none; it fails when it fails on any. */
export function combine(results: Results): Map<string, Verdict> {
  const combined = new Map<string, Verdict>();
  for (const { test, verdict } of [...results.values()].flat()) {
    const before = combined.get(test) ?? 'skip';
    const after = [before, verdict];
    combined.set(test, after.includes('fail') ? 'fail' : after.includes('pass') ? 'pass' : 'skip');
  }
  return combined;
}

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export function tally(results: Results): Tally {
  const verdicts = [...combine(results).values()];
  const of = (wanted: Verdict): number => verdicts.filter((verdict) => verdict === wanted).length;
  return { passed: of('pass'), failed: of('fail'), skipped: of('skip') };
}

/** The expected tests, among those that were to run, that did not pass, as `profile SUITE.TEST: why`. */
export function regressions(
  results: Results,
  expected: Readonly<Record<string, readonly string[]>>,
  ran: readonly string[],
): string[] {
  const lines: string[] = [];
  for (const [profile, judgements] of results) {
    for (const test of expected[profile] ?? []) {
      if (!ran.includes(test)) continue;
      const judgement = judgements.find((one) => one.test === test);
      if (judgement?.verdict === 'pass') continue;
      lines.push(
        `${profile} ${test}: ${judgement?.verdict ?? 'did not run'} ${judgement?.why ?? ''}`.trimEnd(),
      );
    }
  }
  return lines;
}

/** One row per suite, one column per profile, then the totals. */
export function formatReport(results: Results): string {
  const suites = new Set([...results.values()].flat().map((one) => suiteOf(one.test)));
  const row = (name: string, cells: readonly string[]): string =>
    `${name.padEnd(24)}${cells.map((text) => text.padStart(14)).join('')}\n`;
  const profiles = [...results.keys()];
  let text = `\n${row('passed/failed/skipped', profiles)}`;
  for (const suite of suites) {
    const cells = profiles.map((name) =>
      cell((results.get(name) ?? []).filter((one) => suiteOf(one.test) === suite)),
    );
    text += row(suite, cells);
  }
  text += row(
    'together',
    profiles.map((name) => cell(results.get(name) ?? [])),
  );
  const { passed, failed, skipped } = tally(results);
  const total = passed + failed + skipped;
  const rest = `${failed} fail, ${skipped} are skipped everywhere`;
  return `${text}\n${passed} of ${total} tests pass on one profile and fail on none; ${rest}\n`;
}
