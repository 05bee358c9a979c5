// Breaks one thing in the engine while it is loaded, so that mutants.ts can see whether the simulation
// notices:
//   MUTANT='{"file":"snapshot/free.ts","find":"…","put":"…"}' node --import … --import ./test/simulation/mutate.mjs …
// `find` is text of the source without its types; it must occur.
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

const mutant = JSON.parse(process.env.MUTANT ?? 'null');

export async function load(url, context, next) {
  const loaded = await next(url, context);
  if (mutant === null || !url.endsWith(`/${mutant.file}`)) return loaded;
  const text = String(loaded.source);
  const broken = text.replace(mutant.find, () => mutant.put);
  if (broken === text) process.stdout.write(`the mutant does not fit ${mutant.file}\n`);
  return { ...loaded, source: broken };
}

if (isMainThread) register(import.meta.url);
