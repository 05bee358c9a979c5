/**
 * Child processes of the tests: each one started here is killed by its own pid at the latest when this
 * process ends.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

const living = new Set<ChildProcess>();

process.once('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // A process without a listener would die of the signal without its 'exit' event, and leave the children
  // behind.
  if (process.env['VITEST'] === undefined) process.once(signal, () => process.exit(143));
}

export interface Exit {
  /** The exit code, or undefined when a signal ended the process. */
  readonly code: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
}

export interface Outcome extends Exit {
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
  readonly elapsedMs: number;
}

/** A child that dies with us. */
export function startChild(
  program: string,
  args: readonly string[],
  options: SpawnOptions = {},
): ChildProcess {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  living.add(child);
  child.once('close', () => living.delete(child));
  child.once('error', () => living.delete(child));
  return child;
}

/** Resolves when the child has ended and its output is complete; rejects when it could not be started. */
export function ended(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined }));
  });
}

export interface RunOptions {
  readonly timeoutMs?: number;
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end and returns what it said. A program that overstays `timeoutMs` is killed. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const { timeoutMs = 60_000, input, env } = options;
  const startedMs = performance.now();
  const child = startChild(program, args, {
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  child.stdout?.on('data', (chunk: Uint8Array) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Uint8Array) => stderr.push(chunk));
  // A program may end without reading its input; its own exit status tells that story.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  const exit = await ended(child).finally(() => clearTimeout(timer));
  const text = (chunks: readonly Uint8Array[]): string => Buffer.concat(chunks).toString('utf8');
  const elapsedMs = performance.now() - startedMs;
  return { ...exit, stdout: text(stdout), stderr: text(stderr), timedOut, elapsedMs };
}
