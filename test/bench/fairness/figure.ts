import assert from 'node:assert';
import { CASES, type Case } from '../cases.ts';
import type { Generators } from '../generators.ts';
import type { Measured } from '../snapshots/figure.ts';

/** What the figures are measured with. */
export interface FairnessBench {
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

export interface FairnessFigure {
  readonly name: string;
  readonly title: string;
  run(bench: FairnessBench): Promise<readonly Measured[]>;
}

export function caseNamed(name: string): Case {
  return CASES.find((one) => one.name === name) ?? assert.fail(`no case ${name}`);
}
