// The items of UNH-IOL's full feature phase suite about task management, as scripts of our own: which tasks
// each function ends, in which sessions, and what is told to whom (RFC 7143 §4.2.3, §11.5, §11.6; SAM-5 §7).
// From documents; not run in that laboratory.
import {
  TaskManagementFunction as Code,
  DataIn,
  DataOut,
  encodeLun,
  ScsiCommand,
  TaskManagementRequest,
  TaskManagementResponse,
} from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { settle } from '../../support/pool-world.ts';
import { BLOCK_BYTES, read, Script } from './script.ts';

const KEYS = [
  ['InitialR2T', 'Yes'],
  ['ImmediateData', 'No'],
] as const;

const FUNCTION_COMPLETE = 0;
const NO_SUCH_LUN = 2;
const NOT_SUPPORTED = 5;
const COMMANDS_CLEARED = '2f00';
const RESET = '2903';

/** The data of a write that was under way arrives after all: nothing may come of it. */
async function late(script: Script, write: { tag: number; targetTransferTag: number }): Promise<void> {
  const fields = { final: true, initiatorTaskTag: write.tag, targetTransferTag: write.targetTransferTag };
  await script.send(DataOut, fields, { data: new Uint8Array(BLOCK_BYTES).fill(0xee) });
  expect(script.rest).toEqual([]);
}

/** Block 0 is as it was: no aborted write was stored. */
async function untouched(script: Script): Promise<void> {
  await script.command(read(0, 1));
  expect(script.take(DataIn).data.every((byte) => byte === 0)).toBe(true);
}

describe('functions that end several tasks', () => {
  test('ABORT TASK SET ends the tasks of its session at its LUN; others go on untold (§11.5.1)', async () => {
    const script = await Script.begin(KEYS);
    await script.target.createLun({ name: 'second', sizeBytes: 1 << 20, blockBytes: BLOCK_BYTES });
    const other = await script.another(9, KEYS);
    // The new LUN was announced to the first session, which is not what this is about.
    script.peer.frames.length = 0;
    await script.status({ cdb: new Uint8Array(6) });
    await script.status({ cdb: new Uint8Array(6), lun: encodeLun(1) });
    const mine = [await script.stuckWrite(), await script.stuckWrite()];
    const elsewhere = await script.stuckWrite({ lun: encodeLun(1) });
    const theirs = await other.stuckWrite();
    expect(await script.manage(Code.ABORT_TASK_SET)).toBe(FUNCTION_COMPLETE);
    for (const write of mine) await late(script, write);
    for (const [session, write] of [[script, elsewhere] as const, [other, theirs] as const]) {
      const { tag: initiatorTaskTag, targetTransferTag } = write;
      const data = new Uint8Array(BLOCK_BYTES);
      await session.send(DataOut, { final: true, initiatorTaskTag, targetTransferTag }, { data });
      expect(session.rest).toHaveLength(1);
      session.peer.frames.length = 0;
    }
    expect([await script.ready(), await other.ready()]).toEqual(['good', 'good']);
  });

  test('CLEAR TASK SET ends those of every session, and tells the others that lost some (§11.5.1)', async () => {
    const script = await Script.begin(KEYS);
    const [busy, idle] = [await script.another(8, KEYS), await script.another(9, KEYS)];
    const [mine, theirs] = [await script.stuckWrite(), await busy.stuckWrite()];
    expect(await script.manage(Code.CLEAR_TASK_SET)).toBe(FUNCTION_COMPLETE);
    await late(script, mine);
    await late(busy, theirs);
    expect([await script.ready(), await busy.ready(), await idle.ready()]).toEqual([
      ...['good', COMMANDS_CLEARED, 'good'],
    ]);
    await untouched(idle);
  });

  test.each([
    ['LOGICAL UNIT RESET', Code.LOGICAL_UNIT_RESET],
    ['TARGET WARM RESET', Code.TARGET_WARM_RESET],
  ])('%s reaches every nexus: tasks end unanswered, and each is told once (§11.5.1)', async (_, code) => {
    const script = await Script.begin(KEYS);
    const other = await script.another(9, KEYS);
    const theirs = await other.stuckWrite();
    expect(await script.manage(code)).toBe(FUNCTION_COMPLETE);
    await late(other, theirs);
    for (const session of [script, other])
      expect([await session.ready(), await session.ready()]).toEqual([RESET, 'good']);
    await untouched(script);
  });

  test('TARGET COLD RESET is answered, then every connection of the target ends (§11.5.1)', async () => {
    const script = await Script.begin(KEYS);
    const other = await script.another(9, KEYS);
    await other.stuckWrite();
    expect(await script.manage(Code.TARGET_COLD_RESET)).toBe(FUNCTION_COMPLETE);
    await settle();
    expect([script.peer.closed, other.peer.closed]).toEqual([true, true]);
    expect(script.target.front.hub.sessions()).toEqual([]);
  });

  test('one that takes its turn ends what came before it and nothing behind it (§4.2.3.3)', async () => {
    const script = await Script.begin(KEYS);
    const missing = script.next();
    const [turn, behind] = [script.next(), script.next()];
    const last = await script.command({ ...read(0, 1), cmdSN: behind });
    const fields = { function: Code.ABORT_TASK_SET, lun: encodeLun(0), initiatorTaskTag: 6, cmdSN: turn };
    await script.send(TaskManagementRequest, fields);
    expect(script.rest).toEqual([]);
    await script.command({ ...read(0, 1), cmdSN: missing });
    // The read before the function may have ended before its turn came; the one behind it is never ended.
    const tags = script.peer.frames.map(({ opcode, bhs }) => [
      opcode,
      new DataView(bhs.buffer, bhs.byteOffset).getUint32(16),
    ]);
    expect(tags).toContainEqual([TaskManagementResponse.opcode, 6]);
    expect(tags).toContainEqual([DataIn.opcode, last]);
  });

  test('with TaskReporting=ResponseFence nothing of an ended task follows the response (§4.2.2.3.3, §13.23)', async () => {
    const script = await Script.begin([...KEYS, ['TaskReporting', 'ResponseFence']]);
    for (let lba = 0; lba < 8; lba += 1) {
      const fields = { final: true, attr: 1, lun: encodeLun(0), initiatorTaskTag: script.tag() };
      script.peer.send(ScsiCommand, { ...fields, ...read(lba, 1), cmdSN: script.next() });
    }
    await script.send(TaskManagementRequest, {
      ...{ immediate: true, function: Code.ABORT_TASK_SET, lun: encodeLun(0), initiatorTaskTag: 7 },
      cmdSN: script.cmdSN,
    });
    await settle();
    expect(script.rest.at(-1)).toBe(TaskManagementResponse.opcode);
    script.peer.frames.length = 0;
    expect(await script.ready()).toBe('good');
  });
});

describe('functions that end nothing', () => {
  test('for a LUN that is not there (§11.6.1)', async () => {
    const script = await Script.begin();
    for (const code of [Code.ABORT_TASK_SET, Code.CLEAR_TASK_SET, Code.LOGICAL_UNIT_RESET])
      expect(await script.manage(code, { lun: encodeLun(5) })).toBe(NO_SUCH_LUN);
    expect(await script.ready()).toBe('good');
  });

  test('CLEAR ACA, for there is no ACA, and functions that are none (§11.6.1)', async () => {
    const script = await Script.begin();
    expect(await script.manage(Code.CLEAR_ACA)).toBe(NOT_SUPPORTED);
    expect(await script.manage(0x5f)).toBe(NOT_SUPPORTED);
  });
});
