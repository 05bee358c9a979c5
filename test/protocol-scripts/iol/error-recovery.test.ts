// The target's items of UNH-IOL's error recovery suite that exist at ErrorRecoveryLevel 0, as scripts of
// our own, each with its clause in RFC 7143. From documents; not run in that laboratory.
import {
  TaskManagementFunction as Code,
  DataIn,
  DataOut,
  LogoutRequest,
  LogoutResponse,
  NopOut,
  RESERVED_TAG,
  Reject,
  ScsiResponse,
  SnackRequest,
  TaskManagementRequest,
  TaskManagementResponse,
} from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { read, Script, senseOf, write } from './script.ts';

const DIGESTS = [
  ['HeaderDigest', 'CRC32C'],
  ['DataDigest', 'CRC32C'],
  ['InitialR2T', 'Yes'],
  ['ImmediateData', 'No'],
] as const;

/** The last byte of what is sent, the data digest's, is another. */
function spoiled(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = Uint8Array.from(Buffer.concat(pieces));
  whole[whole.length - 1] = (whole.at(-1) ?? 0) ^ 0xff;
  return whole;
}

/** Sends what the script sends next with its last byte spoiled. */
function spoilNext(script: Script): void {
  const { link } = script.peer;
  const { sendBytes } = link;
  link.sendBytes = (pieces) => {
    link.sendBytes = sendBytes;
    link.sendBytes([spoiled(pieces)]);
  };
}

describe('retry and recovery that level 0 does not have', () => {
  test('a command sent again while it runs is no second command (§7.2.1)', async () => {
    const script = await Script.begin([
      ['InitialR2T', 'Yes'],
      ['ImmediateData', 'No'],
    ]);
    const cmdSN = script.next();
    const tag = await script.command({ ...write(0, 1), cmdSN });
    const { targetTransferTag } = script.takeR2T();
    await script.command({ ...write(0, 1), cmdSN, initiatorTaskTag: tag });
    expect(script.rest).toEqual([]);
    const data = new Uint8Array(512);
    await script.send(DataOut, { final: true, initiatorTaskTag: tag, targetTransferTag }, { data });
    expect(script.take(ScsiResponse).status).toBe(0);
    expect(script.rest).toEqual([]);
  });

  test.each([0, 1, 2, 3])(
    'SNACK of type %i is rejected, and the session goes on (§11.16, §11.17.1)',
    async (type) => {
      const script = await Script.begin();
      await script.send(SnackRequest, {
        type,
        initiatorTaskTag: RESERVED_TAG,
        targetTransferTag: RESERVED_TAG,
      });
      expect(script.take(Reject).reason).toBe(0x03);
      await script.command(read(0, 1));
      expect(script.take(DataIn).status).toBe(0);
    },
  );

  test('TASK REASSIGN is not supported (§11.6.1), nor a logout for recovery (§11.14.1)', async () => {
    const script = await Script.begin();
    const fields = {
      immediate: true,
      function: Code.TASK_REASSIGN,
      initiatorTaskTag: 6,
      cmdSN: script.cmdSN,
    };
    await script.send(TaskManagementRequest, { ...fields, referencedTaskTag: 1 });
    expect(script.take(TaskManagementResponse).response).toBe(4);
    await script.send(LogoutRequest, {
      immediate: true,
      reasonCode: 2,
      initiatorTaskTag: 8,
      cmdSN: script.cmdSN,
    });
    expect(script.take(LogoutResponse).response).toBe(2);
    expect(script.peer.closed).toBe(false);
  });
});

