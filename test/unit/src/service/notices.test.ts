// The words of sd_notify(3) and when they are said, under a clock of the test's own; and which environments
// ask for signs of life.
import { expect, test } from 'vitest';
import { ServiceNotices, watchdogOf } from '../../../../src/service/notices.ts';
import { ManualTimers } from '../../../support/manual-timers.ts';

function told(watchdogMs: number | undefined): {
  said: string[];
  timers: ManualTimers;
  notices: ServiceNotices;
} {
  const timers = new ManualTimers(0);
  const clock = {
    nowMs: () => timers.nowMs,
    wallMs: () => timers.nowMs,
    after: (ms: number, run: () => void) => timers.after(ms, run),
    defer: queueMicrotask,
  };
  const said: string[] = [];
  return {
    said,
    timers,
    notices: new ServiceNotices({ send: (text) => said.push(text), watchdogMs, clock }),
  };
}

test('signs of life begin with readiness, and come twice in each time that is asked for', async () => {
  const { said, timers, notices } = told(1_000);
  await timers.advance(5_000);
  expect(said).toEqual([]);
  notices.ready('serving');
  expect(said.splice(0)).toEqual(['READY=1\nSTATUS=serving', 'WATCHDOG=1']);
  await timers.advance(499);
  expect(said).toEqual([]);
  await timers.advance(1_001);
  expect(said.splice(0)).toEqual(['WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1']);
  notices.stopping();
  expect(said).toEqual(['STOPPING=1\nSTATUS=stopping']);
});

test('nobody who asks for none gets signs of life', async () => {
  const { said, timers, notices } = told(undefined);
  notices.ready('serving');
  await timers.advance(100_000);
  expect(said).toEqual(['READY=1\nSTATUS=serving']);
});

test.each([
  [{}, undefined],
  [{ WATCHDOG_USEC: '30000000' }, 30_000],
  [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 30_000],
  [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, undefined],
  [{ WATCHDOG_USEC: '0' }, undefined],
  [{ WATCHDOG_USEC: '-1' }, undefined],
  [{ WATCHDOG_USEC: 'soon' }, undefined],
])('%j asks for %s ms', (environment, expected) => {
  expect(watchdogOf(environment, 7)).toBe(expected);
});
