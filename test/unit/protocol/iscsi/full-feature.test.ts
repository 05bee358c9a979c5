// The full feature phase beside data: ping and keepalive, Text, Logout, Reject, Asynchronous Messages, digest
// errors, graceful stop. Each test names what RFC 7143 says of it.
import {
  AsyncMessage,
  crc32c,
  DataOut,
  LoginRequest,
  LogoutRequest,
  LogoutResponse,
  NopIn,
  NopOut,
  R2T,
  RESERVED_TAG,
  Reject,
  ScsiCommand,
  ScsiResponse,
  SnackRequest,
  type TextPair,
  TextRequest,
} from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import type { Limits } from '../../../../protocol/iscsi/limits.ts';
import {
  Initiator,
  MemoryTarget,
  type RawPeer,
  TARGET_NAME,
  testDirectory,
} from '../../../support/initiator/index.ts';
import { CDB, finish, script, testUnitReady } from './session-script.ts';

describe('NOP (§11.18, §11.19)', () => {
  test('the ping comes back with its data, cut to what the initiator takes', () => {
    const { peer } = script({ keys: [['MaxRecvDataSegmentLength', '512']] });
    const data = Uint8Array.from({ length: 600 }, (_, index) => index & 0xff);
    const lun = Uint8Array.of(0, 3, 0, 0, 0, 0, 0, 0);
    const tags = { initiatorTaskTag: 70, targetTransferTag: RESERVED_TAG };
    peer.send(NopOut, { immediate: true, ...tags, lun, cmdSN: 1 }, { data });
    const pong = peer.take(NopIn);
    expect(pong).toMatchObject({
      initiatorTaskTag: 70,
      targetTransferTag: RESERVED_TAG,
      statSN: 1,
      expCmdSN: 1,
    });
    expect([...pong.lun]).toEqual([...lun]);
    expect(pong.data).toEqual(data.slice(0, 512));
  });

  test('a NOP-Out without a task tag gets no answer', () => {
    const { peer } = script();
    peer.send(NopOut, {
      immediate: true,
      initiatorTaskTag: RESERVED_TAG,
      targetTransferTag: RESERVED_TAG,
      cmdSN: 1,
    });
    expect(peer.frames).toEqual([]);
  });

  test('silence is asked about, an answer is enough, and more silence ends the session', () => {
    const { peer, target, connection } = script({
      limits: { keepaliveAfterMs: 1000, keepaliveTimeoutMs: 500 },
    });
    target.advance(999);
    expect(peer.frames).toEqual([]);
    target.advance(1);
    const ping = peer.take(NopIn);
    expect(ping).toMatchObject({ initiatorTaskTag: RESERVED_TAG, statSN: 1, dataSegmentLength: 0 });
    expect(ping.targetTransferTag).not.toBe(RESERVED_TAG);
    const tags = { initiatorTaskTag: RESERVED_TAG, targetTransferTag: ping.targetTransferTag };
    peer.send(NopOut, { immediate: true, ...tags, cmdSN: 1 });
    target.advance(999);
    expect(connection.closed()).toBe(false);
    target.advance(1);
    // A ping does not use up a StatSN.
    expect(peer.take(NopIn)).toMatchObject({ statSN: 1 });
    target.advance(500);
    expect(connection.closed()).toBe(true);
    expect(target.facts.map((fact) => fact.kind)).toEqual(['timed-out']);
    expect(target.registry.sessions).toBe(0);
  });

  test('nothing is asked while commands run', () => {
    const { peer, target } = script({
      limits: { keepaliveAfterMs: 1000, keepaliveTimeoutMs: 500 },
      hold: true,
    });
    testUnitReady(peer, 1);
    target.advance(10_000);
    expect(peer.frames).toEqual([]);
    finish(target.running[0]);
    peer.take(ScsiResponse);
    target.advance(1000);
    peer.take(NopIn);
  });
});