describe('digest errors', () => {
  test('in a header: the connection ends, and the session with it (§7.8)', async () => {
    const script = await Script.begin(DIGESTS);
    spoilNext(script);
    await script.send(NopOut, { immediate: true, initiatorTaskTag: 1, cmdSN: script.cmdSN });
    expect([script.peer.closed, script.rest]).toEqual([true, []]);
    expect(script.target.front.hub.sessions()).toEqual([]);
  });

  test('in solicited data: Reject, then CHECK CONDITION, CRC error; nothing is written (§7.8)', async () => {
    const script = await Script.begin(DIGESTS);
    const tag = await script.command(write(0, 1));
    const { targetTransferTag } = script.takeR2T();
    spoilNext(script);
    const data = new Uint8Array(512).fill(9);
    await script.send(DataOut, { final: true, initiatorTaskTag: tag, targetTransferTag }, { data });
    expect(script.take(Reject).reason).toBe(0x02);
    const answer = script.take(ScsiResponse);
    expect([answer.status, senseOf(answer.data)]).toEqual([2, '4705']);
    await script.command(read(0, 1));
    expect(script.take(DataIn).data.every((byte) => byte === 0)).toBe(true);
  });

  test('in a NOP-Out: Reject, and its CmdSN may come again (§7.8)', async () => {
    const script = await Script.begin(DIGESTS);
    const cmdSN = script.next();
    spoilNext(script);
    const tags = { initiatorTaskTag: 9, targetTransferTag: RESERVED_TAG };
    await script.send(NopOut, { ...tags, cmdSN }, { data: new Uint8Array(20) });
    expect(script.take(Reject)).toMatchObject({ reason: 0x02, expCmdSN: cmdSN });
    await script.send(NopOut, { ...tags, cmdSN }, { data: new Uint8Array(20) });
    expect(script.rest.length).toBe(1);
  });
});

describe('sequence and format errors', () => {
  const KEYS = [
    ['InitialR2T', 'Yes'],
    ['ImmediateData', 'No'],
  ] as const;

  test.each([
    ['a DataSN that leaves one out', { dataSN: 1 }, '4705'],
    ['an offset that is not due', { bufferOffset: 512 }, '4705'],
  ])('%s: CHECK CONDITION, ABORTED COMMAND (§7.9, §11.4.7.2)', async (_, wrong, expected) => {
    const script = await Script.begin(KEYS);
    const tag = await script.command(write(0, 2));
    const { targetTransferTag } = script.takeR2T();
    const fields = { final: true, initiatorTaskTag: tag, targetTransferTag, ...wrong };
    await script.send(DataOut, fields, { data: new Uint8Array(512) });
    const answer = script.take(ScsiResponse);
    expect([answer.status, senseOf(answer.data)]).toEqual([2, expected]);
  });

  test('F with less than was asked for: CHECK CONDITION, INCORRECT AMOUNT OF DATA (§11.4.7.2)', async () => {
    const script = await Script.begin(KEYS);
    const tag = await script.command(write(0, 2));
    const { targetTransferTag } = script.takeR2T();
    const fields = { final: true, initiatorTaskTag: tag, targetTransferTag };
    await script.send(DataOut, fields, { data: new Uint8Array(512) });
    const answer = script.take(ScsiResponse);
    expect([answer.status, senseOf(answer.data)]).toEqual([2, '0c0d']);
  });

  test('a target transfer tag that names nothing: Reject, invalid PDU field; the command goes on (§11.17.1)', async () => {
    const script = await Script.begin(KEYS);
    const tag = await script.command(write(0, 1));
    const { targetTransferTag } = script.takeR2T();
    const fields = { final: true, initiatorTaskTag: tag };
    const data = new Uint8Array(512);
    await script.send(DataOut, { ...fields, targetTransferTag: targetTransferTag + 1000 }, { data });
    expect(script.take(Reject).reason).toBe(0x09);
    await script.send(DataOut, { ...fields, targetTransferTag }, { data });
    expect(script.take(ScsiResponse).status).toBe(0);
  });

  test('a command that reads and writes is refused: bidirectional transfers do not exist here (§11.3.1)', async () => {
    const script = await Script.begin([
      ['InitialR2T', 'No'],
      ['ImmediateData', 'Yes'],
    ]);
    await script.command({ ...write(0, 1), read: true }, new Uint8Array(512));
    const answer = script.take(ScsiResponse);
    expect([answer.status, senseOf(answer.data)]).toEqual([2, '0e03']);
  });
});

describe('the session after its connection', () => {
  test('a login with the same name and ISID reinstates: the old one ends, its tasks with it (§6.3.5)', async () => {
    const script = await Script.begin([
      ['InitialR2T', 'Yes'],
      ['ImmediateData', 'No'],
    ]);
    await script.command(write(0, 1));
    const again = new Script(script.target);
    await again.establish();
    expect(script.peer.closed).toBe(true);
    expect(script.target.front.hub.sessions().length).toBe(1);
  });

  test('a connection that breaks ends the session at once: Time2Retain is 0 (§13.16)', async () => {
    const script = await Script.begin();
    script.peer.link.close();
    const again = new Script(script.target);
    const { tsih } = await again.establish();
    expect(tsih).not.toBe(0);
    expect(script.target.front.hub.sessions().length).toBe(1);
  });
});
