/** The table of figures, and the page it stands on. */
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import type { Measured } from './figure.ts';

const PAGE = new URL('../../../docs/SNAPSHOTS.md', import.meta.url);
const BEGIN = '<!-- figures: written by npm run bench -- snapshots --write -->';
const END = '<!-- end of figures -->';

/** What was measured on, in one sentence. */
export function conditions(): string {
  const processors = cpus();
  return (
    `Measured ${new Date().toISOString().slice(0, 10)} on ${processors.length} × ` +
    `${processors[0]?.model.trim() ?? 'an unknown processor'}, Node.js ${process.version}, load average at the ` +
    `end ${loadavg()[0]?.toFixed(1)}.`
  );
}

export function table(lines: readonly Measured[]): string {
  const rows = lines.map(
    ({ what, value, bar, holds, conditions: how }) =>
      `| ${what} | ${value} | ${bar} | ${holds ? 'yes' : '**no**'} | ${how} |\n`,
  );
  return `| figure | measured | bar | holds | conditions |\n| --- | ---: | ---: | --- | --- |\n${rows.join('')}`;
}

/** Puts the table between the marks of the page. */
export async function writePage(lines: readonly Measured[]): Promise<void> {
  const text = await readFile(PAGE, 'utf8');
  const from = text.indexOf(BEGIN) + BEGIN.length;
  const to = text.indexOf(END);
  await writeFile(PAGE, `${text.slice(0, from)}\n\n${conditions()}\n\n${table(lines)}\n${text.slice(to)}`);
}
