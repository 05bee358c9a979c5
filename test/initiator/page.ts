/** docs/INITIATORS.md: what each scenario shows, and how it went when it was last run for the page. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildImage } from './guest.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';

const PAGE = new URL('../../docs/INITIATORS.md', import.meta.url);

export interface Result {
  readonly scenario: Scenario;
  /** What was not as it should be; none: passed. */
  readonly faults: readonly string[];
  /** Boots of the guests included. */
  readonly tookMs: number;
  /** When it ended. */
  readonly endedAt: Date;
}

export const seconds = (ms: number): string => (ms / 1000).toFixed(0);

/** How a row of the page begins, by which it is found again. */
const nameCell = ({ name }: Scenario): string => `| \`${name}\` |`;

/** What the last three columns say: result, day (UTC), seconds. */
function outcome({ faults, tookMs, endedAt }: Result): string {
  // A fault may be what a command printed, which would break the table.
  const words = faults.join(', ').replaceAll('|', '/').replaceAll(/\s+/g, ' ');
  const how = faults.length === 0 ? 'passed' : `**failed**: ${words}`;
  return `${how} | ${endedAt.toISOString().slice(0, 10)} | ${seconds(tookMs)} |`;
}

/** A scenario that is not among the results keeps the outcome that an earlier page tells. */
function row(scenario: Scenario, results: readonly Result[], earlier: readonly string[]): string {
  const result = results.find((one) => one.scenario === scenario);
  const old = earlier.find((line) => line.startsWith(nameCell(scenario)));
  const kept = old?.split('|').slice(3).join('|').trim() ?? 'not run | | |';
  return `${nameCell(scenario)} ${scenario.shows} | ${result === undefined ? kept : outcome(result)}`;
}

/** Writes the page anew with what came of `results`. */
export async function recordResults(results: readonly Result[]): Promise<void> {
  const earlier = (await readFile(PAGE, 'utf8')).split('\n');
  const versions = await readFile(join(await buildImage(), 'versions'), 'utf8');
  const lines = [
    "# Linux's own initiator",
    '',
    "open-iscsi and the kernel's iscsi_tcp, in a small QEMU guest made from Debian packages alone. `npm run test:initiator` runs",
    'every scenario, each against a server of its own, stops that, proves its pool with `pool check`, and writes this page.',
    'Names after `--` run some of them; `--record` writes what came of those here too. `.ci/run` runs the short ones. A scenario',
    'fails when the kernel complains of an error that it did not expect. The guest runs under software emulation: the times are',
    'those of the test, boot included, on whatever else the machine did, and say nothing about speed.',
    '',
    `The guest of the last run: ${versions.trim().replaceAll('\n', ', ')}.`,
    '',
    '| scenario | what it shows | last result | on | seconds |',
    '|---|---|---|---|---|',
    ...SCENARIOS.map((scenario) => row(scenario, results, earlier)),
  ];
  await writeFile(PAGE, `${lines.join('\n')}\n`);
}
