/**
 * The load generators as the measuring process sees them: started once, ordered together, ended by their ids.
 */
import assert from 'node:assert';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ended, startChild } from '../support/child.ts';
import type { Case } from './cases.ts';
import { Histogram } from './histogram.ts';
import type { Order, Plan, Report, Tally } from './plan.ts';
import { Timeline } from './timeline.ts';

const RUN_TYPESCRIPT = new URL('../support/run-typescript.mjs', import.meta.url).href;
const ANSWER_TIMEOUT_MS = 60_000;

/** Starts one of the benchmark's own programs. */
export function startProgram(name: string, ...args: string[]): ChildProcess {
  return startProgramUnder([], name, ...args);
}

/** The same, started by another program: `under` are the words before its own. */
export function startProgramUnder(under: readonly string[], name: string, ...args: string[]): ChildProcess {
  const program = fileURLToPath(new URL(name, import.meta.url));
  const words = [...under, process.execPath, '--import', RUN_TYPESCRIPT, program, ...args];
  return startChild(words[0] as string, words.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

/** The next message of the program; rejects when it ends instead, or says nothing. */
export function nextMessage<T>(child: ChildProcess, timeoutMs = ANSWER_TIMEOUT_MS): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('close', onClose);
    };
    const fail = (why: string): void => {
      stop();
      reject(new assert.AssertionError({ message: why }));
    };
    const onMessage = (message: unknown): void => {
      stop();
      resolve(message as T);
    };
    const onClose = (): void => fail('a program of the benchmark ended by itself');
    const timer = setTimeout(() => fail('a program of the benchmark gives no answer'), timeoutMs);
    child.on('message', onMessage);
    child.on('close', onClose);
  });
}

/** What all generators counted in one run. */
export interface Load {
  readonly commands: number;
  readonly commandsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly generatorMsPerCommand: number;
  readonly latencies: Histogram;
  /** The longest latency in each slot of time, over all generators. */
  readonly timeline: Timeline;
}

export class Generators {
  readonly #children: readonly ChildProcess[];

  constructor(count: number) {
    this.#children = Array.from({ length: count }, () => startProgram('generator.ts'));
  }

  /** Opens the pattern's sessions, dealt out over the generators. */
  async open(plan: Omit<Plan, 'sessions'>): Promise<void> {
    const all = Array.from({ length: plan.pattern.sessions }, (_, session) => session);
    const count = this.#children.length;
    await this.#order((generator) => ({
      say: 'open',
      plan: { ...plan, sessions: all.filter((session) => session % count === generator) },
    }));
  }

  /** Loads the target from all open sessions at once. */
  async run(pattern: Case, until: { durationMs: number; commandsMax?: number }): Promise<Load> {
    const commandsMax = until.commandsMax ?? Number.MAX_SAFE_INTEGER;
    const { durationMs } = until;
    const reports = await this.#order(() => ({ say: 'run', durationMs, commandsMax }), durationMs);
    const tallies = reports.flatMap((report): Tally[] => (report.say === 'ran' ? [report.tally] : []));
    const latencies = new Histogram();
    const timeline = new Timeline();
    for (const tally of tallies) {
      latencies.merge(tally.latencyCounts);
      timeline.merge(tally.timeline);
    }
    const commands = tallies.reduce((sum, tally) => sum + tally.commands, 0);
    const processorMs = tallies.reduce((sum, tally) => sum + tally.processorMs, 0);
    const elapsedMs = Math.max(...tallies.map((tally) => tally.elapsedMs));
    const commandsPerSecond = (commands / elapsedMs) * 1000;
    return {
      commands,
      commandsPerSecond,
      bytesPerSecond: commandsPerSecond * pattern.transferBytes,
      generatorMsPerCommand: processorMs / commands,
      latencies,
      timeline,
    };
  }

  async close(): Promise<void> {
    await this.#order(() => ({ say: 'close' }));
  }

  async stop(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(this.#children.map((child) => ended(child)));
  }

  async #order(what: (generator: number) => Order, durationMs = 0): Promise<Report[]> {
    const answers = this.#children.map((child, generator) => {
      const answer = nextMessage<Report>(child, durationMs + ANSWER_TIMEOUT_MS);
      child.send(what(generator));
      return answer;
    });
    const reports = await Promise.all(answers);
    const failed = reports.find((report) => report.say === 'failed');
    assert(failed?.say !== 'failed', failed?.why);
    return reports;
  }
}
