// How long logins wait after others from their address failed, with a clock that is a number: who waits, who
// does not, how the waits add up over many connections, and how much is remembered.
import { expect, test } from 'vitest';
import { GUARD_BOUNDS, LoginGuard } from '../../../../protocol/iscsi/login-guard.ts';

const HERE = '192.0.2.9:50001';

function failing(count: number, nowMs = 0): LoginGuard {
  const guard = new LoginGuard();
  for (let nth = 0; nth < count; nth += 1) guard.failed(HERE, nowMs);
  return guard;
}

test('the first failures cost nothing, then each doubles the wait, up to two seconds', () => {
  const waits = [0, 1, 2, 3, 4, 5, 6, 7, 20].map((count) => failing(count).admit(HERE, 0));
  expect(waits).toEqual([0, 0, 0, 250, 500, 1000, 2000, 2000, 2000]);
});

test('only the address that failed waits, whatever its port', () => {
  const guard = failing(5);
  expect(guard.admit('192.0.2.9:60000', 0)).toBe(1000);
  expect(guard.admit('192.0.2.8:50001', 0)).toBe(0);
  expect(guard.admit('[2001:db8::9]:50001', 0)).toBe(0);
});

test('connections of one address wait in turn, and the queue has an end', () => {
  const guard = failing(6);
  const waits = Array.from({ length: 6 }, () => guard.admit(HERE, 0));
  expect(waits).toEqual([2000, 4000, 6000, 8000, undefined, undefined]);
  expect([guard.delayed, guard.refused]).toEqual([4, 2]);
  // Two seconds later there is one place again.
  expect(guard.admit(HERE, 2000)).toBe(8000);
  expect(guard.admit(HERE, 2000)).toBeUndefined();
});

test('guessing goes at one proof in two seconds, however it is spread', () => {
  const guard = failing(10);
  let looked = 0;
  for (let nowMs = 0; nowMs < 60_000; nowMs += 10) {
    const waitMs = guard.admit(HERE, nowMs);
    if (waitMs === undefined) continue;
    looked += 1;
    guard.failed(HERE, nowMs + waitMs);
  }
  expect(looked).toBeLessThanOrEqual(34);
});

test('a minute after its last failure an address is as any other', () => {
  const guard = failing(9);
  expect(guard.admit(HERE, 59_999)).toBe(0);
  expect(guard.admit(HERE, 59_999)).toBe(2000);
  expect(guard.admit(HERE, 60_000)).toBe(0);
  expect([guard.admit(HERE, 60_000), guard.suspects]).toEqual([0, 0]);
  expect(guard.failed(HERE, 60_000)).toBe(1);
});

test.each([
  ['[2001:db8:0:1::1]:1', '[2001:db8:0:1:ffff::2]:2', true],
  ['[2001:db8:0:1::1]:1', '[2001:db8:0:2::1]:1', false],
  ['[fe80::1%eth0]:1', '[fe80::2%eth0]:1', true],
  ['[::1]:1', '[::1]:2', true],
  ['[2001:db8::]:1', '[2001:db8:0:0:1::]:1', true],
])('%s and %s are one network: %s', (one, other, same) => {
  const guard = new LoginGuard();
  for (let nth = 0; nth < 4; nth += 1) guard.failed(one, 0);
  expect(guard.admit(other, 0)).toBe(same ? 500 : 0);
});

test('it remembers a bounded number of addresses, and forgets the one that was idle longest', () => {
  const guard = new LoginGuard();
  const address = (nth: number): string => `10.${nth >> 16}.${(nth >> 8) & 255}.${nth & 255}:1`;
  for (let nth = 0; nth < 3; nth += 1) guard.failed(HERE, 0);
  for (let nth = 0; nth < GUARD_BOUNDS.addressesMax - 1; nth += 1) guard.failed(address(nth), 1);
  guard.failed(HERE, 2);
  for (let nth = 5_000; nth < 5_100; nth += 1) guard.failed(address(nth), 3);
  expect(guard.suspects).toBe(GUARD_BOUNDS.addressesMax);
  expect(guard.failed(HERE, 4)).toBe(5);
  expect(guard.failed(address(0), 4)).toBe(1);
});
