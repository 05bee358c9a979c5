/**
 * Runs libiscsi's test suite, one test at a time, on every profile of logical unit, in a few lanes with a
 * target each. `expected.json` names the tests that must pass; the run fails when one of them does not. A run
 * of everything also writes docs/CONFORMANCE.md, with tgt's results beside where that is installed. See
 * `--help`.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { CONFORMANCE_PROGRAMS, ensurePackages } from '../setup/packages.ts';
import { run } from '../support/child.ts';
import { hasTgt, type OpenPeer, PEERS, type Peer, peerElsewhere } from './peers.ts';
import { PROFILES, type Profile, WANTS_FRESH_UNIT } from './profiles.ts';
import { formatReport, type Results, regressions, tally } from './report.ts';
import { scoreboard } from './scoreboard.ts';
import { type Judgement, listTests, runTest } from './suite.ts';

const HELP = `usage: npm run conformance -- [options]
  --profile NAME   plain, removable, read-only or 4096; repeatable (default: all)
  --tests REGEXP   only the tests whose SUITE.TEST matches
  --lanes N        tests at a time, each against a target of its own (default: the processors, 4 at most)
  --peer NAME      snaplun, or tgt (Debian's package) for comparison
  --url URL        a LUN of a target that runs already (its data is lost); one lane, profile plain
  --output         print what each test that did not pass has printed
  --update         write the tests that passed into test/conformance/expected.json
example: npm run conformance -- --profile plain --tests '^Read10' --output
`;

const EXPECTED = new URL('./expected.json', import.meta.url);
const SCOREBOARD = new URL('../../docs/CONFORMANCE.md', import.meta.url);
/** Far more than any test takes: a busy machine is no failure. */
const TEST_TIMEOUT_MS = 240_000;

interface Run {
  readonly open: OpenPeer;
  readonly laneCount: number;
  readonly onJudged: (profile: Profile, judgement: Judgement) => void;
}

/**
 * One lane: takes tests off the common queue until it is empty. A failure may poison the target, so it gets a
 * new one.
 */
async function runLane(
  lane: number,
  profile: Profile,
  queue: string[],
  { open, onJudged }: Run,
): Promise<void> {
  let peer: Peer | undefined;
  try {
    for (let test = queue.shift(); test !== undefined; test = queue.shift()) {
      peer ??= await open(profile, lane);
      const judgement = await runTest(test, peer.url, TEST_TIMEOUT_MS);
      onJudged(profile, judgement);
      if (judgement.verdict === 'fail') {
        await peer.stop();
        peer = undefined;
      }
    }
  } finally {
    await peer?.stop();
  }
}

async function runProfile(profile: Profile, tests: readonly string[], how: Run): Promise<void> {
  const wantsFresh = (test: string): number => (WANTS_FRESH_UNIT.includes(test) ? 0 : 1);
  const queue = tests
    .filter((test) => profile.applies(test))
    .sort((one, other) => wantsFresh(one) - wantsFresh(other));
  const lanes = Array.from({ length: how.laneCount }, (_, lane) => runLane(lane, profile, queue, how));
  await Promise.all(lanes);
}

async function readExpected(): Promise<Record<string, string[]>> {
  return JSON.parse(await readFile(EXPECTED, 'utf8')) as Record<string, string[]>;
}

