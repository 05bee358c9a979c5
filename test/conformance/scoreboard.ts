/**
 * docs/CONFORMANCE.md: every test of the suite, how it went here, and beside that how it went on tgt where
 * that is installed. There is no time and no date in it, so that two runs differ only in what differs.
 */
import { PROFILES, whyNotOn } from './profiles.ts';
import { combine, type Results, tally } from './report.ts';
import type { Judgement, Verdict } from './suite.ts';

/** Tests that cannot pass here, and why. Nothing is delayed, limited or special for a test. */
export const EXPLAINED: Readonly<Record<string, string>> = {
  'iSCSITMF.LUNResetSimpleAsync':
    'Asserts what the callback of its request sets before the request has left; libiscsi 1.20 moved the assertion.',
  'Sanitize.Reset': 'Wants an OVERWRITE that still runs after three seconds; here it has ended by then.',
  'Sanitize.CryptoErase': 'CRYPTOGRAPHIC ERASE is for a unit that encrypts; this one does not.',
};

export interface Scores {
  readonly tests: readonly string[];
  readonly own: Results;
  readonly tgt: Results | undefined;
  /** Package versions, as `libiscsi-bin 1.19.0-3`. */
  readonly versions: readonly string[];
}

const WORDS: Readonly<Record<Verdict, string>> = { pass: 'pass', fail: '**fail**', skip: 'skipped' };

function verdictOn(results: Results, profile: string, test: string): Judgement | undefined {
  return results.get(profile)?.find((one) => one.test === test);
}

/** Why a test did not pass everywhere; profiles with the same reason stand together. */
function reason(test: string, own: Results): string {
  const explained = EXPLAINED[test];
  if (explained !== undefined) return explained;
  const byWhy = new Map<string, string[]>();
  for (const { name } of PROFILES) {
    const judgement = verdictOn(own, name, test);
    const why = (judgement?.why ?? whyNotOn(name, test)).replace('[SKIPPED] ', '');
    if (why !== '') byWhy.set(why, [...(byWhy.get(why) ?? []), name]);
  }
  return [...byWhy].map(([why, names]) => `${names.join(', ')}: ${why}`).join('; ');
}

/** A table's cell may not hold its separator, nor what Markdown takes for a mark. */
function cellText(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[|<>]/g, '\\$&').trim();
}

function row(test: string, { own, tgt }: Scores, tgtVerdicts: ReadonlyMap<string, Verdict>): string {
  const cells = PROFILES.map(({ name }) => {
    const judgement = verdictOn(own, name, test);
    return judgement === undefined ? '–' : WORDS[judgement.verdict];
  });
  const peer = tgt === undefined ? [] : [WORDS[tgtVerdicts.get(test) ?? 'skip']];
  return `| ${[test, ...cells, ...peer, cellText(reason(test, own))].join(' | ')} |`;
}

function totals(name: string, results: Results): string {
  const { passed, failed, skipped } = tally(results);
  return `| ${name} | ${passed} | ${failed} | ${skipped} |`;
}

export function scoreboard(scores: Scores): string {
  const { tests, own, tgt, versions } = scores;
  const tgtVerdicts = combine(tgt ?? new Map());
  const heads = [...PROFILES.map(({ name }) => name), ...(tgt === undefined ? [] : ['tgt'])];
  return `${[
    '# Conformance',
    '',
    `libiscsi's own test suite (${versions.join(', ')}), test by test; after a failure the`,
    'target is started anew. `npm run conformance` runs it and writes this page; `.ci/run` runs the plain profile and',
    'fails when a test that passed does not.',
    '',
    'A test passes when it passes on one profile and fails on none. CUnit counts a skipped test as passed; here it is',
    'skipped. A dash: the test does not apply to that unit, or asks it for what it is not; the read-only unit runs',
    'what reads and what wants writing refused.',
    '',
    `| ${tests.length} tests | pass | fail | skipped |`,
    '|---|---|---|---|',
    totals('snaplun', own),
    ...(tgt === undefined ? [] : [totals('tgt', tgt)]),
    '',
    '## Cannot pass',
    '',
    ...Object.entries(EXPLAINED).map(([test, why]) => `- ${test}: ${why}`),
    '',
    '## Every test',
    '',
    `| test | ${heads.join(' | ')} | why not everywhere |`,
    `|---|${heads.map(() => '---|').join('')}---|`,
    ...tests.map((test) => row(test, scores, tgtVerdicts)),
  ].join('\n')}\n`;
}
