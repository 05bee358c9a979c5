// The outcome of every operational key, each expected value read from its section of RFC 7143 §13 and not
// from the key table: result function, default, range, sender, stage, relevance.
import { describe, expect, test } from 'vitest';
import { DEFAULT_PREFERENCES, type Preferences } from '../../../../protocol/iscsi/limits.ts';
import { Negotiation, type NegotiationStage } from '../../../../protocol/iscsi/negotiate.ts';

const PREFERENCES: Preferences = {
  headerDigests: ['CRC32C', 'None'],
  dataDigests: ['None'],
  initialR2T: false,
  immediateData: true,
  firstBurstLength: 131072,
  maxBurstLength: 524288,
  maxRecvDataSegmentLength: 65536,
  maxOutstandingR2T: 4,
  defaultTime2Wait: 3,
  defaultTime2Retain: 30,
};

function answer(
  key: string,
  value: string,
  stage: NegotiationStage = 'operational',
  preferences: Preferences = PREFERENCES,
): string | undefined {
  const verdict = new Negotiation(preferences).offer(key, value, stage);
  return verdict.kind === 'answer' ? verdict.value : verdict.kind;
}

// [key, offer, answer], ours being the preferences above.
const OUTCOMES: readonly (readonly [string, string, string])[] = [
  // §13.1: the first value of the offered list that the responder supports.
  ['HeaderDigest', 'None,CRC32C', 'None'],
  ['HeaderDigest', 'CRC32C,None', 'CRC32C'],
  ['HeaderDigest', 'CRC32C', 'CRC32C'],
  ['HeaderDigest', 'X-mine,CRC32C', 'CRC32C'],
  ['HeaderDigest', 'X-mine', 'Reject'],
  ['HeaderDigest', '', 'Reject'],
  ['DataDigest', 'CRC32C,None', 'None'],
  ['DataDigest', 'CRC32C', 'Reject'],
  // §13.2: 1 to 65535, the smaller.
  ['MaxConnections', '1', '1'],
  ['MaxConnections', '65535', '1'],
  ['MaxConnections', '0', 'Reject'],
  ['MaxConnections', '65536', 'Reject'],
  // §13.10: OR.
  ['InitialR2T', 'No', 'No'],
  ['InitialR2T', 'Yes', 'Yes'],
  ['InitialR2T', 'yes', 'Reject'],
  // §13.11: AND.
  ['ImmediateData', 'Yes', 'Yes'],
  ['ImmediateData', 'No', 'No'],
  ['ImmediateData', '1', 'Reject'],
  // §13.12: 512 to 2^24-1, declared.
  ['MaxRecvDataSegmentLength', '512', 'declared'],
  ['MaxRecvDataSegmentLength', '16777215', 'declared'],
  ['MaxRecvDataSegmentLength', '511', 'Reject'],
  ['MaxRecvDataSegmentLength', '16777216', 'Reject'],
  // §13.13, §13.14: 512 to 2^24-1, the smaller.
  ['MaxBurstLength', '262144', '262144'],
  ['MaxBurstLength', '16777215', '524288'],
  ['MaxBurstLength', '0x10000', '65536'],
  ['MaxBurstLength', '511', 'Reject'],
  ['MaxBurstLength', '16777216', 'Reject'],
  ['FirstBurstLength', '512', '512'],
  ['FirstBurstLength', '262144', '131072'],
  ['FirstBurstLength', '511', 'Reject'],
  // §13.15: 0 to 3600, the larger.
  ['DefaultTime2Wait', '0', '3'],
  ['DefaultTime2Wait', '3600', '3600'],
  ['DefaultTime2Wait', '3601', 'Reject'],
  // §13.16: 0 to 3600, the smaller.
  ['DefaultTime2Retain', '0', '0'],
  ['DefaultTime2Retain', '3600', '30'],
  ['DefaultTime2Retain', '3601', 'Reject'],
  // §13.17: 1 to 65535, the smaller.
  ['MaxOutstandingR2T', '1', '1'],
  ['MaxOutstandingR2T', '65535', '4'],
  ['MaxOutstandingR2T', '65536', 'Reject'],
  ['MaxOutstandingR2T', '0', 'Reject'],
  // §13.18, §13.19: OR; ours is Yes.
  ['DataPDUInOrder', 'No', 'Yes'],
  ['DataPDUInOrder', 'Yes', 'Yes'],
  ['DataSequenceInOrder', 'No', 'Yes'],
  // §13.20: 0 to 2, the smaller.
  ['ErrorRecoveryLevel', '2', '0'],
  ['ErrorRecoveryLevel', '0', '0'],
  ['ErrorRecoveryLevel', '3', 'Reject'],
  // §13.23: the first supported; FastAbort is not offered here.
  ['TaskReporting', 'FastAbort,ResponseFence,RFC3720', 'ResponseFence'],
  ['TaskReporting', 'RFC3720,ResponseFence', 'RFC3720'],
  ['TaskReporting', 'FastAbort', 'Reject'],
  // §13.24: 0 to 31, the smaller; RFC 7143 itself is level 1.
  ['iSCSIProtocolLevel', '2', '1'],
  ['iSCSIProtocolLevel', '0', '0'],
  ['iSCSIProtocolLevel', '32', 'Reject'],
  // §13.25: obsolete keys are never NotUnderstood.
  ['IFMarker', 'No', 'No'],
  ['OFMarker', 'Yes', 'Reject'],
  ['IFMarkInt', '2048~8192', 'Reject'],
  ['OFMarkInt', '1', 'Reject'],
  // §6.2: keys that nobody here knows.
  ['X-com.example.fast', 'Yes', 'NotUnderstood'],
  ['Frobnicate', '1', 'NotUnderstood'],
  ['initialr2t', 'No', 'NotUnderstood'],
];

