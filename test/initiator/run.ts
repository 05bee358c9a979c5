/** Runs scenarios of Linux's own initiator against a fresh server each. See `--help`. */
import { createWriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePackages, GUEST_PROGRAMS } from '../setup/packages.ts';
import { startServer } from '../support/server.ts';
import { runInGuest } from './guest.ts';
import { DISK, SCENARIOS, type Scenario, scriptOf } from './scenarios.ts';

const HELP = `usage: npm run test:initiator -- [--quiet] [SCENARIO...]
Without a name: smoke; "all": every scenario.
${SCENARIOS.map((one) => `  ${one.name.padEnd(18)}${one.about}\n`).join('')}
--quiet keeps the guest's console out of sight unless the scenario fails.
The first run builds the guest, which takes about a minute.
example: npm run test:initiator -- ext4-smoke
`;

const seconds = (ms: number): string => (ms / 1000).toFixed(1);

/** Whether the scenario's script ended with status 0. */
async function runScenario(scenario: Scenario, quiet: boolean): Promise<boolean> {
  const startedMs = performance.now();
  const server = await startServer({ args: ['--init', `${DISK}:${scenario.diskSize}`] });
  const logPath = join(tmpdir(), `snaplun-initiator-${process.pid}-${scenario.name}.log`);
  const log = createWriteStream(logPath);
  let kept = '';
  await scenario.prepare?.(server);
  const end = await runInGuest({
    script: scriptOf(scenario),
    args: [server.target, '0', ...scenario.args],
    port: server.port,
    timeoutMs: scenario.timeoutMs,
    hostSide: scenario.hostSide(server),
    onConsole: (text) => {
      log.write(text);
      if (quiet) kept += text;
      else process.stdout.write(text);
    },
  }).finally(() => server.stop());
  log.end(`--- the server's log\n${server.log}`);
  const passed = end.status === 0;
  if (!passed) process.stdout.write(`${kept}--- the server's log\n${server.log}`);
  const how = passed ? 'passed' : `FAILED (${end.timedOut ? 'time is over' : `status ${end.status}`})`;
  const ready = end.readyMs === undefined ? 'never' : `after ${seconds(end.readyMs)} s`;
  const total = seconds(performance.now() - startedMs);
  process.stdout.write(`${scenario.name}: ${how}; guest ready ${ready}, total ${total} s, log ${logPath}\n`);
  return passed;
}

async function main(words: readonly string[]): Promise<number> {
  const names = words.filter((word) => !word.startsWith('--'));
  const options = words.filter((word) => word.startsWith('--'));
  const wanted =
    names.length === 0 ? ['smoke'] : names.includes('all') ? SCENARIOS.map((one) => one.name) : names;
  const scenarios = SCENARIOS.filter((one) => wanted.includes(one.name));
  const wrong = scenarios.length < wanted.length || options.some((option) => option !== '--quiet');
  if (wrong) {
    process.stdout.write(HELP);
    return options.includes('--help') ? 0 : 2;
  }
  const obstacle = ensurePackages(GUEST_PROGRAMS);
  if (obstacle !== undefined) {
    process.stderr.write(`snaplun: ${obstacle}\n`);
    return 1;
  }
  let failed = 0;
  for (const scenario of scenarios) {
    if (!(await runScenario(scenario, options.includes('--quiet')))) failed += 1;
  }
  process.stdout.write(`${scenarios.length - failed} passed, ${failed} failed, 0 skipped\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
