// The login phase, PDU by PDU against a core in memory: each test sends what a clause of RFC 7143 §6.3 or
// §11.12 speaks of, and expects the response, status and detail written there.
import { LoginRequest, LoginResponse, NopOut, type TextPair } from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import type { TargetAnswer } from '../../../../protocol/iscsi/directory.ts';
import {
  MemoryTarget,
  OTHER_TARGET_NAME,
  RawPeer,
  TARGET_NAME,
  testDirectory,
} from '../../../support/initiator/index.ts';
import { FINISH, NAMES, SECURITY_TO_OPERATIONAL, start } from './login-script.ts';

describe('stages', () => {
  test('security, operational, full feature: the TSIH comes with the last response only', () => {
    const { peer } = start();
    const first = peer.login(SECURITY_TO_OPERATIONAL, [...NAMES, ['AuthMethod', 'CHAP,None']]);
    expect(first).toMatchObject({
      status: 0,
      transit: true,
      csg: 0,
      nsg: 1,
      tsih: 0,
      statSN: 0,
      expCmdSN: 1,
    });
    expect(first.keys).toEqual([
      ['TargetAlias', 'a disk'],
      ['TargetPortalGroupTag', '1'],
      ['AuthMethod', 'None'],
    ]);
    const last = peer.login({ ...FINISH, expStatSN: 1 }, [['ImmediateData', 'Yes']]);
    expect(last).toMatchObject({ status: 0, transit: true, csg: 1, nsg: 3, statSN: 1 });
    expect(last.tsih).toBeGreaterThan(0);
    expect(last.keys).toEqual([
      ['ImmediateData', 'Yes'],
      ['MaxRecvDataSegmentLength', '262144'],
    ]);
  });

  test('straight to the operational stage, and through in one request', () => {
    const { peer } = start();
    const response = peer.login(FINISH, NAMES);
    expect(response).toMatchObject({ status: 0, transit: true, nsg: 3 });
    expect(new Map(response.keys).get('TargetPortalGroupTag')).toBe('1');
  });

  test('security straight to full feature', () => {
    const { peer } = start();
    const response = peer.login({ transit: true, csg: 0, nsg: 3 }, [...NAMES, ['AuthMethod', 'None']]);
    expect(response).toMatchObject({ status: 0, transit: true, csg: 0, nsg: 3 });
  });

  test('a request without T stays in its stage', () => {
    const { peer } = start();
    expect(peer.login({ csg: 1 }, NAMES)).toMatchObject({
      status: 0,
      transit: false,
      csg: 1,
      nsg: 0,
      tsih: 0,
    });
    expect(peer.login({ csg: 1 }, [])).toMatchObject({ status: 0, transit: false });
    expect(peer.login(FINISH, [])).toMatchObject({ status: 0, transit: true });
  });

  test.each([
    ['back to security', { transit: true, csg: 1, nsg: 0 }],
    ['to the reserved stage', { transit: true, csg: 1, nsg: 2 }],
    ['to where it is', { transit: true, csg: 1, nsg: 1 }],
    ['from full feature', { transit: false, csg: 3, nsg: 0 }],
    ['with C and T at once', { transit: true, continue: true, csg: 1, nsg: 3 }],
  ] as const)('a transition %s is an initiator error', (_, stages) => {
    const { peer } = start();
    expect(peer.login(stages, NAMES)).toMatchObject({ status: 0x0200, transit: false });
    expect(peer.closed).toBe(true);
  });

  test('a request for another stage than the current one is an initiator error', () => {
    const { peer } = start();
    peer.login(SECURITY_TO_OPERATIONAL, [...NAMES, ['AuthMethod', 'None']]);
    expect(peer.login({ csg: 0 }, [])).toMatchObject({ status: 0x0200 });
  });
});