describe('Text (§11.10, §11.11)', () => {
  async function loggedIn(limits: Partial<Limits> = {}): Promise<Initiator> {
    const target = new MemoryTarget({ directory: testDirectory(), limits });
    const initiator = new Initiator(target.connect().transport);
    await initiator.login({ targetName: TARGET_NAME, keys: { MaxRecvDataSegmentLength: '512' } });
    return initiator;
  }

  test('SendTargets in a normal session tells of its own target, by nothing or by name', async () => {
    const initiator = await loggedIn();
    const own = [
      ['TargetName', TARGET_NAME],
      ['TargetAddress', '192.0.2.1:3260,1'],
    ];
    expect(await initiator.sendTargets('')).toEqual(own);
    expect(await initiator.sendTargets(TARGET_NAME)).toEqual(own);
    expect(await initiator.sendTargets('All')).toEqual([['SendTargets', 'Reject']]);
    expect(await initiator.sendTargets('iqn.2026-01.test:other')).toEqual([['SendTargets', 'Reject']]);
  });

  test('text goes on over several PDUs in both directions', async () => {
    const initiator = await loggedIn();
    const unknown: TextPair[] = Array.from({ length: 90 }, (_, index) => [`X-${index}`, 'a'.repeat(50)]);
    const answers = await initiator.text(unknown, { cutBytes: 100 });
    expect(answers).toEqual(unknown.map(([key]) => [key, 'NotUnderstood']));
  });

  test('MaxRecvDataSegmentLength may be declared anew; other keys are rejected', async () => {
    const initiator = await loggedIn();
    expect(await initiator.text([['MaxRecvDataSegmentLength', '1024']])).toEqual([]);
    expect(await initiator.text([['ImmediateData', 'No']])).toEqual([['ImmediateData', 'Reject']]);
    const echo = await initiator.nop(new Uint8Array(1024));
    expect(echo.length).toBe(1024);
  });

  test('text past the limit is rejected, and the session goes on', async () => {
    const initiator = await loggedIn({ textBytesMax: 1000 });
    const long: TextPair[] = Array.from({ length: 50 }, (_, index) => [`X-${index}`, 'a'.repeat(50)]);
    await expect(initiator.text(long)).rejects.toMatchObject({ reason: 0x09 });
    expect(await initiator.nop()).toHaveLength(0);
  });

  test('F and C at once, an exchange that is not under way: protocol error', () => {
    const { peer } = script();
    const tags = { initiatorTaskTag: 7, targetTransferTag: RESERVED_TAG };
    peer.send(TextRequest, { final: true, continue: true, ...tags, cmdSN: 1 });
    expect(peer.take(Reject)).toMatchObject({ reason: 0x04, expCmdSN: 2 });
    peer.send(TextRequest, { final: true, ...tags, targetTransferTag: 5, cmdSN: 2 });
    expect(peer.take(Reject)).toMatchObject({ reason: 0x04, expCmdSN: 3 });
  });
});

describe('Logout (§11.14, §11.15)', () => {
  const logout = (peer: RawPeer, reasonCode: number, cid = 0): void =>
    peer.send(LogoutRequest, { immediate: true, reasonCode, cid, initiatorTaskTag: 90, cmdSN: 1 });

  test.each([
    ['the session', 0],
    ['the connection', 1],
  ])('closing %s: answered, closed, the session gone', (_, reason) => {
    const { peer, target, connection } = script();
    logout(peer, reason);
    expect(peer.take(LogoutResponse)).toMatchObject({ response: 0, initiatorTaskTag: 90, time2Wait: 2 });
    expect(peer.closed).toBe(true);
    expect(target.registry.sessions).toBe(0);
    expect(connection.effects.at(-1)).toMatchObject({ type: 'sessionClosed', why: 'logout' });
  });

  test('another connection, and recovery, are refused; the session goes on', () => {
    const { peer } = script();
    logout(peer, 1, 5);
    expect(peer.take(LogoutResponse)).toMatchObject({ response: 1 });
    logout(peer, 2);
    expect(peer.take(LogoutResponse)).toMatchObject({ response: 2 });
    logout(peer, 3);
    expect(peer.take(Reject)).toMatchObject({ reason: 0x09 });
    expect(peer.closed).toBe(false);
  });

  test('of requests that came early, none after a logout whose turn has come is looked at (found by fuzzing)', () => {
    const { peer, target } = script();
    const closing = { reasonCode: 0, initiatorTaskTag: 91, cid: 0 };
    peer.send(LogoutRequest, { ...closing, cmdSN: 2 });
    peer.send(LogoutRequest, { ...closing, initiatorTaskTag: 92, cmdSN: 3 });
    peer.send(NopOut, { initiatorTaskTag: 93, targetTransferTag: RESERVED_TAG, cmdSN: 4 });
    testUnitReady(peer, 1);
    peer.take(ScsiResponse);
    expect(peer.take(LogoutResponse)).toMatchObject({ initiatorTaskTag: 91, response: 0 });
    expect([peer.closed, peer.frames]).toEqual([true, []]);
    expect(target.facts.filter(({ kind }) => kind === 'internal-error')).toEqual([]);
  });

  test('commands with SCSI end with their responses first; those without their data are dropped', () => {
    const { peer, target } = script({ hold: true });
    testUnitReady(peer, 1);
    const fields = {
      final: true,
      write: true,
      attr: 1,
      initiatorTaskTag: 2,
      expectedDataTransferLength: 512,
    };
    peer.send(ScsiCommand, { ...fields, cmdSN: 2, cdb: CDB });
    peer.take(R2T);
    logout(peer, 0);
    expect(peer.frames).toEqual([]);
    finish(target.running[0]);
    expect(peer.take(ScsiResponse)).toMatchObject({ initiatorTaskTag: 1, statSN: 1 });
    expect(peer.take(LogoutResponse)).toMatchObject({ statSN: 2 });
    expect(peer.closed).toBe(true);
  });

  test('a command that does not end holds the logout up only so long, and its session until it ends', () => {
    const { peer, target, connection } = script({ hold: true, limits: { logoutTimeoutMs: 2000 } });
    testUnitReady(peer, 1);
    logout(peer, 0);
    target.advance(2000);
    peer.take(LogoutResponse);
    expect(peer.closed).toBe(true);
    expect(target.registry.sessions).toBe(1);
    finish(target.running[0]);
    expect(target.registry.sessions).toBe(0);
    expect(connection.effects.at(-1)?.type).toBe('sessionClosed');
  });
});

