// Which snapshots of a schedule go: cases worked out by hand on the calendar.
import { describe, expect, test } from 'vitest';
import { surplus } from '../../../../src/schedules/retention.ts';
import type { Retention } from '../../../../src/schedules/schedule.ts';

/** Times as they are written here, of those that stay, newest first. */
function kept(times: readonly string[], keep: Retention): string[] {
  const snapshots = times.map((time) => ({ time, createdAtMs: Date.parse(`${time}Z`) }));
  const gone = new Set(surplus(snapshots, keep));
  return snapshots.filter((one) => !gone.has(one)).map(({ time }) => time);
}

const DAY = [
  '2026-11-25T12:30',
  '2026-11-25T12:00',
  '2026-11-25T11:30',
  '2026-11-25T09:15',
  '2026-11-24T23:59',
];

describe('what stays', () => {
  test('is everything where nothing is said', () => {
    expect(kept(DAY, {})).toEqual(DAY);
  });

  test('is the newest so many', () => {
    expect(kept(DAY, { last: 2 })).toEqual(DAY.slice(0, 2));
    expect(kept(DAY, { last: 100 })).toEqual(DAY);
  });

  test('is the newest of each hour; an hour without any does not count', () => {
    expect(kept(DAY, { hourly: 3 })).toEqual([DAY[0], DAY[2], DAY[3]]);
  });

  test('is the newest of each day, and what another period keeps besides', () => {
    expect(kept(DAY, { daily: 2 })).toEqual([DAY[0], DAY[4]]);
    expect(kept(DAY, { daily: 2, last: 2 })).toEqual([DAY[0], DAY[1], DAY[4]]);
    expect(kept(DAY, { daily: 1, last: 0 })).toEqual([DAY[0]]);
  });

  test('is the newest of each week, which begins on Monday', () => {
    // 23 November 2026 is a Monday.
    const days = ['2026-11-23T00:00', '2026-11-22T23:59', '2026-11-16T00:00', '2026-11-15T12:00'];
    expect(kept(days, { weekly: 2 })).toEqual([days[0], days[1]]);
    expect(kept(days, { weekly: 3 })).toEqual([days[0], days[1], days[3]]);
  });

  test('is the newest of each month, across years', () => {
    const days = ['2027-01-01T00:00', '2026-12-31T23:59', '2026-12-01T00:00', '2026-11-30T10:00'];
    expect(kept(days, { monthly: 3 })).toEqual([days[0], days[1], days[3]]);
  });

  test('does not depend on the order in which they are given', () => {
    expect(kept([...DAY].reverse(), { hourly: 3 })).toEqual([DAY[3], DAY[2], DAY[0]]);
  });
});