describe('the header', () => {
  test('a version above 0 is unsupported', () => {
    const { peer } = start();
    expect(peer.login({ ...FINISH, versionMin: 1, versionMax: 2 }, NAMES)).toMatchObject({ status: 0x0205 });
    expect(peer.closed).toBe(true);
  });

  test('a range of versions that includes 0 is fine', () => {
    const { peer } = start();
    expect(peer.login({ ...FINISH, versionMin: 0, versionMax: 2 }, NAMES)).toMatchObject({ status: 0 });
  });

  test.each([
    ['ISID', { isid: Uint8Array.of(0x80, 9, 9, 9, 9, 9) }],
    ['CID', { cid: 7 }],
    ['TSIH', { tsih: 7 }],
    ['task tag', { initiatorTaskTag: 7 }],
  ] as const)('%s must not change during a login', (_, change) => {
    const { peer } = start();
    peer.login({ csg: 1 }, NAMES);
    expect(peer.login({ ...FINISH, ...change }, [])).toMatchObject({ status: 0x0200 });
  });

  test('the first PDU must be a Login Request: nothing comes back', () => {
    const { peer, target } = start();
    peer.send(NopOut, { initiatorTaskTag: 1 });
    expect(peer.closed).toBe(true);
    expect(peer.frames).toEqual([]);
    expect(target.facts).toHaveLength(1);
  });

  test('another PDU during the login is refused as invalid', () => {
    const { peer } = start();
    peer.login({ csg: 1 }, NAMES);
    peer.send(NopOut, { initiatorTaskTag: 1 });
    expect(peer.take(LoginResponse)).toMatchObject({ status: 0x020b });
    expect(peer.closed).toBe(true);
  });
});

describe('names', () => {
  test.each([
    ['no InitiatorName', [['TargetName', TARGET_NAME]], 0x0207],
    ['no TargetName in a normal session', [['InitiatorName', 'iqn.a']], 0x0207],
    [
      'an empty InitiatorName',
      [
        ['InitiatorName', ''],
        ['TargetName', TARGET_NAME],
      ],
      0x0200,
    ],
    [
      'an InitiatorName with a space',
      [
        ['InitiatorName', 'iqn a'],
        ['TargetName', TARGET_NAME],
      ],
      0x0200,
    ],
    [
      'an unknown target',
      [
        ['InitiatorName', 'iqn.a'],
        ['TargetName', 'iqn.none'],
      ],
      0x0203,
    ],
    [
      'an unknown session type',
      [...NAMES.filter(([key]) => key !== 'SessionType'), ['SessionType', 'Odd']],
      0x0209,
    ],
    ['a key twice in one request', [...NAMES, ['ImmediateData', 'Yes'], ['ImmediateData', 'Yes']], 0x0200],
    ['a key of the full feature phase', [...NAMES, ['SendTargets', 'All']], 0x0200],
  ] as const)('%s', (_, pairs, status) => {
    const { peer, target } = start();
    expect(peer.login(FINISH, pairs)).toMatchObject({ status, transit: false, tsih: 0 });
    expect(peer.closed).toBe(true);
    expect(target.registry.sessions).toBe(0);
    expect(target.facts.map((fact) => fact.kind)).toEqual(['login-refused']);
  });

  test('names compare in their normalised form (§4.2.7)', () => {
    const { peer } = start();
    const response = peer.login(FINISH, [
      ['InitiatorName', 'IQN.A'],
      ['TargetName', TARGET_NAME.toUpperCase()],
    ]);
    expect(response.status).toBe(0);
  });

  test('bytes that are no key=value text are an initiator error', () => {
    const { peer } = start();
    expect(peer.login(FINISH, Uint8Array.of(1, 2, 3, 0))).toMatchObject({ status: 0x0200 });
  });

  test.each<readonly [string, TargetAnswer, number]>([
    ['forbidden', { kind: 'forbidden' }, 0x0202],
    ['removed', { kind: 'removed' }, 0x0204],
    ['unavailable', { kind: 'unavailable' }, 0x0301],
    ['moved for now', { kind: 'moved', address: '192.0.2.7:3260,2', permanent: false }, 0x0101],
    ['moved for good', { kind: 'moved', address: '192.0.2.7:3260,2', permanent: true }, 0x0102],
  ])('a target that is %s', (_, answer, status) => {
    const { peer } = start({ ...testDirectory(), find: () => answer });
    const response = peer.login(FINISH, NAMES);
    expect(response.status).toBe(status);
    expect(response.keys).toEqual(answer.kind === 'moved' ? [['TargetAddress', '192.0.2.7:3260,2']] : []);
    expect(peer.closed).toBe(true);
  });
});

