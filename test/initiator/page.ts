/** docs/INITIATORS.md: what each scenario shows, and how it went when all of them were last run. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildImage } from './guest.ts';
import type { Scenario } from './scenarios.ts';

const PAGE = new URL('../../docs/INITIATORS.md', import.meta.url);

export interface Result {
  readonly scenario: Scenario;
  /** What was not as it should be; none: passed. */
  readonly faults: readonly string[];
  /** Boots of the guests included. */
  readonly tookMs: number;
}

export const seconds = (ms: number): string => (ms / 1000).toFixed(0);

function row({ scenario, faults, tookMs }: Result): string {
  const how = faults.length === 0 ? 'passed' : `**failed**: ${faults.join(', ')}`;
  return `| \`${scenario.name}\` | ${scenario.shows} | ${how}, ${seconds(tookMs)} s |`;
}

export async function writePage(results: readonly Result[]): Promise<void> {
  const versions = await readFile(join(await buildImage(), 'versions'), 'utf8');
  const lines = [
    "# Linux's own initiator",
    '',
    "open-iscsi and the kernel's iscsi_tcp, in a small QEMU guest made from Debian packages alone. `npm run test:initiator` runs",
    'every scenario against a server of its own, stops that, proves its pool with `pool check`, and writes this page; names after',
    '`--` run some of them. `.ci/run` runs `smoke`. A scenario fails when the kernel complains of an error that it did not',
    'expect. The guest runs under software emulation: the times are those of the test, boot included, and say nothing about speed.',
    '',
    `Last run with ${versions.trim().replaceAll('\n', ', ')}:`,
    '',
    '| scenario | what it shows | last result |',
    '|---|---|---|',
    ...results.map(row),
  ];
  await writeFile(PAGE, `${lines.join('\n')}\n`);
}
