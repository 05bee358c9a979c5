// When a schedule is due: intervals and times of the day against moments worked out by hand.
import { describe, expect, test } from 'vitest';
import {
  checkWhen,
  intervalText,
  nextDue,
  parseEvery,
  parseTimes,
} from '../../../../src/schedules/timing.ts';

const next = (when: Parameters<typeof nextDue>[0], after: string): string =>
  new Date(nextDue(when, Date.parse(after))).toISOString();

describe('the next run', () => {
  test.each([
    ['15m', '2026-11-25T10:00:00.000Z', '2026-11-25T10:15:00.000Z'],
    ['15m', '2026-11-25T10:14:59.999Z', '2026-11-25T10:15:00.000Z'],
    ['1h', '2026-12-31T23:30:00.000Z', '2027-01-01T00:00:00.000Z'],
    ['6h', '2026-11-25T05:00:00.000Z', '2026-11-25T06:00:00.000Z'],
    ['1d', '2028-02-28T00:00:00.000Z', '2028-02-29T00:00:00.000Z'],
  ])('of every %s after %s is %s', (every, after, due) => {
    expect(next(parseEvery(every), after)).toBe(due);
  });

  test.each([
    [['02:00'], '2026-11-25T01:59:59.999Z', '2026-11-25T02:00:00.000Z'],
    [['02:00'], '2026-11-25T02:00:00.000Z', '2026-11-26T02:00:00.000Z'],
    [['14:30', '2:05'], '2026-11-25T02:05:00.000Z', '2026-11-25T14:30:00.000Z'],
    [['14:30', '2:05'], '2026-11-30T23:00:00.000Z', '2026-12-01T02:05:00.000Z'],
  ])('at %s after %s is %s', (times, after, due) => {
    expect(next(parseTimes(times), after)).toBe(due);
  });
});

test('what is no interval and no time is refused by name', () => {
  for (const text of ['', '15', 'm', '1.5h', '-1h', '1y', '1 h']) {
    expect(() => parseEvery(text)).toThrow(`"${text}" is no interval`);
  }
  for (const text of ['', '24:00', '12:60', '12', '1:2']) {
    expect(() => parseTimes([text])).toThrow(`"${text}" is no time`);
  }
  expect(() => checkWhen(parseEvery('0m'))).toThrow(/between 1 minute and 366 days/);
  expect(() => checkWhen(parseEvery('367d'))).toThrow(/between 1 minute and 366 days/);
  expect(() => checkWhen(parseTimes([]))).toThrow(/at least one time/);
});

test('an interval is written in its largest unit', () => {
  for (const text of ['1m', '90m', '1h', '36h', '1d', '1w', '2w']) {
    const when = parseEvery(text);
    expect('everyMinutes' in when && intervalText(when.everyMinutes)).toBe(text);
  }
});
