/** The table of figures, and the page it stands on. */
import assert from 'node:assert';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import type { Measured } from './figure.ts';

const DOCUMENTS = new URL('../../../docs/', import.meta.url);
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

const HEADING = '| figure | measured | bar | holds | conditions |\n| --- | ---: | ---: | --- | --- |\n';

const rowsOf = (lines: readonly Measured[]): string[] =>
  lines.map(
    ({ what, value, bar, holds, conditions: how }) =>
      `| ${what} | ${value} | ${bar} | ${holds ? 'yes' : '**no**'} | ${how} |\n`,
  );

export function table(lines: readonly Measured[]): string {
  return HEADING + rowsOf(lines).join('');
}

const nameOf = (row: string): string => row.split(' | ')[0] ?? '';

/** A document, and which benchmark's figures stand on it. */
export interface Page {
  readonly document: string;
  readonly benchmark: string;
}

/**
 * Puts the table between the marks of the page. Where only some figures were measured, `part`, the lines of the
 * others stay as they are.
 */
export async function writePage(
  { document, benchmark }: Page,
  lines: readonly Measured[],
  part: boolean,
): Promise<void> {
  const path = new URL(document, DOCUMENTS);
  const begin = `<!-- figures: written by npm run bench -- ${benchmark} --write -->`;
  const text = await readFile(path, 'utf8');
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(END)];
  assert(from >= begin.length && to >= from, `${document} has no marks for the figures of ${benchmark}`);
  const rows = part ? merged(rowsBetween(text.slice(from, to)), rowsOf(lines)) : rowsOf(lines);
  const figures = `${conditions()}\n\n${HEADING}${rows.join('')}`;
  await writeFile(path, `${text.slice(0, from)}\n\n${figures}\n${text.slice(to)}`);
}

function rowsBetween(text: string): string[] {
  const lines = text.split('\n').map((line) => `${line}\n`);
  return lines.filter((line) => line.startsWith('| ') && !HEADING.includes(line));
}

/** The new rows in place of those of the same name, and behind the others where there are none. */
export function merged(before: readonly string[], rows: readonly string[]): string[] {
  const left = new Map(rows.map((row) => [nameOf(row), row]));
  const kept = before.map((row) => {
    const now = left.get(nameOf(row));
    left.delete(nameOf(row));
    return now ?? row;
  });
  return [...kept, ...left.values()];
}