test.each(OUTCOMES)('%s=%s is met with %s', (key, offer, expected) => {
  expect(answer(key, offer)).toBe(expected);
});

test('what is rejected, or never offered, keeps the default of RFC 7143', () => {
  const negotiation = new Negotiation(PREFERENCES);
  negotiation.offer('MaxBurstLength', '7', 'operational');
  negotiation.offer('MaxRecvDataSegmentLength', 'many', 'operational');
  expect(negotiation.parameters()).toEqual({
    HeaderDigest: 'None',
    DataDigest: 'None',
    MaxConnections: 1,
    InitialR2T: true,
    ImmediateData: true,
    MaxRecvDataSegmentLength: 8192,
    MaxBurstLength: 262144,
    FirstBurstLength: 65536,
    DefaultTime2Wait: 2,
    DefaultTime2Retain: 20,
    MaxOutstandingR2T: 1,
    DataPDUInOrder: true,
    DataSequenceInOrder: true,
    ErrorRecoveryLevel: 0,
    TaskReporting: 'RFC3720',
    iSCSIProtocolLevel: 1,
  });
});

describe('FirstBurstLength', () => {
  test('never exceeds MaxBurstLength, whatever the order of the keys (§13.14)', () => {
    for (const reversed of [false, true]) {
      const negotiation = new Negotiation(PREFERENCES);
      const pairs: [string, string][] = [
        ['MaxBurstLength', '16384'],
        ['FirstBurstLength', '65536'],
      ];
      const verdicts = negotiation.offerAll(reversed ? pairs.reverse() : pairs, 'operational');
      expect(verdicts).toContainEqual({ kind: 'answer', value: '16384' });
      expect(verdicts).not.toContainEqual({ kind: 'answer', value: '65536' });
      expect(negotiation.parameters().FirstBurstLength).toBe(16384);
    }
  });

  test('is capped by MaxBurstLength when only that is negotiated', () => {
    const negotiation = new Negotiation(PREFERENCES);
    negotiation.offer('MaxBurstLength', '1024', 'operational');
    expect(negotiation.parameters().FirstBurstLength).toBe(1024);
  });

  test('is irrelevant with InitialR2T=Yes and ImmediateData=No, even when it comes first (§13.14)', () => {
    const negotiation = new Negotiation(PREFERENCES);
    const verdicts = negotiation.offerAll(
      [
        ['FirstBurstLength', '4096'],
        ['InitialR2T', 'Yes'],
        ['ImmediateData', 'No'],
      ],
      'operational',
    );
    expect(verdicts[0]).toEqual({ kind: 'answer', value: 'Irrelevant' });
  });
});

