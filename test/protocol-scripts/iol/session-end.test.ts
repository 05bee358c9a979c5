// The items of UNH-IOL's full feature phase and error recovery suites about how sessions live beside each
// other and end, as scripts of our own, each with its clause in RFC 7143: pings of the target, logout with
// commands outstanding, reinstatement, and PDUs that have no place. From documents; not run in that
// laboratory.
import {
  DataIn,
  DataOut,
  LoginRequest,
  LogoutRequest,
  LogoutResponse,
  NopIn,
  NopOut,
  RESERVED_TAG,
  Reject,
  ScsiResponse,
} from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { settle } from '../../support/pool-world.ts';
import { BLOCK_BYTES, INITIATOR, read, Script, TARGET } from './script.ts';

const KEYS = [
  ['InitialR2T', 'Yes'],
  ['ImmediateData', 'No'],
] as const;
const KEEPALIVE_MS = 30_000;

async function logout(script: Script, reasonCode: number, cid = 0): Promise<void> {
  const fields = { immediate: true, reasonCode, cid, initiatorTaskTag: 8, cmdSN: script.cmdSN };
  await script.send(LogoutRequest, fields);
}

describe('logout', () => {
  test.each([
    ['the session', 0],
    ['its one connection', 1],
  ])('of %s ends what is outstanding; nothing of it is stored (§11.14, §4.2.3.2)', async (_, reason) => {
    const script = await Script.begin(KEYS);
    const other = await script.another(9, KEYS);
    await script.stuckWrite();
    await script.stuckWrite();
    await logout(script, reason);
    expect(script.take(LogoutResponse)).toMatchObject({ response: 0, initiatorTaskTag: 8 });
    await settle();
    expect([script.peer.closed, script.rest]).toEqual([true, []]);
    expect(script.target.front.hub.sessions()).toHaveLength(1);
    await other.command(read(0, 1));
    expect(other.take(DataIn).data.every((byte) => byte === 0)).toBe(true);
  });

  test('answers reads that came before it first (§11.15)', async () => {
    const script = await Script.begin(KEYS);
    const fields = { immediate: true, reasonCode: 0, initiatorTaskTag: 8 };
    const reading = script.command(read(0, 8));
    script.peer.send(LogoutRequest, { ...fields, cmdSN: script.cmdSN });
    const tag = await reading;
    expect(script.take(DataIn)).toMatchObject({ initiatorTaskTag: tag, statusPresent: true, status: 0 });
    expect(script.take(LogoutResponse).response).toBe(0);
  });

  test('of a connection that is not there: CID not found; the session goes on (§11.15.1)', async () => {
    const script = await Script.begin(KEYS);
    await logout(script, 1, 7);
    expect(script.take(LogoutResponse).response).toBe(1);
    expect(await script.ready()).toBe('good');
  });

  test('of a reason that does not exist is rejected (§11.14.1, §11.17.1)', async () => {
    const script = await Script.begin(KEYS);
    await logout(script, 0x44);
    expect(script.take(Reject).reason).toBe(0x09);
    expect(await script.ready()).toBe('good');
  });
});

describe('pings of the target', () => {
  test('after silence: a tag to answer with, StatSN as it is; the answer gets none (§11.19.1, §11.18.2)', async () => {
    const script = await Script.begin();
    await script.target.advance(KEEPALIVE_MS);
    const ping = script.take(NopIn);
    expect(ping).toMatchObject({ initiatorTaskTag: RESERVED_TAG, final: true });
    expect(ping.targetTransferTag).not.toBe(RESERVED_TAG);
    const { targetTransferTag } = ping;
    const answer = {
      immediate: true,
      initiatorTaskTag: RESERVED_TAG,
      targetTransferTag,
      cmdSN: script.cmdSN,
    };
    await script.send(NopOut, answer);
    expect(script.rest).toEqual([]);
    await script.target.advance(KEEPALIVE_MS - 1);
    expect(script.peer.closed).toBe(false);
    // The number it named is that of the next status: a ping uses none up (§11.19.2).
    await script.command({ cdb: new Uint8Array(6) });
    expect(script.take(ScsiResponse).statSN).toBe(ping.statSN);
  });

  test('without an answer the connection ends, and the session with it (§7.7, §11.19)', async () => {
    const script = await Script.begin();
    await script.target.advance(2 * KEEPALIVE_MS);
    expect(script.peer.closed).toBe(true);
    expect(script.target.front.hub.sessions()).toEqual([]);
  });
});

describe('reinstatement (§6.3.5)', () => {
  test('ends the tasks of the session before it, and leaves those of another ISID alone', async () => {
    const script = await Script.begin(KEYS);
    const other = await script.another(9, KEYS);
    await script.stuckWrite();
    const kept = await other.stuckWrite();
    const again = new Script(script.target);
    const { tsih } = await again.establish(KEYS);
    expect([script.peer.closed, other.peer.closed, tsih === 0]).toEqual([true, false, false]);
    const fields = { final: true, initiatorTaskTag: kept.tag, targetTransferTag: kept.targetTransferTag };
    await other.send(DataOut, fields, { data: new Uint8Array(BLOCK_BYTES).fill(1) });
    expect(other.take(ScsiResponse).status).toBe(0);
    // The new nexus hears that it is new before anything else (SAM-5 §5.14).
    expect([await again.ready(), await again.ready()]).toEqual(['2900', 'good']);
  });

  test('a TSIH that names no session is a session that does not exist (§6.3.4, §11.13.5)', async () => {
    const script = await Script.begin();
    const stray = new Script(script.target);
    const { status } = await stray.login({ transit: true, csg: 1, nsg: 3, tsih: 999 }, [
      ['InitiatorName', INITIATOR],
      ['TargetName', TARGET],
    ]);
    expect([status, stray.peer.closed]).toEqual([0x020a, true]);
    expect(script.peer.closed).toBe(false);
  });
});

describe('PDUs that have no place in the full feature phase', () => {
  test('a Login Request: Reject, protocol error, with the header it is about; the session goes on (§6.3, §11.17)', async () => {
    const script = await Script.begin();
    await script.send(LoginRequest, { transit: true, csg: 1, nsg: 3, cmdSN: script.cmdSN });
    const reject = script.take(Reject);
    expect([reject.reason, reject.data.length, reject.data[0]]).toEqual([0x04, 48, 0x43]);
    expect(await script.ready()).toBe('good');
  });

  test('a NOP-Out that asks for nothing gets no answer (§11.18)', async () => {
    const script = await Script.begin();
    const tags = { initiatorTaskTag: RESERVED_TAG, targetTransferTag: RESERVED_TAG };
    await script.send(NopOut, { ...tags, immediate: true, cmdSN: script.cmdSN });
    expect(script.rest).toEqual([]);
    expect(await script.ready()).toBe('good');
  });
});
