/**
 * When a schedule is due. Everything is in UTC, so that no hour comes twice or never: intervals are counted
 * from 1970, hence `1h` is the full hour and `1d` midnight; times of the day are hours and minutes.
 */
import { OperatorError } from '../../lun/errors.ts';

/** An interval, or times of the day, in minutes since midnight, ascending. */
export type When = { readonly everyMinutes: number } | { readonly atMinutes: readonly number[] };

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;
const DAY_MS = DAY_MINUTES * MINUTE_MS;
const EVERY_MINUTES_MAX = 366 * DAY_MINUTES;
const TIMES_MAX = DAY_MINUTES;

const UNITS = [
  ['w', 7 * DAY_MINUTES],
  ['d', DAY_MINUTES],
  ['h', 60],
  ['m', 1],
] as const;

/** `15m`, `1h`, `1d`, `1w`; OperatorError bad-schedule. */
export function parseEvery(text: string): When {
  const match = /^(\d{1,6})([mhdw])$/.exec(text);
  const unit = UNITS.find(([letter]) => letter === match?.[2]);
  if (unit === undefined) {
    throw new OperatorError('bad-schedule', `"${text}" is no interval: want 15m, 1h, 1d or 1w`);
  }
  return { everyMinutes: Number(match?.[1]) * unit[1] };
}

/** `02:00`, and more of them; OperatorError bad-schedule. */
export function parseTimes(texts: readonly string[]): When {
  const minutes = texts.map((text) => {
    const [, hour, minute] = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text) ?? [];
    if (hour === undefined)
      throw new OperatorError('bad-schedule', `"${text}" is no time: want HH:MM, in UTC`);
    return Number(hour) * 60 + Number(minute);
  });
  return { atMinutes: [...new Set(minutes)].sort((one, other) => one - other) };
}

export function checkWhen(when: When): void {
  if ('everyMinutes' in when) {
    const { everyMinutes } = when;
    if (Number.isInteger(everyMinutes) && everyMinutes >= 1 && everyMinutes <= EVERY_MINUTES_MAX) return;
    throw new OperatorError('bad-schedule', 'an interval is between 1 minute and 366 days');
  }
  if (when.atMinutes.length >= 1 && when.atMinutes.length <= TIMES_MAX) return;
  throw new OperatorError('bad-schedule', 'a schedule wants --every, or --at with at least one time');
}

/** As `parseEvery` reads it. */
export function intervalText(everyMinutes: number): string {
  const [letter, minutes] = UNITS.find(([, unit]) => everyMinutes % unit === 0) ?? ['m', 1];
  return `${everyMinutes / minutes}${letter}`;
}

/** HH:MM each. */
export function timesOf(atMinutes: readonly number[]): readonly string[] {
  const two = (value: number): string => String(value).padStart(2, '0');
  return atMinutes.map((minutes) => `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`);
}

/** The same in words, as `--every` and `--at` take them. */
export function whenWords(when: When): { readonly every: string } | { readonly at: readonly string[] } {
  if ('everyMinutes' in when) return { every: intervalText(when.everyMinutes) };
  return { at: timesOf(when.atMinutes) };
}

/** The first moment after `afterMs` (milliseconds since 1970) at which it is due. */
export function nextDue(when: When, afterMs: number): number {
  if ('everyMinutes' in when) {
    const stepMs = when.everyMinutes * MINUTE_MS;
    return (Math.floor(afterMs / stepMs) + 1) * stepMs;
  }
  const midnightMs = Math.floor(afterMs / DAY_MS) * DAY_MS;
  const today = when.atMinutes.map((minutes) => midnightMs + minutes * MINUTE_MS);
  const later = today.find((atMs) => atMs > afterMs);
  return later ?? (today[0] as number) + DAY_MS;
}
