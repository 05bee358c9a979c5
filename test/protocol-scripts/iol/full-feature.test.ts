// The target's items of UNH-IOL's full feature phase suite as scripts of our own, each with its clause in
// RFC 7143. All numbers start just below 2^32. From documents; not run in that laboratory.
import {
  TaskManagementFunction as Code,
  DataIn,
  DataOut,
  encodeText,
  LogoutRequest,
  LogoutResponse,
  NopIn,
  NopOut,
  Opcode,
  RESERVED_TAG,
  Reject,
  ScsiResponse,
  TaskManagementRequest,
  TaskManagementResponse,
  TextRequest,
  TextResponse,
} from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { settle } from '../../support/pool-world.ts';
import { BLOCK_BYTES, read, Script, write } from './script.ts';

const KEYS = [
  ['InitialR2T', 'Yes'],
  ['ImmediateData', 'No'],
  ['MaxBurstLength', '2048'],
  ['MaxOutstandingR2T', '1'],
] as const;

const bytes = (count: number, value = 7): Uint8Array => new Uint8Array(count).fill(value);

describe('command numbering', () => {
  test('commands that arrive out of order run in the order of CmdSN (§4.2.2.1)', async () => {
    const script = await Script.begin();
    const [first, second] = [script.next(), script.next()];
    const late = await script.command({ ...read(1, 1), cmdSN: second });
    expect(script.rest).toEqual([]);
    const early = await script.command({ ...read(0, 1), cmdSN: first });
    expect([script.take(DataIn).initiatorTaskTag, script.take(DataIn).initiatorTaskTag]).toEqual([
      early,
      late,
    ]);
  });

  test('ExpCmdSN wraps from FFFFFFFFh to 0 and the window stays open (§4.2.2.1, RFC 1982)', async () => {
    const script = await Script.begin();
    for (let turn = 0; turn < 4; turn += 1) {
      await script.command(read(0, 1));
      const answer = script.take(DataIn);
      expect(answer).toMatchObject({ status: 0, expCmdSN: script.cmdSN });
      expect((answer.maxCmdSN - answer.expCmdSN + 1) >>> 0).toBe(128);
    }
    expect(script.cmdSN).toBe(3);
  });

  test('an immediate command is taken at once and uses up no CmdSN (§4.2.2.1)', async () => {
    const script = await Script.begin();
    await script.command({ ...read(0, 1), immediate: true });
    expect(script.take(DataIn).expCmdSN).toBe(script.cmdSN);
    await script.command(read(0, 1));
    expect(script.take(DataIn).status).toBe(0);
  });

  test('a command outside the window, and one said twice, get no answer (§4.2.2.1, §7.2.1)', async () => {
    const script = await Script.begin();
    await script.command({ ...read(0, 1), cmdSN: (script.cmdSN + 128) >>> 0 });
    await script.command({ ...read(0, 1), cmdSN: (script.cmdSN - 1) >>> 0 });
    expect(script.rest).toEqual([]);
    await script.command(read(0, 1));
    expect(script.take(DataIn).status).toBe(0);
    expect(script.rest).toEqual([]);
  });

  test('an immediate task management function overtakes commands that wait for one lost (§4.2.2.1)', async () => {
    const script = await Script.begin();
    const lost = script.next();
    await script.command(read(0, 1));
    const fields = {
      immediate: true,
      function: Code.ABORT_TASK_SET,
      initiatorTaskTag: 5,
      cmdSN: script.cmdSN,
    };
    await script.send(TaskManagementRequest, { ...fields, referencedTaskTag: RESERVED_TAG });
    expect(script.take(TaskManagementResponse)).toMatchObject({ response: 0, expCmdSN: lost });
    await script.command({ ...read(0, 1), cmdSN: lost });
    script.take(DataIn);
    expect(script.rest).toEqual([]);
  });
});

describe('status numbering', () => {
  test('StatSN counts statuses only; R2T tells the next one without using it up (§4.2.2.2, §11.8.2)', async () => {
    const script = await Script.begin(KEYS);
    await script.command(read(0, 1));
    const { statSN } = script.take(DataIn);
    const tag = await script.command(write(0, 1));
    const r2t = script.takeR2T();
    expect(r2t).toMatchObject({ initiatorTaskTag: tag, statSN: (statSN + 1) >>> 0, r2tSN: 0 });
    const { targetTransferTag } = r2t;
    await script.send(
      DataOut,
      { final: true, initiatorTaskTag: tag, targetTransferTag },
      { data: bytes(512) },
    );
    expect(script.take(ScsiResponse)).toMatchObject({ status: 0, statSN: (statSN + 1) >>> 0 });
  });
});

