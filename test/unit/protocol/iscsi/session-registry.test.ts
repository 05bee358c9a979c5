// TSIHs are unique, never 0, reused late; identities are found again; limits hold; closing gives back.
import { expect, test } from 'vitest';
import { type SessionIdentity, SessionRegistry } from '../../../../protocol/iscsi/session-registry.ts';

const identity = (
  initiator: string,
  last = 0,
  targetName: string | undefined = 'iqn.t',
): SessionIdentity => ({
  initiatorName: initiator,
  isid: Uint8Array.of(0x80, 0, 0, 0, last >>> 8, last & 0xff),
  targetName,
  portalGroupTag: 1,
});

test('a session is found by initiator, ISID, target and portal group, until it closes', () => {
  const registry = new SessionRegistry({ sessionsMax: 10, sessionsPerInitiatorMax: 10 });
  const tsih = registry.open(identity('iqn.a'));
  expect(tsih).toBeTypeOf('number');
  expect(registry.find(identity('iqn.a'))).toBe(tsih);
  for (const other of [
    identity('iqn.b'),
    identity('iqn.a', 1),
    identity('iqn.a', 0, 'iqn.u'),
    { ...identity('iqn.a'), portalGroupTag: 2 },
  ]) {
    expect(registry.find(other)).toBeUndefined();
  }
  expect(registry.open(identity('iqn.a'))).toBe('exists');
  registry.close(Number(tsih));
  registry.close(Number(tsih));
  expect(registry.find(identity('iqn.a'))).toBeUndefined();
  expect(registry.sessions).toBe(0);
});

test('discovery sessions are counted and never found', () => {
  const registry = new SessionRegistry({ sessionsMax: 10, sessionsPerInitiatorMax: 2 });
  const discovery: SessionIdentity = { ...identity('iqn.a'), targetName: undefined };
  registry.open(discovery);
  expect(registry.find(discovery)).toBeUndefined();
  expect(registry.open(discovery)).toBeTypeOf('number');
  expect(registry.open(discovery)).toBe('too-many-of-initiator');
  expect(registry.open(identity('iqn.b'))).toBeTypeOf('number');
});

test('every one of the 65,535 handles can be in use, none twice, and one that closes is free again', () => {
  const registry = new SessionRegistry({ sessionsMax: 100_000, sessionsPerInitiatorMax: 100_000 });
  const seen = new Set<number>();
  for (let count = 0; count < 65_535; count += 1) seen.add(Number(registry.open(identity('iqn.a', count))));
  expect(seen.size).toBe(65_535);
  expect(seen.has(0)).toBe(false);
  expect(registry.open(identity('iqn.b'))).toBe('too-many');
  registry.close(77);
  expect(registry.open(identity('iqn.b'))).toBe(77);
});

test('a handle that was just closed is not the next one', () => {
  const registry = new SessionRegistry({ sessionsMax: 10, sessionsPerInitiatorMax: 10 });
  const first = Number(registry.open(identity('iqn.a')));
  registry.close(first);
  expect(registry.open(identity('iqn.a'))).not.toBe(first);
});
