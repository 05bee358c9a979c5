// The target's items of UNH-IOL's login phase suite as scripts of our own, each with its clause in RFC
// 7143. From documents; not run in that laboratory. What test/unit/protocol/iscsi shows of the core is
// not said again.
import { decodeText, encodeText, LoginRequest, type TextPair } from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { INITIATOR, openTarget, Script, TARGET } from './script.ts';

const NAMES: readonly TextPair[] = [
  ['InitiatorName', INITIATOR],
  ['TargetName', TARGET],
];
const TO_FULL_FEATURE = { transit: true, csg: 1, nsg: 3 } as const;

async function script(): Promise<Script> {
  return new Script(await openTarget());
}

/** The answers to operational keys offered in one request. */
async function negotiated(...keys: readonly TextPair[]): Promise<ReadonlyMap<string, string>> {
  const response = await (await script()).login(TO_FULL_FEATURE, [...NAMES, ...keys]);
  expect(response.status).toBe(0);
  return new Map(decodeText(response.data));
}

describe('stages and numbers', () => {
  test('TSIH is 0 until the last response and never there (§11.13.3); StatSN follows ExpStatSN (§11.13.4)', async () => {
    const peer = await script();
    const security = { transit: true, csg: 0, nsg: 1, expStatSN: 77 } as const;
    const first = await peer.login(security, [...NAMES, ['AuthMethod', 'None']]);
    expect(first).toMatchObject({ tsih: 0, statSN: 77, transit: true, nsg: 1 });
    const last = await peer.login({ ...TO_FULL_FEATURE, expStatSN: 78 }, []);
    expect(last).toMatchObject({ statSN: 78, transit: true, nsg: 3 });
    expect(last.tsih).not.toBe(0);
  });

  test('without T the target does not leave the stage (§6.3.1, §11.13.1)', async () => {
    const peer = await script();
    expect(await peer.login({ csg: 1 }, NAMES)).toMatchObject({ transit: false, status: 0, csg: 1 });
    expect(await peer.login(TO_FULL_FEATURE, [])).toMatchObject({ transit: true, status: 0 });
  });

  test('the first response of a normal session names the portal group (§13.9)', async () => {
    expect((await negotiated()).get('TargetPortalGroupTag')).toMatch(/^\d+$/);
  });

  test('a login with a name that is none gets an initiator error, and the connection ends (§6.3, §11.13.5)', async () => {
    const peer = await script();
    const status = await peer.login(TO_FULL_FEATURE, [['InitiatorName', '']]);
    expect(status.status >> 8).toBe(2);
    expect(peer.peer.closed).toBe(true);
  });
});

describe('negotiation', () => {
  test.each([
    ['HeaderDigest', 'CRC32C,None', 'CRC32C', '§13.1'],
    ['HeaderDigest', 'None,CRC32C', 'None', '§13.1'],
    ['DataDigest', 'MD5,CRC32C', 'CRC32C', '§13.1'],
    ['DataDigest', 'MD5', 'Reject', '§6.2'],
    ['MaxConnections', '8', '1', '§13.2'],
    ['InitialR2T', 'No', 'No', '§13.10'],
    ['InitialR2T', 'maybe', 'Reject', '§6.2.2'],
    ['ImmediateData', 'Yes', 'Yes', '§13.11'],
    ['MaxBurstLength', '512', '512', '§13.13'],
    ['MaxBurstLength', '511', 'Reject', '§13.13'],
    ['MaxBurstLength', '16777216', 'Reject', '§13.13'],
    ['DefaultTime2Wait', '3600', '3600', '§13.15'],
    ['DefaultTime2Retain', '20', '0', '§13.16'],
    ['MaxOutstandingR2T', '65536', 'Reject', '§13.17'],
    ['DataPDUInOrder', 'No', 'Yes', '§13.18'],
    ['DataSequenceInOrder', 'No', 'Yes', '§13.19'],
    ['ErrorRecoveryLevel', '2', '0', '§13.20'],
    ['TaskReporting', 'FastAbort,ResponseFence', 'ResponseFence', '§13.23, RFC 7144 §6.1.1'],
    ['TaskReporting', 'FastAbort', 'Reject', '§13.23, RFC 7144 §6.1.1'],
    ['iSCSIProtocolLevel', '2', '1', '§13.24'],
    ['OFMarker', 'No', 'No', '§13.25'],
    ['IFMarker', 'Yes', 'Reject', '§13.25'],
    ['X-com.example.key', 'any', 'NotUnderstood', '§6.1'],
  ])('%s=%s is answered %s (%s)', async (key, offer, answer) => {
    expect((await negotiated([key, offer])).get(key)).toBe(answer);
  });

  test('a key that was agreed on cannot be offered again (§6.3)', async () => {
    const peer = await script();
    await peer.login({ csg: 1 }, [...NAMES, ['ImmediateData', 'Yes']]);
    expect((await peer.login(TO_FULL_FEATURE, [['ImmediateData', 'No']])).status).toBe(0x0200);
  });

  test('MaxRecvDataSegmentLength is declared, not negotiated (§13.12)', async () => {
    expect((await negotiated(['MaxRecvDataSegmentLength', '512'])).get('MaxRecvDataSegmentLength')).toBe(
      '262144',
    );
  });

  test('text may be spread over requests with C; nothing is answered before it is whole (§6.2, §11.12.2)', async () => {
    const peer = await script();
    const whole = encodeText([...NAMES, ['ImmediateData', 'No']]);
    await peer.send(LoginRequest, { continue: true, csg: 1, cmdSN: 1 }, { data: whole.subarray(0, 30) });
    expect(peer.peer.frames.pop()?.data.length).toBe(0);
    await peer.send(LoginRequest, { ...TO_FULL_FEATURE, cmdSN: 1 }, { data: whole.subarray(30) });
    expect(new Map(decodeText(peer.peer.frames[0]?.data ?? whole)).get('ImmediateData')).toBe('No');
  });
});
