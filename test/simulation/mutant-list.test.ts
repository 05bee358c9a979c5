/**
 * Shows that every deliberate fault still fits the engine: the text it replaces occurs once. That the
 * simulation notices them takes minutes: `npm run simulate:mutants`.
 */
import typescript from 'typescript';
import { expect, test } from 'vitest';
import { readTracked } from '../rules/sources.ts';
import { MUTANTS } from './mutant-list.ts';

/** A source as it is loaded (test/support/run-typescript.mjs), its lines broken nowhere. */
function loaded(path: string): string {
  const { outputText } = typescript.transpileModule(readTracked(path), {
    compilerOptions: {
      module: typescript.ModuleKind.ESNext,
      target: typescript.ScriptTarget.ES2023,
      verbatimModuleSyntax: true,
    },
  });
  return oneLine(outputText);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ');
}

test.each(MUTANTS.map((mutant) => [mutant.what, mutant] as const))('%s', (_, { edits }) => {
  for (const { file, find } of edits) expect(loaded(file).split(oneLine(find))).toHaveLength(2);
});
