/**
 * The shape of the repository: its folders, its package, its dependencies, and that every test says what it
 * shows.
 */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readTracked, type Source, trackedPaths, typescriptSources } from './sources.ts';

interface Manifest {
  readonly bin?: Record<string, string>;
  readonly exports?: unknown;
  readonly files?: readonly string[];
  readonly engines?: Record<string, string>;
  readonly scripts?: Record<string, string>;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
}

const manifest = JSON.parse(readTracked('package.json')) as Manifest;

const FOLDERS = ['src', 'protocol', 'lun', 'snapshot', 'test', 'docker', 'protocol/node-iscsi-pdu'];

/** A comment ahead of the tests, or a suite whose name is a sentence. */
function saysWhatItShows({ text }: Source): boolean {
  const firstTest = text.search(/^\s*(test|it)(\.each)?\b[^\n]*\(/m);
  const opening = firstTest < 0 ? text : text.slice(0, firstTest);
  return (
    /^\s*(\/\*\*|\/\/) ?\S+ \S+ \S+|^\/\*\*\s*\n \* \S+ \S+/m.test(opening) ||
    /describe\(\s*['"`]\S+ \S+ \S+/.test(opening)
  );
}

/** The programs a package brings, by which scripts name it. */
function programsOf(name: string): string[] {
  const { bin } = JSON.parse(readInstalled(`${name}/package.json`)) as {
    bin?: string | Record<string, string>;
  };
  if (bin === undefined) return [];
  return typeof bin === 'string' ? [name.slice(name.indexOf('/') + 1)] : Object.keys(bin);
}

function readInstalled(path: string): string {
  return readTracked(`node_modules/${path}`);
}

function isUsed(name: string): boolean {
  if (name === '@types/node') return typescriptSources.some(({ text }) => text.includes("from 'node:"));
  const imported = name.replace(/^@types\//, '');
  if (typescriptSources.some(({ text }) => text.includes(`'${imported}'`) || text.includes(`'${imported}/`)))
    return true;
  const scripts = Object.values(manifest.scripts ?? {}).join('\n');
  return programsOf(name).some((program) => new RegExp(`(^|[ \\n])${program}( |$)`, 'm').test(scripts));
}

describe('The repository keeps its shape', () => {
  test('docs/SCSI.md names tests that exist', () => {
    const named = [...readTracked('docs/SCSI.md').matchAll(/`([\w/-]+\.test\.ts)`/g)].map(([, path]) => path);
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((path) => !trackedPaths.includes(`test/${path}`))).toEqual([]);
  });

  test.each(FOLDERS)('the folder %s exists and holds tracked files', (folder) => {
    expect(trackedPaths.some((path) => path.startsWith(`${folder}/`))).toBe(true);
  });

  test('package.json says what is run, exported, published, and on which Node', () => {
    expect(manifest.bin).toEqual({ snaplun: 'dist/src/main.js' });
    expect(manifest.exports).toBeDefined();
    expect(manifest.files).toContain('dist');
    expect(manifest.engines?.['node']).toBe('>=20.19.0');
    for (const path of manifest.files ?? []) {
      const tracked = trackedPaths.some((one) => one === path || one.startsWith(`${path}/`));
      expect(path.includes('dist') || tracked || existsSync(path), path).toBe(true);
    }
  });

  test('every dependency is used', () => {
    const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(names.filter((name) => !isUsed(name))).toEqual([]);
  });

  test('every file of tests opens with what it shows', () => {
    const files = typescriptSources.filter(({ path }) => path.endsWith('.test.ts'));
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => !saysWhatItShows(file)).map(({ path }) => path)).toEqual([]);
  });

  test('a file of tests that says nothing is noticed', () => {
    const silent = "import { test } from 'vitest';\n\ntest('a', () => {});\n";
    expect(saysWhatItShows({ path: 'sample.test.ts', text: silent })).toBe(false);
    expect(saysWhatItShows({ path: 'sample.test.ts', text: `/** Shows one thing. */\n${silent}` })).toBe(
      true,
    );
  });
});
