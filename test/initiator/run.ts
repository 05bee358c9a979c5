/** Runs scenarios of Linux's own initiator against a fresh server each. See `--help`. */
import { createWriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePackages, GUEST_PROGRAMS } from '../setup/packages.ts';
import { type Server, startServer } from '../support/server.ts';
import { type GuestEnd, runInGuest } from './guest.ts';
import { Host } from './host.ts';
import { type Result, recordResults, seconds } from './page.ts';
import { DISK, SCENARIOS, type Scenario, scriptOf } from './scenarios.ts';

const HELP = `usage: npm run test:initiator -- [--verbose] [--record] [SCENARIO...]
Without a name: every scenario, and what came of each is written to docs/INITIATORS.md.
--record writes it for named ones, too.
${SCENARIOS.map((one) => `  ${one.name}\n      ${one.shows}\n`).join('')}
--verbose shows the guest's console also when the scenario passes.
The first run builds the guest, which takes about a minute.
example: npm run test:initiator -- smoke
`;

/** What one guest of a scenario came to, and what its console said. */
interface GuestReport {
  readonly end: GuestEnd;
  readonly console: string;
  readonly logPath: string;
}

async function runGuest(
  scenario: Scenario,
  server: Server,
  host: Host,
  guest: number,
  verbose: boolean,
): Promise<GuestReport> {
  const logPath = join(tmpdir(), `snaplun-initiator-${process.pid}-${scenario.name}-${guest}.log`);
  const log = createWriteStream(logPath);
  let kept = '';
  const end = await runInGuest({
    script: scriptOf(scenario),
    args: [server.target, '0', ...(scenario.args ?? [])],
    guest,
    port: server.port,
    timeoutMs: scenario.timeoutMs,
    hostSide: (words) => host.obey(words),
    onMark: (text) => host.marked(text),
    onConsole: (text) => {
      log.write(text);
      kept += text;
      if (verbose) process.stdout.write(text);
    },
  });
  log.end();
  if (end.status !== 0) host.guestFailed();
  return { end, console: kept, logPath };
}

/** A graceful stop, and the proof of the pool's invariants after what the guests did to it. */
async function faultOfPool(server: Server): Promise<string | undefined> {
  const { code, signal } = await server.kill('SIGTERM');
  if (code !== 0) return `the server's stop ended with ${signal ?? code}`;
  const check = await server.checkPool();
  return check.code === 0 ? undefined : `pool check: ${check.stdout}${check.stderr}`;
}

async function runGuests(scenario: Scenario, server: Server, verbose: boolean): Promise<GuestReport[]> {
  const guestCount = scenario.guestCount ?? 1;
  const host = new Host(server, guestCount);
  const guests = Array.from({ length: guestCount }, (_, index) => index + 1);
  try {
    await scenario.prepare?.(server);
    return await Promise.all(guests.map((guest) => runGuest(scenario, server, host, guest, verbose)));
  } finally {
    await host.close();
  }
}

/** Passed when every guest's script ended with status 0 and left a sound pool. */
async function runScenario(scenario: Scenario, verbose: boolean): Promise<Result> {
  const startedMs = performance.now();
  const serveArgs = ['--init', `${DISK}:${scenario.diskSize}`, ...(scenario.serveArgs ?? [])];
  const server = await startServer({ args: serveArgs });
  const faults: string[] = [];
  let logs = '';
  try {
    const reports = await runGuests(scenario, server, verbose);
    const failed = reports.filter(({ end }) => end.status !== 0);
    if (!verbose) for (const report of failed) process.stdout.write(report.console);
    for (const { end } of failed) faults.push(end.timedOut ? 'time is over' : `status ${end.status}`);
    const poolFault = failed.length === 0 ? await faultOfPool(server) : undefined;
    if (poolFault !== undefined) faults.push(poolFault);
    logs = reports.map(({ logPath }) => logPath).join(' ');
  } finally {
    await server.stop();
  }
  if (faults.length > 0) process.stdout.write(`--- the server's log\n${server.log}`);
  const how = faults.length === 0 ? 'passed' : `FAILED (${faults.join(', ')})`;
  const tookMs = performance.now() - startedMs;
  process.stdout.write(`${scenario.name}: ${how} in ${seconds(tookMs)} s, log ${logs}\n`);
  return { scenario, faults, tookMs, endedAt: new Date() };
}

async function main(words: readonly string[]): Promise<number> {
  const names = words.filter((word) => !word.startsWith('--'));
  const options = words.filter((word) => word.startsWith('--'));
  const scenarios = SCENARIOS.filter((one) => names.length === 0 || names.includes(one.name));
  const unknown = names.filter((name) => !SCENARIOS.some((one) => one.name === name));
  if (unknown.length > 0 || options.some((option) => !['--verbose', '--record'].includes(option))) {
    process.stdout.write(HELP);
    return options.includes('--help') ? 0 : 2;
  }
  const obstacle = ensurePackages(GUEST_PROGRAMS);
  if (obstacle !== undefined) {
    process.stderr.write(`snaplun: ${obstacle}\n`);
    return 1;
  }
  const results: Result[] = [];
  for (const scenario of scenarios) {
    results.push(await runScenario(scenario, options.includes('--verbose')));
    // After each, so that a run that is cut short leaves what it has shown.
    if (names.length === 0 || options.includes('--record')) await recordResults(results);
  }
  const failed = results.filter(({ faults }) => faults.length > 0).length;
  process.stdout.write(`${scenarios.length - failed} passed, ${failed} failed, 0 skipped\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