async function writeExpected(results: Results): Promise<void> {
  const expected = await readExpected();
  for (const [profile, judgements] of results) {
    expected[profile] = judgements.filter((one) => one.verdict === 'pass').map((one) => one.test);
  }
  await writeFile(EXPECTED, `${JSON.stringify(expected, undefined, 2)}\n`);
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      profile: { type: 'string', multiple: true },
      tests: { type: 'string', default: '.' },
      lanes: { type: 'string', default: String(Math.min(4, availableParallelism())) },
      peer: { type: 'string', default: 'snaplun' },
      url: { type: 'string' },
      output: { type: 'boolean', default: false },
      update: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { url } = values;
  if (url !== undefined) Object.assign(values, { profile: values.profile ?? ['plain'], lanes: '1' });
  const unknown = values.profile?.find((name) => !PROFILES.some((profile) => profile.name === name));
  const open = url === undefined ? PEERS[values.peer] : peerElsewhere(url);
  const laneCount = Number(values.lanes);
  if (unknown !== undefined || open === undefined || !Number.isInteger(laneCount) || laneCount < 1)
    return undefined;
  const profiles = PROFILES.filter((profile) => values.profile?.includes(profile.name) ?? true);
  const isWhole = open === PEERS['snaplun'] && profiles.length === PROFILES.length;
  return { ...values, profiles, open, laneCount, isWhole, pattern: new RegExp(values.tests) };
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined || options.help) {
    process.stdout.write(HELP);
    return options === undefined ? 2 : 0;
  }
  const obstacle = ensurePackages(CONFORMANCE_PROGRAMS);
  if (obstacle !== undefined) {
    process.stderr.write(`snaplun: ${obstacle}\n`);
    return 1;
  }
  const order = await listTests();
  const tests = order.filter((test) => options.pattern.test(test));
  const results = await runProfiles(tests, options);
  process.stdout.write(formatReport(results));
  if (options.update) await writeExpected(results);
  if (options.isWhole && tests.length === order.length) await writeScoreboard(tests, results, options);
  return await sumUp(results, tests, options.peer === 'snaplun');
}

type Options = NonNullable<ReturnType<typeof readOptions>>;

async function runProfiles(tests: readonly string[], options: Options): Promise<Results> {
  const results: Map<string, Judgement[]> = new Map();
  for (const profile of options.profiles) {
    const judged: Judgement[] = [];
    results.set(profile.name, judged);
    const onJudged = (_: Profile, one: Judgement): void => {
      judged.push(one);
      const seconds = (one.elapsedMs / 1000).toFixed(1).padStart(5);
      process.stdout.write(
        `${profile.name.padEnd(9)} ${one.verdict} ${seconds} s  ${one.test}  ${one.why}\n`,
      );
      if (options.output && one.verdict !== 'pass') process.stdout.write(`${one.output}\n`);
    };
    await runProfile(profile, tests, { open: options.open, laneCount: options.laneCount, onJudged });
    judged.sort((one, other) => tests.indexOf(one.test) - tests.indexOf(other.test));
  }
  return results;
}

async function versionOf(debianPackage: string): Promise<string> {
  const { stdout } = await run('dpkg-query', ['--show', debianPackage]);
  return stdout.trim().replace('\t', ' ');
}

async function writeScoreboard(tests: readonly string[], own: Results, options: Options): Promise<void> {
  const open = hasTgt() ? PEERS['tgt'] : undefined;
  const versions = [await versionOf('libiscsi-bin')];
  let tgt: Results | undefined;
  if (open !== undefined) {
    process.stdout.write('\nthe same on tgt\n');
    versions.push(await versionOf('tgt'));
    tgt = await runProfiles(tests, { ...options, open });
  }
  await writeFile(SCOREBOARD, scoreboard({ tests, own, tgt, versions }));
  process.stdout.write('\nwrote docs/CONFORMANCE.md\n');
}

/**
 * The last line; against another peer than ours nothing is expected, so every failure is only a fact about
 * it.
 */
async function sumUp(results: Results, tests: readonly string[], guarded: boolean): Promise<number> {
  const { passed, failed, skipped } = tally(results);
  const lost = guarded ? regressions(results, await readExpected(), tests) : [];
  for (const line of lost) process.stdout.write(`must pass and did not: ${line}\n`);
  if (guarded && failed > 0) {
    process.stdout.write(`${failed} fail; those that expected.json does not name count as skipped below\n`);
  }
  const total = passed + failed + skipped;
  const counted = guarded ? { passed, failed: lost.length } : { passed, failed };
  const rest = Math.max(0, total - counted.passed - counted.failed);
  process.stdout.write(`${counted.passed} passed, ${counted.failed} failed, ${rest} skipped\n`);
  return lost.length === 0 ? 0 : 1;
}

process.exitCode = await main();
