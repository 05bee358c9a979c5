// What a login comes to: sessions added, refused and reinstated (RFC 7143 §6.3.1, §6.3.5), and
// authentication from AuthMethod to the last response (§12.1) with the right and with wrong secrets.
import { encodeText, LoginRequest, type TextPair } from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import type { Authentication } from '../../../../protocol/iscsi/directory.ts';
import {
  DEFAULT_INITIATOR_NAME,
  DEFAULT_ISID,
  Initiator,
  MemoryTarget,
  OTHER_TARGET_NAME,
  RawPeer,
  TARGET_NAME,
  testDirectory,
} from '../../../support/initiator/index.ts';
import { FINISH, NAMES, SECURITY_TO_OPERATIONAL, start } from './login-script.ts';

describe('sessions', () => {
  test('a second connection for a session is one too many; for a stranger the session does not exist', () => {
    const target = new MemoryTarget({ directory: testDirectory() });
    const { tsih } = new RawPeer(target.connect().transport).login(FINISH, NAMES);
    const second = new RawPeer(target.connect().transport);
    expect(second.login({ ...FINISH, tsih, cid: 1 }, NAMES).status).toBe(0x0206);
    const stranger = new RawPeer(target.connect().transport);
    expect(stranger.login({ ...FINISH, tsih, isid: Uint8Array.of(0x80, 7, 7, 7, 7, 7) }, NAMES).status).toBe(
      0x020a,
    );
    const wrong = new RawPeer(target.connect().transport);
    expect(wrong.login({ ...FINISH, tsih: tsih + 1 }, NAMES).status).toBe(0x020a);
    expect(target.registry.sessions).toBe(1);
  });

  test('the same initiator, ISID and target reinstate: the old session ends, then the new one begins', () => {
    const target = new MemoryTarget({ directory: testDirectory() });
    const oldConnection = target.connect();
    const old = new RawPeer(oldConnection.transport);
    const before = old.login(FINISH, NAMES);
    const peer = new RawPeer(target.connect().transport);
    const after = peer.login(FINISH, NAMES);
    expect(after).toMatchObject({ status: 0, transit: true });
    expect(after.tsih).not.toBe(before.tsih);
    expect(old.closed).toBe(true);
    expect(oldConnection.effects.at(-1)).toMatchObject({ type: 'sessionClosed', why: 'reinstated' });
    expect(target.registry.sessions).toBe(1);
  });

  test('the new session waits for the last task of the old one', async () => {
    const target = new MemoryTarget({ directory: testDirectory(), run: () => undefined });
    const old = new Initiator(target.connect().transport);
    await old.login({ targetName: TARGET_NAME });
    old.start({ cdb: new Uint8Array(16), dataInBytes: 512 });
    const next = new Initiator(target.connect().transport);
    let done = false;
    const login = next.login({ targetName: TARGET_NAME }).then(() => {
      done = true;
    });
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    expect(old.closed).toBe(true);
    expect(done).toBe(false);
    target.running[0]?.finish({ status: 0, transferBytes: 512 });
    await login;
    expect(done).toBe(true);
    expect(target.registry.sessions).toBe(1);
  });

  test.each([
    ['hung up', (peer: RawPeer) => peer.link.close()],
    ['was refused', (peer: RawPeer) => peer.link.sendBytes([new Uint8Array(9000)])],
  ])(
    'a login that %s while it waited does not come back when the old session has ended',
    async (_, leave) => {
      const target = new MemoryTarget({ directory: testDirectory(), run: () => undefined });
      const old = new Initiator(target.connect().transport);
      await old.login({ targetName: TARGET_NAME });
      old.start({ cdb: new Uint8Array(16), dataInBytes: 512 });
      const waiting = new RawPeer(target.connect().transport);
      const names: TextPair[] = [
        ['InitiatorName', DEFAULT_INITIATOR_NAME],
        ['TargetName', TARGET_NAME],
      ];
      waiting.send(LoginRequest, { ...FINISH, isid: DEFAULT_ISID, cmdSN: 1 }, { data: encodeText(names) });
      expect(waiting.frames).toEqual([]);
      leave(waiting);
      target.running[0]?.finish({ status: 0, transferBytes: 512 });
      expect(target.registry.sessions).toBe(0);
      expect(target.facts.filter(({ kind }) => kind === 'internal-error')).toEqual([]);
      const next = new Initiator(target.connect().transport);
      await next.login({ targetName: TARGET_NAME });
      expect(target.registry.sessions).toBe(1);
    },
  );

  test('another ISID or another target is another session', () => {
    const target = new MemoryTarget({ directory: testDirectory() });
    const peers = [
      [{}, TARGET_NAME],
      [{ isid: Uint8Array.of(0x80, 0, 0, 2, 0, 0) }, TARGET_NAME],
      [{}, OTHER_TARGET_NAME],
    ] as const;
    for (const [fields, name] of peers) {
      const pairs: TextPair[] = [
        ['InitiatorName', 'iqn.a'],
        ['TargetName', name],
      ];
      expect(new RawPeer(target.connect().transport).login({ ...FINISH, ...fields }, pairs).status).toBe(0);
    }
    expect(target.registry.sessions).toBe(3);
  });
});