describe('data in', () => {
  test('DataSN from 0, F at the end of each burst, status and its StatSN in the last (§11.7.2 to §11.7.6)', async () => {
    const script = await Script.begin([...KEYS, ['MaxRecvDataSegmentLength', '1024']]);
    await script.command(read(0, 8));
    const pdus = Array.from({ length: 4 }, () => script.take(DataIn));
    expect(
      pdus.map(({ dataSN, bufferOffset, final, statusPresent }) => [
        dataSN,
        bufferOffset,
        final,
        statusPresent,
      ]),
    ).toEqual([
      ...[
        [0, 0, false, false],
        [1, 1024, true, false],
        [2, 2048, false, false],
        [3, 3072, true, true],
      ],
    ]);
    expect(script.rest).toEqual([]);
  });

  test('a read that expects less is cut and says so; one that expects more has an underflow (§11.4.5)', async () => {
    const script = await Script.begin();
    await script.command({ ...read(0, 2), expectedDataTransferLength: BLOCK_BYTES });
    expect(script.take(DataIn)).toMatchObject({
      residualOverflow: true,
      residualCount: 512,
      dataSegmentLength: 512,
    });
    await script.command({ ...read(0, 1), expectedDataTransferLength: 3 * BLOCK_BYTES });
    expect(script.take(DataIn)).toMatchObject({ residualUnderflow: true, residualCount: 1024 });
  });
});

describe('data out', () => {
  test('R2Ts in order, offsets contiguous, none over MaxBurstLength, one at a time (§11.8.1 to §11.8.4)', async () => {
    const script = await Script.begin(KEYS);
    const tag = await script.command(write(0, 10));
    const asked: number[][] = [];
    for (let turn = 0; turn < 3; turn += 1) {
      const r2t = script.takeR2T();
      expect(script.rest).toEqual([]);
      expect(r2t.targetTransferTag).not.toBe(RESERVED_TAG);
      const { r2tSN, bufferOffset, desiredDataTransferLength: length, targetTransferTag } = r2t;
      asked.push([r2tSN, bufferOffset, length]);
      const fields = { final: true, initiatorTaskTag: tag, targetTransferTag, bufferOffset };
      await script.send(DataOut, fields, { data: bytes(length) });
    }
    expect(asked).toEqual([
      [0, 0, 2048],
      [1, 2048, 2048],
      [2, 4096, 1024],
    ]);
    expect(script.take(ScsiResponse)).toMatchObject({ status: 0, expDataSN: 3 });
  });

  test('several commands ask at once, each with a tag of its own (§11.8.5)', async () => {
    const script = await Script.begin(KEYS);
    const tags = [await script.command(write(0, 1)), await script.command(write(1, 1))];
    const r2ts = [script.takeR2T(), script.takeR2T()];
    expect(r2ts.map(({ initiatorTaskTag }) => initiatorTaskTag)).toEqual(tags);
    expect(new Set(r2ts.map(({ targetTransferTag }) => targetTransferTag)).size).toBe(2);
    for (const { initiatorTaskTag, targetTransferTag } of r2ts.reverse()) {
      await script.send(DataOut, { final: true, initiatorTaskTag, targetTransferTag }, { data: bytes(512) });
    }
    const ends = [script.take(ScsiResponse), script.take(ScsiResponse)];
    expect(ends.map(({ initiatorTaskTag }) => initiatorTaskTag)).toEqual([...tags].reverse());
  });

  test('unsolicited and immediate data up to FirstBurstLength, the rest by R2T (§4.2.5.2, §13.14)', async () => {
    const script = await Script.begin([
      ['InitialR2T', 'No'],
      ['ImmediateData', 'Yes'],
      ['FirstBurstLength', '1024'],
    ]);
    const tag = await script.command({ ...write(0, 4), final: false }, bytes(512));
    const unsolicited = {
      final: true,
      initiatorTaskTag: tag,
      targetTransferTag: RESERVED_TAG,
      bufferOffset: 512,
    };
    await script.send(DataOut, unsolicited, { data: bytes(512) });
    const r2t = script.takeR2T();
    expect(r2t).toMatchObject({ bufferOffset: 1024, desiredDataTransferLength: 1024, r2tSN: 0 });
    const { targetTransferTag, bufferOffset } = r2t;
    await script.send(DataOut, { ...unsolicited, targetTransferTag, bufferOffset }, { data: bytes(1024) });
    expect(script.take(ScsiResponse).status).toBe(0);
  });
});

