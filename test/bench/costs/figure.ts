import assert from 'node:assert';
import { CASES, type Case } from '../cases.ts';
import type { Generators } from '../generators.ts';
import type { Measured } from '../snapshots/figure.ts';

/** What the figures are measured with. */
export interface CostBench {
  /** Two processes, so that one does not wait for the other. */
  readonly calm: Generators;
  readonly busy: Generators;
  readonly rounds: number;
  readonly roundMs: number;
  /** Smaller and shorter: it shows that the benchmark works, not what the figure is. */
  readonly quick: boolean;
  /** Tells what is being done. */
  say(text: string): void;
}

export interface CostFigure {
  readonly name: string;
  readonly title: string;
  run(bench: CostBench): Promise<readonly Measured[]>;
}

export function caseNamed(name: string): Case {
  return CASES.find((one) => one.name === name) ?? assert.fail(`no case ${name}`);
}
