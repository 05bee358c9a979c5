/** Sizes as the operator writes them: bytes, or K M G T P in powers of 1024 (design of the command line). */
import { OperatorError } from '../lun/errors.ts';

const FACTORS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  p: 1024 ** 5,
};

/** The size in bytes, 1 … 2^53 - 1; an OperatorError repeats what is none. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmgtp]?)(?:i?b)?$/i.exec(text.trim());
  const bytes =
    match === null ? Number.NaN : Number(match[1]) * (FACTORS[(match[2] ?? '').toLowerCase()] ?? 1);
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new OperatorError(
      'bad-size',
      `"${text}" is no size: want bytes, or a number with K, M, G or T (powers of 1024)`,
    );
  }
  return bytes;
}

/** As `parseSize` reads it, exactly: the largest unit of which it is a whole number. */
export function exactSize(bytes: number): string {
  for (const unit of ['P', 'T', 'G', 'M', 'K']) {
    const factor = FACTORS[unit.toLowerCase()] ?? 1;
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}

/** For people: the largest unit that leaves at least 1, with up to one decimal. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = '';
  for (const next of ['K', 'M', 'G', 'T', 'P']) {
    // What would round up to 1024 belongs to the next unit.
    if (value < 1023.95) break;
    value /= 1024;
    unit = next;
  }
  const text = Number.isInteger(value) ? String(value) : value.toFixed(1);
  return unit === '' ? `${text} B` : `${text} ${unit}iB`;
}
