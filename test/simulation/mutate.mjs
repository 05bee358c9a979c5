// Breaks one thing in the engine while it is loaded, so that mutants.ts can see whether the simulation
// notices:
//   MUTANT='[{"file":"snapshot/free.ts","find":"…","put":"…"}]' node --import … --import ./test/simulation/mutate.mjs …
// `find` is text of the source without its types, however its lines are broken; it must occur once.
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const edits = JSON.parse(process.env.MUTANT ?? '[]');

export async function load(url, context, next) {
  const loaded = await next(url, context);
  let source = String(loaded.source);
  const own = edits.filter(({ file }) => url.endsWith(`/${file}`));
  if (own.length === 0) return loaded;
  for (const { file, find, put } of own) {
    const words = find.split(/\s+/).map((word) => word.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
    const sought = new RegExp(words.join('\\s+'), 'g');
    if (source.match(sought)?.length !== 1) process.stdout.write(`the mutant does not fit ${file}\n`);
    source = source.replace(sought, () => put);
  }
  return { ...loaded, source };
}

if (isMainThread) register(import.meta.url);
