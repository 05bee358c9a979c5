/** What a snapshot benchmark measures, and how a measurement is judged. */
import type { Generators } from '../generators.ts';

/** One line of the table. */
export interface Measured {
  readonly what: string;
  /** As it is printed, with its unit. */
  readonly value: string;
  readonly bar: string;
  readonly holds: boolean;
  readonly conditions: string;
}

export interface Bench {
  readonly generators: Generators;
  /** Smaller and shorter: it shows that the benchmark works, not what the figure is. */
  readonly quick: boolean;
  /** Tells what is being done. */
  say(text: string): void;
}

export interface Figure {
  readonly name: string;
  readonly title: string;
  /** Roughly how long it takes on an idle machine with two processors. */
  readonly seconds: number;
  run(bench: Bench): Promise<readonly Measured[]>;
}

/** The smallest value that at least `share` of all do not exceed; NaN when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function atMost(
  value: number,
  limit: number,
  unit: string,
): Pick<Measured, 'value' | 'bar' | 'holds'> {
  return { value: `${rounded(value)} ${unit}`, bar: `≤ ${rounded(limit)} ${unit}`, holds: value <= limit };
}

export function atLeast(
  value: number,
  limit: number,
  unit: string,
): Pick<Measured, 'value' | 'bar' | 'holds'> {
  return {
    value: `${rounded(value)} ${unit}`.trim(),
    bar: `≥ ${rounded(limit)} ${unit}`.trim(),
    holds: value >= limit,
  };
}

/** Three digits that count, large numbers with commas. */
export function rounded(value: number): string {
  if (Number.isNaN(value)) return 'n/a';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  return Number(value.toPrecision(3)).toString();
}

/** One figure that fails does not keep the others from being measured. */
export async function measured<B>(
  figure: { readonly title: string; run(bench: B): Promise<readonly Measured[]> },
  bench: B,
): Promise<readonly Measured[]> {
  try {
    return await figure.run(bench);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${error instanceof Error ? (error.stack ?? why) : why}\n`);
    return [
      { what: figure.title, value: 'failed', bar: '', holds: false, conditions: why.split('\n')[0] ?? '' },
    ];
  }
}
