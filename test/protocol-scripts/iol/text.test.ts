// The items of UNH-IOL's full feature phase suite about text, as scripts of our own, each with its clause in
// RFC 7143: long text in either direction, continuation, and what a session may ask for. From documents; not
// run in that laboratory.
import {
  DataIn,
  decodeText,
  encodeText,
  RESERVED_TAG,
  Reject,
  type TextPair,
  TextRequest,
  TextResponse,
} from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { read, Script, TARGET } from './script.ts';

const PROTOCOL_ERROR = 0x04;

const BEGIN = { final: true, initiatorTaskTag: 3, targetTransferTag: RESERVED_TAG } as const;
const unknownKeys = (count: number): TextPair[] =>
  Array.from({ length: count }, (_, nth): TextPair => [`X-com.example.${nth}`, 'value']);

async function ask(script: Script, pairs: readonly TextPair[]) {
  await script.send(TextRequest, { ...BEGIN, cmdSN: script.next() }, { data: encodeText(pairs) });
  return script.take(TextResponse);
}

describe('text that takes several PDUs', () => {
  test('requests with C are answered with empty responses and one tag until the text is whole (§11.10.2, §11.10.4)', async () => {
    const script = await Script.begin();
    const whole = encodeText(unknownKeys(20));
    const cuts = [whole.subarray(0, 7), whole.subarray(7, 200), whole.subarray(200)];
    let targetTransferTag = RESERVED_TAG;
    for (const data of cuts.slice(0, -1)) {
      const fields = { initiatorTaskTag: 3, continue: true, targetTransferTag, cmdSN: script.next() };
      await script.send(TextRequest, fields, { data });
      const response = script.take(TextResponse);
      expect(response).toMatchObject({ final: false, continue: false, dataSegmentLength: 0 });
      expect(response.targetTransferTag).not.toBe(RESERVED_TAG);
      if (targetTransferTag !== RESERVED_TAG) expect(response.targetTransferTag).toBe(targetTransferTag);
      targetTransferTag = response.targetTransferTag;
    }
    const last = { final: true, initiatorTaskTag: 3, targetTransferTag, cmdSN: script.next() };
    await script.send(TextRequest, last, { data: whole.subarray(200) });
    const response = script.take(TextResponse);
    expect(response).toMatchObject({ final: true, targetTransferTag: RESERVED_TAG });
    expect(decodeText(response.data)).toEqual(unknownKeys(20).map(([key]) => [key, 'NotUnderstood']));
  });

  test('a long answer comes in parts no longer than declared, each asked for with its tag (§11.11.2, §11.11.4)', async () => {
    const script = await Script.begin([['MaxRecvDataSegmentLength', '512']]);
    const parts = [await ask(script, unknownKeys(60))];
    const { targetTransferTag } = parts[0] as TextResponse;
    for (let part = parts[0]; part?.continue === true; part = parts.at(-1)) {
      await script.send(TextRequest, { ...BEGIN, targetTransferTag, cmdSN: script.next() });
      parts.push(script.take(TextResponse));
    }
    expect(parts.length).toBeGreaterThan(2);
    for (const part of parts) expect(part.dataSegmentLength).toBeLessThanOrEqual(512);
    for (const part of parts.slice(0, -1)) expect(part).toMatchObject({ final: false, targetTransferTag });
    expect(parts.at(-1)).toMatchObject({ final: true, targetTransferTag: RESERVED_TAG });
    const text = Buffer.concat(parts.map(({ data }) => data));
    expect(decodeText(text)).toEqual(unknownKeys(60).map(([key]) => [key, 'NotUnderstood']));
    // Each request has used up one CmdSN and each response one StatSN.
    expect(new Set(parts.map(({ statSN }) => statSN)).size).toBe(parts.length);
    expect(parts.at(-1)?.expCmdSN).toBe(script.cmdSN);
  });

  test.each([
    ['F and C at once', { ...BEGIN, continue: true }],
    ['no initiator task tag', { ...BEGIN, initiatorTaskTag: RESERVED_TAG }],
    ['a tag of an exchange that is not there', { ...BEGIN, targetTransferTag: 77 }],
  ])('%s: Reject, protocol error, and the session goes on (§11.10, §11.17.1)', async (_, fields) => {
    const script = await Script.begin();
    const data = encodeText([['SendTargets', '']]);
    await script.send(TextRequest, { ...fields, cmdSN: script.next() }, { data });
    expect(script.take(Reject).reason).toBe(PROTOCOL_ERROR);
    expect(await script.ready()).toBe('good');
  });
});

describe('what text may say in the full feature phase', () => {
  test('SendTargets in a normal session: its own target, by nothing or by name; no other, not All (Appendix C)', async () => {
    const script = await Script.begin();
    const own = [
      ['TargetName', TARGET],
      ['TargetAddress', '192.0.2.1:3260,1'],
    ];
    for (const value of ['', TARGET]) {
      expect(decodeText((await ask(script, [['SendTargets', value]])).data)).toEqual(own);
    }
    for (const value of ['All', 'iqn.2026-11.example:other']) {
      expect(decodeText((await ask(script, [['SendTargets', value]])).data)).toEqual([
        ['SendTargets', 'Reject'],
      ]);
    }
  });

  test('MaxRecvDataSegmentLength may be declared anew, and counts from then on (§13.12)', async () => {
    const script = await Script.begin();
    expect((await ask(script, [['MaxRecvDataSegmentLength', '512']])).final).toBe(true);
    await script.command(read(0, 2));
    expect([script.take(DataIn), script.take(DataIn)].map((one) => one.dataSegmentLength)).toEqual([
      512, 512,
    ]);
    expect(script.rest).toEqual([]);
  });

  test.each([
    ['InitialR2T', 'No'],
    ['HeaderDigest', 'CRC32C'],
    ['MaxConnections', '1'],
  ])('%s belongs into the login and is refused (§13)', async (key, value) => {
    const script = await Script.begin();
    const { data } = await ask(script, [[key, value]]);
    expect(decodeText(data)).toEqual([[key, 'Reject']]);
    expect(await script.ready()).toBe('good');
  });
});