describe('text over several PDUs', () => {
  test('a request may be cut anywhere; each part is answered with an empty response', () => {
    const { peer } = start();
    const whole = Buffer.from(`${NAMES.map(([key, value]) => `${key}=${value}`).join('\0')}\0`);
    for (const byte of whole.subarray(0, 50)) {
      const response = peer.login({ continue: true, csg: 1 }, Uint8Array.of(byte));
      expect(response).toMatchObject({ status: 0, transit: false, dataSegmentLength: 0 });
    }
    const last = peer.login(FINISH, Uint8Array.from(whole.subarray(50)));
    expect(last).toMatchObject({ status: 0, transit: true });
  });

  test('text past the limit is an initiator error', () => {
    const { peer } = start(testDirectory(), { textBytesMax: 1000 });
    const part = new Uint8Array(600).fill(0x61);
    expect(peer.login({ continue: true, csg: 1 }, part).status).toBe(0);
    expect(peer.login({ continue: true, csg: 1 }, part).status).toBe(0x0200);
  });

  test('a long answer comes in parts with the C bit, asked for by empty requests', () => {
    const { peer } = start();
    const unknown: TextPair[] = Array.from({ length: 100 }, (_, index) => [`X-${index}`, '1']);
    const segment: TextPair = ['MaxRecvDataSegmentLength', '512'];
    const parts: Uint8Array[] = [];
    let response = peer.login(FINISH, [...NAMES, segment, ...unknown]);
    while (response.continue) {
      expect(response.transit).toBe(false);
      expect(response.data.length).toBe(512);
      parts.push(response.data);
      response = peer.login(FINISH, []);
    }
    parts.push(response.data);
    expect(response).toMatchObject({ status: 0, transit: true, nsg: 3 });
    const items = Buffer.concat(parts).toString().split('\0');
    expect(items.filter((item) => item.endsWith('=NotUnderstood'))).toHaveLength(100);
    expect(items).toContain('TargetPortalGroupTag=1');
  });

  test('text before the answer is complete is an initiator error', () => {
    const { peer } = start();
    const unknown: TextPair[] = Array.from({ length: 100 }, (_, index) => [`X-${index}`, '1']);
    expect(peer.login(FINISH, [...NAMES, ['MaxRecvDataSegmentLength', '512'], ...unknown]).continue).toBe(
      true,
    );
    expect(peer.login(FINISH, [['X-more', '1']]).status).toBe(0x0200);
  });
});

describe('limits', () => {
  test('too many requests', () => {
    const { peer } = start(testDirectory(), { loginRequestsMax: 3 });
    for (let count = 0; count < 3; count += 1)
      expect(peer.login({ csg: 1 }, count === 0 ? NAMES : []).status).toBe(0);
    expect(peer.login({ csg: 1 }, []).status).toBe(0x0200);
    expect(peer.closed).toBe(true);
  });

  test('too much time, from the transport on', () => {
    const { peer, target } = start(testDirectory(), { loginTimeoutMs: 5000 });
    peer.login({ csg: 1 }, NAMES);
    target.advance(4999);
    expect(peer.closed).toBe(false);
    target.advance(1);
    expect(peer.closed).toBe(true);
    expect(target.facts.map((fact) => fact.kind)).toEqual(['timed-out']);
  });

  test('a data segment larger than the limit of the login', () => {
    const { peer } = start();
    peer.login({ csg: 1 }, NAMES);
    peer.send(
      LoginRequest,
      { csg: 1, isid: Uint8Array.of(0x80, 0, 0, 1, 0, 0) },
      { data: new Uint8Array(8193) },
    );
    expect(peer.take(LoginResponse)).toMatchObject({ status: 0x0200 });
    expect(peer.closed).toBe(true);
  });

  test('sessions of one initiator, and of all', () => {
    for (const [limits, status] of [
      [{ sessionsPerInitiatorMax: 1 }, 0x0301],
      [{ sessionsMax: 1 }, 0x0302],
    ] as const) {
      const target = new MemoryTarget({ directory: testDirectory(), limits });
      expect(new RawPeer(target.connect().transport).login(FINISH, NAMES).status).toBe(0);
      const second = new RawPeer(target.connect().transport);
      const pairs: TextPair[] = [
        ['InitiatorName', 'iqn.2026-01.test:raw'],
        ['TargetName', OTHER_TARGET_NAME],
      ];
      expect(second.login(FINISH, pairs).status).toBe(status);
      expect(second.closed).toBe(true);
      expect(target.registry.sessions).toBe(1);
    }
  });
});
