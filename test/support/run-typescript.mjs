// Lets plain Node run the tests' command-line programs as they stand in the tree:
//   node --import ./test/support/run-typescript.mjs test/conformance/libiscsi.ts
// The sources use erasable syntax only, so turning one into JavaScript is dropping its types.
import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

export async function resolve(specifier, context, next) {
  return next(specifier, { ...context, conditions: ['snaplun-source', ...context.conditions] });
}

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
  const { default: typescript } = await import('typescript');
  const text = await readFile(fileURLToPath(url), 'utf8');
  const { outputText } = typescript.transpileModule(text, {
    fileName: fileURLToPath(url),
    compilerOptions: {
      module: typescript.ModuleKind.ESNext,
      target: typescript.ScriptTarget.ES2023,
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
      inlineSources: true,
    },
  });
  return { format: 'module', shortCircuit: true, source: outputText };
}

// The same file is the program's preload and, on Node's own loader thread, the hooks.
if (isMainThread) {
  process.setSourceMapsEnabled(true);
  register(import.meta.url);
}
