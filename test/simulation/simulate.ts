/** Runs a script and says in words what went wrong. */
import { play } from './runner.ts';
import type { Script } from './script.ts';
import { newTally, type Tally } from './tally.ts';

export type Say = (line: string) => void;

/** Undefined when all went well. The tally counts what was run in any case. */
export async function failureOf(
  script: Script,
  tally: Tally = newTally(),
  say?: Say,
): Promise<string | undefined> {
  const stray: unknown[] = [];
  const onStray = (cause: unknown): void => {
    stray.push(cause);
  };
  process.on('unhandledRejection', onStray);
  try {
    await play(script, tally, say);
    return stray.length === 0 ? undefined : `nobody handled: ${explain(stray[0])}`;
  } catch (cause) {
    return explain(cause);
  } finally {
    process.off('unhandledRejection', onStray);
  }
}

/** An error with its causes; those of our own making with the place where they arose. */
function explain(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const expected = ['Disagreement', 'StoreError', 'OperatorError'].includes(cause.name);
  const own = expected ? `${cause.name}: ${cause.message}` : (cause.stack ?? cause.message);
  return cause.cause === undefined ? own : `${own}\n  because of ${explain(cause.cause)}`;
}