describe('Reject (§11.17)', () => {
  test('SNACK, a login, and an opcode that is none, each with the header that it answers', () => {
    const { peer } = script();
    peer.send(SnackRequest, { type: 1, initiatorTaskTag: RESERVED_TAG });
    expect(peer.take(Reject)).toMatchObject({ reason: 0x03, statSN: 1 });
    peer.send(LoginRequest, { initiatorTaskTag: 3 });
    expect(peer.take(Reject)).toMatchObject({ reason: 0x04, statSN: 2 });
    const unknown = new Uint8Array(48);
    unknown[0] = 0x1c;
    peer.link.sendBytes([unknown]);
    const reject = peer.take(Reject);
    expect(reject).toMatchObject({ reason: 0x05, statSN: 3, initiatorTaskTag: RESERVED_TAG });
    expect(reject.data).toEqual(unknown);
    expect(peer.closed).toBe(false);
  });

  test('facts are told a few times, not for ever', () => {
    const { peer, target } = script({ limits: { factsPerKindMax: 3 } });
    for (let count = 0; count < 20; count += 1) peer.send(SnackRequest, { initiatorTaskTag: RESERVED_TAG });
    expect(peer.frames).toHaveLength(20);
    expect(target.facts).toHaveLength(3);
  });

  test('a data segment larger than declared ends the connection', () => {
    const { peer } = script();
    const header = new Uint8Array(48);
    header.set([0x00, 0x80, 0, 0, 0, 0x04, 0, 1]);
    peer.link.sendBytes([header]);
    expect(peer.take(Reject)).toMatchObject({ reason: 0x04 });
    expect(peer.closed).toBe(true);
  });
});

