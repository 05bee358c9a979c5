/** The files the rules are about: what git tracks, read once. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import typescript from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface Source {
  /** Relative to the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

const listed = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 26 });

/** Paths of all tracked files that still exist. */
export const trackedPaths: readonly string[] = listed
  .split('\0')
  .filter((path) => path !== '' && existsSync(ROOT + path));

export function readTracked(path: string): string {
  return readFileSync(ROOT + path, 'utf8');
}

function read(pattern: RegExp): Source[] {
  return trackedPaths.filter((path) => pattern.test(path)).map((path) => ({ path, text: readTracked(path) }));
}

export const typescriptSources: readonly Source[] = read(/\.(ts|mjs)$/);
export const pages: readonly Source[] = read(/\.md$/);

export const isTest = (path: string): boolean => /^test\/|^protocol\/node-iscsi-pdu\/test\//.test(path);
export const isProduct = (path: string): boolean =>
  /^(protocol|lun|snapshot|src)\//.test(path) && !isTest(path);

export function parse({ path, text }: Source): typescript.SourceFile {
  return typescript.createSourceFile(path, text, typescript.ScriptTarget.ES2023, true);
}

/** `path:line` of every place where the pattern occurs. */
export function occurrences(pattern: RegExp, sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  );
}
