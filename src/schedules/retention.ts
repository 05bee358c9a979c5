/**
 * Which snapshots of a schedule are kept: of each of the newest so many hours, days, weeks (from Monday) and
 * months (UTC) that have any, the newest one; and the newest so many whatever their time.
 */
import type { Retention } from './schedule.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 1 January 1970 was a Thursday, the fourth day of its week. */
const DAYS_OF_FIRST_WEEK = 3;

const PERIODS: Readonly<Record<keyof Retention, (atMs: number, index: number) => number>> = {
  last: (_atMs, index) => index,
  hourly: (atMs) => Math.floor(atMs / HOUR_MS),
  daily: (atMs) => Math.floor(atMs / DAY_MS),
  weekly: (atMs) => Math.floor((Math.floor(atMs / DAY_MS) + DAYS_OF_FIRST_WEEK) / 7),
  monthly: (atMs) => new Date(atMs).getUTCFullYear() * 12 + new Date(atMs).getUTCMonth(),
};

/** Those that are to go, of snapshots given in any order; none where nothing says what to keep. */
export function surplus<T extends { readonly createdAtMs: number }>(
  snapshots: readonly T[],
  keep: Retention,
): readonly T[] {
  const wanted = Object.entries(keep) as Array<[keyof Retention, number]>;
  if (wanted.length === 0) return [];
  const newestFirst = [...snapshots].sort((one, other) => other.createdAtMs - one.createdAtMs);
  const kept = new Set<T>();
  for (const [period, count] of wanted) {
    const seen = new Set<number>();
    for (const [index, snapshot] of newestFirst.entries()) {
      const key = PERIODS[period](snapshot.createdAtMs, index);
      if (seen.has(key)) continue;
      if (seen.size === count) break;
      seen.add(key);
      kept.add(snapshot);
    }
  }
  return newestFirst.filter((snapshot) => !kept.has(snapshot));
}