describe('digest errors (§7.7, §7.8)', () => {
  const keys: readonly TextPair[] = [
    ['HeaderDigest', 'CRC32C'],
    ['DataDigest', 'CRC32C'],
    ['InitialR2T', 'No'],
    ['MaxBurstLength', '1024'],
  ];

  test('in a header: the connection ends without a word', () => {
    const { peer, target } = script({ keys });
    peer.link.sendBytes([new Uint8Array(52)]);
    expect(peer.closed).toBe(true);
    expect(peer.frames).toEqual([]);
    expect(target.facts.map((fact) => fact.kind)).toEqual(['digest-error']);
  });

  test('in Data-Out: Reject, reason 2, then CHECK CONDITION when all data is in', () => {
    const { peer, ran } = script({ keys });
    const fields = {
      final: true,
      write: true,
      attr: 1,
      initiatorTaskTag: 2,
      expectedDataTransferLength: 1024,
    };
    peer.send(ScsiCommand, { ...fields, cmdSN: 1, cdb: CDB });
    const { targetTransferTag } = peer.take(R2T);
    const tags = { initiatorTaskTag: 2, targetTransferTag };
    sendWrong((wrong) =>
      peer.send(DataOut, { final: false, ...tags }, { data: new Uint8Array(512), ...wrong }),
    );
    expect(peer.take(Reject)).toMatchObject({ reason: 0x02 });
    expect(peer.frames).toEqual([]);
    peer.send(DataOut, { final: true, ...tags, dataSN: 1, bufferOffset: 512 }, { data: new Uint8Array(512) });
    const response = peer.take(ScsiResponse);
    expect([response.status, response.data[4], response.data[14], response.data[15]]).toEqual([
      2, 0x0b, 0x47, 5,
    ]);
    expect(ran).toEqual([]);
  });

  test('in another PDU: Reject, reason 2, and the PDU was never there', () => {
    const { peer } = script({ keys });
    const data = Uint8Array.of(1, 2, 3, 4);
    const fields = { initiatorTaskTag: 7, targetTransferTag: RESERVED_TAG, cmdSN: 1 };
    sendWrong((wrong) => peer.send(NopOut, fields, { data, ...wrong }));
    expect(peer.take(Reject)).toMatchObject({ reason: 0x02, expCmdSN: 1 });
    peer.send(NopOut, fields, { data });
    expect(peer.take(NopIn)).toMatchObject({ initiatorTaskTag: 7, expCmdSN: 2 });
  });
});

describe('Asynchronous Messages and the end (§11.9)', () => {
  test('sense data goes out as event 0', () => {
    const { peer, connection } = script();
    const sense = Uint8Array.of(0x70, 0, 6);
    connection.feed({ type: 'asyncMessage', sense, lun: new Uint8Array(8) });
    const message = peer.take(AsyncMessage);
    expect(message).toMatchObject({ asyncEvent: 0, initiatorTaskTag: RESERVED_TAG, statSN: 1 });
    expect([...message.data]).toEqual([0, 3, 0x70, 0, 6]);
  });

  test('a stop asks for a logout and waits for it', () => {
    const { peer, connection } = script();
    connection.feed({ type: 'askLogout', withinMs: 2500 });
    expect(peer.take(AsyncMessage)).toMatchObject({ asyncEvent: 1, parameter3: 3 });
    testUnitReady(peer, 1);
    expect(peer.take(ScsiResponse)).toMatchObject({ status: 0 });
    peer.send(LogoutRequest, { immediate: true, reasonCode: 0, initiatorTaskTag: 9, cmdSN: 2 });
    peer.take(LogoutResponse);
    expect(peer.closed).toBe(true);
  });

  test('who does not log out is cut off in the end', () => {
    const { peer, connection, target } = script();
    connection.feed({ type: 'askLogout', withinMs: 2500 });
    target.advance(2499);
    expect(peer.closed).toBe(false);
    target.advance(1);
    expect(peer.closed).toBe(true);
  });

  test('a lost transport ends the session when its last task has ended, in silence', () => {
    const { peer, connection, target } = script({ hold: true });
    testUnitReady(peer, 1);
    connection.transport.close();
    expect(target.registry.sessions).toBe(1);
    finish(target.running[0]);
    expect(target.registry.sessions).toBe(0);
    expect(connection.effects.map((effect) => effect.type)).toEqual([
      'sessionOpened',
      'runTask',
      'cancelTask',
      'sessionClosed',
    ]);
    connection.feed({ type: 'bytes', chunk: new Uint8Array(48) });
    connection.feed({ type: 'tick' });
    expect(connection.effects).toHaveLength(4);
  });

  test('the sequence of a short life', () => {
    const { peer, connection } = script();
    connection.feed({ type: 'drop', why: 'the operator said so' });
    expect(peer.closed).toBe(true);
    expect(connection.effects.map((effect) => effect.type)).toEqual([
      'sessionOpened',
      'close',
      'sessionClosed',
    ]);
  });
});

/** Sends with a digest function that is right for headers and wrong for data. */
function sendWrong(send: (options: { crc32c: (bytes: Uint8Array) => number }) => void): void {
  send({ crc32c: (bytes) => (bytes.length === 48 ? crc32c(bytes) : 0x12345678) });
}
