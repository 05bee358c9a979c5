/**
 * libiscsi's own test suite as a list of tests, each of which can be run by itself and judged by what it
 * printed.
 */
import assert from 'node:assert';
import { type Outcome, run } from '../support/child.ts';

const TOOL = 'iscsi-test-cu';

/** Lost to its own heap now and then (SIGSEGV, SIGABRT): such a run says nothing about the target. */
const ATTEMPTS_MAX = 3;

/**
 * Tests of several commands of which a unit need not have each: they go on after the one that it has not, and
 * are judged by the others.
 */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'Sanitize.Readonly': 'SANITIZE CRYPTO_ERASE',
  'Sanitize.Reservations': 'SANITIZE CRYPTO_ERASE',
};

export const VERDICTS = ['pass', 'fail', 'skip'] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface Judgement {
  /** `SUITE.TEST`, as in `Read10.Simple`. */
  readonly test: string;
  readonly verdict: Verdict;
  /** The first line that explains a verdict other than `pass`, or what a test that passed left out. */
  readonly why: string;
  readonly elapsedMs: number;
  /** Everything the tool printed. */
  readonly output: string;
}

/** Every test the installed tool knows, as `SUITE.TEST`, in its own order. */
export async function listTests(): Promise<string[]> {
  const outcome = await run(TOOL, ['--list']);
  assert(outcome.code === 0, `${TOOL} --list: exit ${outcome.code}: ${outcome.stderr}`);
  const names = outcome.stdout.split('\n').map((line) => line.trim().split('.'));
  return names
    .filter((words) => words[0] === 'ALL' && words.length === 3)
    .map((words) => words.slice(1).join('.'));
}

/** CUnit counts a skipped test as passed, so the verdict is read from the lines of the one test that ran. */
export function judge(test: string, outcome: Outcome): Judgement {
  const output = outcome.stdout + outcome.stderr;
  const lines = output.split('\n').map((line) => line.trim());
  const summary = /^\s*tests\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)/m.exec(output);
  const say = (verdict: Verdict, why = ''): Judgement => {
    return { test, verdict, why, elapsedMs: outcome.elapsedMs, output };
  };
  if (outcome.timedOut) return say('fail', `no end after ${Math.round(outcome.elapsedMs / 1000)} s`);
  if (outcome.signal !== undefined) return say('fail', `the tool died of ${outcome.signal}`);
  if (summary === null) return say('fail', lines.findLast((line) => line !== '') ?? 'no output');
  if (summary[2] !== '1') return say('fail', 'the test did not run');
  if (summary[3] !== '1' || /\.\.\.\s*FAILED/.test(output)) {
    return say('fail', lines.find((line) => /\[FAILED\]|^\d+\. /.test(line)) ?? 'an assertion failed');
  }
  const skipped = lines.find((line) => line.includes('[SKIPPED]') && !line.includes(LEFT_OUT[test] ?? '\n'));
  if (skipped !== undefined) return say('skip', skipped.slice(skipped.indexOf('[SKIPPED]')));
  return say('pass', output.includes('[SKIPPED]') ? `all but ${LEFT_OUT[test]}` : '');
}

/** Runs one test. The URL stands for both paths of the multipath tests. */
export async function runTest(test: string, url: string, timeoutMs: number): Promise<Judgement> {
  const args = ['--dataloss', '--allow-sanitize', '--verbose', `--test=ALL.${test}`, url, url];
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await run(TOOL, args, { timeoutMs });
    const toolDied = !outcome.timedOut && outcome.signal !== undefined;
    if (!toolDied || attempt === ATTEMPTS_MAX) return judge(test, outcome);
  }
}
