/** Limits of a LUN as the operator writes them, on the command line and in the configuration file. */
import { OperatorError } from '../lun/errors.ts';
import { formatSize, parseSize } from './units-of-size.ts';

/** Reads and writes a second; 0: "none". OperatorError bad-limit repeats what is neither. */
export function parseIopsMax(text: string): number {
  if (text === 'none') return 0;
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new OperatorError(
    'bad-limit',
    `"${text}" is no limit: want how many reads and writes a second, or "none"`,
  );
}

/** Bytes a second; 0: "none". OperatorError bad-size repeats what is neither. */
export function parseThroughputMax(text: string): number {
  return text === 'none' ? 0 : parseSize(text);
}

/** What a LUN that has limits may do; nothing where it has none. */
export function limitWords(limits: {
  readonly iopsMax: number | null;
  readonly throughputMaxBytes: number | null;
}): readonly string[] {
  const { iopsMax, throughputMaxBytes } = limits;
  return [
    ...(iopsMax === null ? [] : [`${iopsMax} IOPS`]),
    ...(throughputMaxBytes === null ? [] : [`${formatSize(throughputMaxBytes)}/s`]),
  ];
}