describe('NOP, text, task management, logout', () => {
  test('a NOP-Out comes back with its data, its tag and no target tag (§11.18, §11.19)', async () => {
    const script = await Script.begin();
    const cmdSN = script.next();
    const tags = { initiatorTaskTag: 9, targetTransferTag: RESERVED_TAG };
    await script.send(NopOut, { ...tags, cmdSN }, { data: bytes(33) });
    const answer = script.take(NopIn);
    expect(answer).toMatchObject({ ...tags, expCmdSN: script.cmdSN });
    expect([...answer.data]).toEqual([...bytes(33)]);
  });

  test('a text request in full feature is answered with its own target; a reset of it begins anew (§11.10.4)', async () => {
    const script = await Script.begin([['MaxRecvDataSegmentLength', '512']]);
    const many = encodeText(Array.from({ length: 60 }, (_, at): [string, string] => [`X-${at}`, 'v']));
    const fields = { final: true, initiatorTaskTag: 3, targetTransferTag: RESERVED_TAG };
    await script.send(TextRequest, { ...fields, cmdSN: script.next() }, { data: many });
    const first = script.take(TextResponse);
    expect(first).toMatchObject({ continue: true, final: false });
    expect(first.targetTransferTag).not.toBe(RESERVED_TAG);
    const own = encodeText([['SendTargets', '']]);
    await script.send(TextRequest, { ...fields, initiatorTaskTag: 4, cmdSN: script.next() }, { data: own });
    expect(script.take(TextResponse)).toMatchObject({ final: true, targetTransferTag: RESERVED_TAG });
    const stale = { ...fields, targetTransferTag: first.targetTransferTag, cmdSN: script.next() };
    await script.send(TextRequest, stale);
    expect(script.take(Reject).reason).toBe(0x04);
  });

  test('ABORT TASK while data is awaited: answered, the task never; its late data is ignored (§11.5.1)', async () => {
    const script = await Script.begin(KEYS);
    const tag = await script.command(write(0, 1));
    const { targetTransferTag } = script.takeR2T();
    const fields = { immediate: true, function: Code.ABORT_TASK, cmdSN: script.cmdSN, initiatorTaskTag: 6 };
    await script.send(TaskManagementRequest, { ...fields, referencedTaskTag: tag });
    expect(script.take(TaskManagementResponse).response).toBe(0);
    await script.send(
      DataOut,
      { final: true, initiatorTaskTag: tag, targetTransferTag },
      { data: bytes(512) },
    );
    expect(script.rest).toEqual([]);
    await script.send(TaskManagementRequest, { ...fields, referencedTaskTag: tag });
    expect(script.take(TaskManagementResponse).response).toBe(1);
  });

  test('ABORT TASK of a command that is still to come: its number counts as received (§11.6.1)', async () => {
    const script = await Script.begin();
    const refCmdSN = script.next();
    const fields = { immediate: true, function: Code.ABORT_TASK, cmdSN: script.cmdSN, initiatorTaskTag: 6 };
    await script.send(TaskManagementRequest, { ...fields, referencedTaskTag: 500, refCmdSN });
    expect(script.take(TaskManagementResponse)).toMatchObject({ response: 0, expCmdSN: script.cmdSN });
    await script.command({ ...read(0, 1), cmdSN: refCmdSN, initiatorTaskTag: 500 });
    expect(script.rest).toEqual([]);
  });

  test('a logout closes the session and, once answered, the connection (§11.14, §11.15)', async () => {
    const script = await Script.begin();
    await script.send(LogoutRequest, {
      immediate: true,
      reasonCode: 0,
      initiatorTaskTag: 8,
      cmdSN: script.cmdSN,
    });
    expect(script.take(LogoutResponse)).toMatchObject({ response: 0, initiatorTaskTag: 8 });
    expect(script.peer.closed).toBe(true);
    expect(script.target.front.hub.sessions()).toEqual([]);
  });

  test('a stop of the target asks for a logout by Asynchronous Message, event 1 (§11.9.1)', async () => {
    const script = await Script.begin();
    script.target.front.askLogouts(3_000);
    await settle();
    expect(script.rest).toEqual([Opcode.ASYNC_MESSAGE]);
  });
});