describe('authentication', () => {
  const secret = new TextEncoder().encode('sixteen bytes ok');
  const outbound = { name: 'target', secret: new TextEncoder().encode('fifteen bytes k') };
  const chap: Authentication = { method: 'chap', inbound: [{ name: 'me', secret }], outbound };

  test.each([8, 7, 6, 5])('one-way with algorithm %i', async (algorithm) => {
    for (const encoding of ['hex', 'base64'] as const) {
      const target = new MemoryTarget({ directory: testDirectory(chap) });
      const connection = target.connect();
      const initiator = new Initiator(connection.transport);
      const options = { name: 'me', secret, algorithms: [algorithm], encoding };
      const login = await initiator.login({ targetName: TARGET_NAME, chap: options });
      expect(login.answers.get('CHAP_A')).toBe(String(algorithm));
      expect(connection.session()?.userName).toBe('me');
    }
  });

  test('mutual, and for discovery', async () => {
    const target = new MemoryTarget({ directory: testDirectory(chap) });
    const initiator = new Initiator(target.connect().transport);
    await initiator.login({ targetName: TARGET_NAME, chap: { name: 'me', secret, mutual: outbound } });
    const discovery = new Initiator(target.connect().transport);
    await discovery.login({ chap: { name: 'me', secret, mutual: outbound } });
    expect(await discovery.sendTargets()).toHaveLength(4);
  });

  test.each([
    ['a wrong secret', { name: 'me', secret: outbound.secret }],
    ['a wrong name', { name: 'you', secret }],
    ['no algorithm in common', { name: 'me', secret, algorithms: [9] }],
  ])('%s: authentication failure', async (_, options) => {
    const target = new MemoryTarget({ directory: testDirectory(chap) });
    const initiator = new Initiator(target.connect().transport);
    await expect(initiator.login({ targetName: TARGET_NAME, chap: options })).rejects.toMatchObject({
      status: 0x0201,
    });
    expect(initiator.closed).toBe(true);
    expect(target.facts.map((fact) => fact.kind)).toEqual(['authentication-failed']);
  });

  test('skipping it, or offering None alone, is an authentication failure', () => {
    const attempts = [
      [FINISH, NAMES],
      [SECURITY_TO_OPERATIONAL, NAMES],
      [SECURITY_TO_OPERATIONAL, [...NAMES, ['AuthMethod', 'None']]],
      [{ csg: 0 }, [...NAMES, ['AuthMethod', 'KRB5,SRP']]],
    ] as const;
    for (const [fields, pairs] of attempts) {
      const { peer } = start(testDirectory(chap));
      expect(peer.login(fields, pairs)).toMatchObject({ status: 0x0201, transit: false });
      expect(peer.closed).toBe(true);
    }
  });

  test('a T bit before CHAP is done is not granted', () => {
    const { peer } = start(testDirectory(chap));
    const first = peer.login(SECURITY_TO_OPERATIONAL, [...NAMES, ['AuthMethod', 'CHAP']]);
    expect(first).toMatchObject({ status: 0, transit: false });
    const second = peer.login(SECURITY_TO_OPERATIONAL, [['CHAP_A', '7']]);
    expect(second).toMatchObject({ status: 0, transit: false });
    expect(peer.login(FINISH, []).status).toBe(0x0200);
  });

  test.each([
    ['CHAP keys without a method', [...NAMES, ['CHAP_A', '5']]],
    ['CHAP keys together with the method', [...NAMES, ['AuthMethod', 'CHAP'], ['CHAP_A', '5']]],
  ] as const)('%s: initiator error', (_, pairs) => {
    const { peer } = start(testDirectory(chap));
    expect(peer.login({ csg: 0 }, pairs)).toMatchObject({ status: 0x0200 });
  });

  test('an initiator that insists on CHAP does not reach a target without it', () => {
    const { peer } = start();
    expect(peer.login({ csg: 0 }, [...NAMES, ['AuthMethod', 'CHAP']])).toMatchObject({ status: 0x0201 });
  });
});