test('keys marked so are irrelevant in a discovery session; the others are negotiated', () => {
  const irrelevant = [
    ['MaxConnections', '1'],
    ['InitialR2T', 'No'],
    ['ImmediateData', 'Yes'],
    ['MaxBurstLength', '262144'],
    ['FirstBurstLength', '65536'],
    ['MaxOutstandingR2T', '1'],
    ['DataPDUInOrder', 'Yes'],
    ['DataSequenceInOrder', 'Yes'],
    ['TaskReporting', 'RFC3720'],
    ['iSCSIProtocolLevel', '1'],
  ] as const;
  const negotiation = new Negotiation(PREFERENCES);
  negotiation.setDiscovery();
  for (const [key, value] of irrelevant) {
    expect(negotiation.offer(key, value, 'operational'), key).toEqual({
      kind: 'answer',
      value: 'Irrelevant',
    });
  }
  expect(negotiation.offer('HeaderDigest', 'None', 'operational')).toEqual({ kind: 'answer', value: 'None' });
  expect(negotiation.offer('DefaultTime2Wait', '2', 'operational')).toEqual({ kind: 'answer', value: '3' });
  expect(negotiation.offer('ErrorRecoveryLevel', '0', 'operational')).toEqual({ kind: 'answer', value: '0' });
});

test('a key that only a target sends is a fault (§13.6, §13.8, §13.9)', () => {
  for (const key of ['TargetAlias', 'TargetAddress', 'TargetPortalGroupTag']) {
    expect(answer(key, '1'), key).toBe('fault');
  }
});

test('a key in the wrong stage is a fault in a login, and rejected after it', () => {
  expect(answer('MaxBurstLength', '512', 'security')).toBe('fault');
  expect(answer('AuthMethod', 'None', 'operational')).toBe('fault');
  expect(answer('SendTargets', 'All', 'operational')).toBe('fault');
  expect(answer('SendTargets', 'All', 'full-feature')).toBe('declared');
  expect(answer('MaxBurstLength', '512', 'full-feature')).toBe('Reject');
  expect(answer('HeaderDigest', 'None', 'full-feature')).toBe('Reject');
  expect(answer('MaxRecvDataSegmentLength', '4096', 'full-feature')).toBe('declared');
  expect(answer('InitiatorAlias', 'me', 'full-feature')).toBe('declared');
});

test('an offer is made once; naming oneself again is harmless, naming someone else is not (§6.3)', () => {
  const negotiation = new Negotiation(DEFAULT_PREFERENCES);
  expect(negotiation.offer('ImmediateData', 'Yes', 'operational').kind).toBe('answer');
  expect(negotiation.offer('ImmediateData', 'Yes', 'operational').kind).toBe('fault');
  expect(negotiation.offer('InitiatorName', 'iqn.a', 'security').kind).toBe('declared');
  expect(negotiation.offer('InitiatorName', 'iqn.a', 'operational').kind).toBe('declared');
  expect(negotiation.offer('InitiatorName', 'iqn.b', 'operational').kind).toBe('fault');
});

test('the defaults of this target are the ones promised', () => {
  const ours = (key: string, value: string): string | undefined =>
    answer(key, value, 'operational', DEFAULT_PREFERENCES);
  expect(ours('InitialR2T', 'No')).toBe('No');
  expect(ours('ImmediateData', 'Yes')).toBe('Yes');
  expect(ours('FirstBurstLength', '16777215')).toBe('262144');
  expect(ours('MaxBurstLength', '16777215')).toBe('1048576');
  expect(ours('DefaultTime2Retain', '20')).toBe('0');
  expect(ours('HeaderDigest', 'CRC32C,None')).toBe('CRC32C');
  expect(ours('HeaderDigest', 'None,CRC32C')).toBe('None');
});
