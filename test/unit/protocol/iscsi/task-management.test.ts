// Task management (RFC 7143 §11.5, §11.6): what each function ends, what it answers, and when: never
// before the last task it covers has ended.
import {
  encodeLun,
  R2T,
  ScsiCommand,
  ScsiResponse,
  TaskManagementRequest,
  TaskManagementResponse,
} from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { MemoryTarget, RawPeer, TARGET_NAME, testDirectory } from '../../../support/initiator/index.ts';

const CDB = new Uint8Array(16);
const ABORT_TASK = 1;
const ABORT_TASK_SET = 2;
const CLEAR_ACA = 3;
const CLEAR_TASK_SET = 4;
const LUN_RESET = 5;
const WARM_RESET = 6;
const COLD_RESET = 7;
const REASSIGN = 8;

function script(cancel = false) {
  const target = new MemoryTarget({ directory: testDirectory(), run: () => undefined, cancel: () => cancel });
  const connection = target.connect();
  const peer = new RawPeer(connection.transport);
  peer.establish(TARGET_NAME);
  return { target, connection, peer };
}

function command(peer: RawPeer, cmdSN: number, { lun = 0, write = false } = {}): void {
  const data = write ? { write: true, expectedDataTransferLength: 512 } : {};
  const fields = { final: true, attr: 1, initiatorTaskTag: cmdSN, lun: encodeLun(lun), cmdSN, cdb: CDB };
  peer.send(ScsiCommand, { ...fields, ...data });
}

interface Request {
  readonly lun?: number;
  readonly referencedTaskTag?: number;
  readonly refCmdSN?: number;
  readonly cmdSN: number;
  readonly immediate?: boolean;
}

function manage(peer: RawPeer, code: number, request: Request): void {
  const { lun = 0, referencedTaskTag = 0xffffffff, refCmdSN = 0, cmdSN, immediate = true } = request;
  const fields = { immediate, function: code, lun: encodeLun(lun), initiatorTaskTag: 1000 };
  peer.send(TaskManagementRequest, { ...fields, referencedTaskTag, refCmdSN, cmdSN });
}

const answer = (peer: RawPeer): number => peer.take(TaskManagementResponse).response;

describe('ABORT TASK', () => {
  test('of a task with SCSI: answered when SCSI is done with it, the task itself never', () => {
    const { peer, target, connection } = script();
    command(peer, 1);
    manage(peer, ABORT_TASK, { referencedTaskTag: 1, refCmdSN: 1, cmdSN: 2 });
    expect(peer.frames).toEqual([]);
    expect(connection.effects.at(-1)).toMatchObject({ type: 'cancelTask', task: 1, scsi: { tag: 1 } });
    target.running[0]?.finish({ status: 0, transferBytes: 0 });
    expect(peer.take(TaskManagementResponse)).toMatchObject({ response: 0, maxCmdSN: 1 + 128 });
    expect(peer.frames).toEqual([]);
  });

  test('of a task that SCSI has not begun: answered at once', () => {
    const { peer, target } = script(true);
    command(peer, 1);
    manage(peer, ABORT_TASK, { referencedTaskTag: 1, refCmdSN: 1, cmdSN: 2 });
    expect(answer(peer)).toBe(0);
    expect(target.running).toEqual([]);
  });

  test('of a task that waits for its data, which is ignored when it comes', () => {
    const { peer, target } = script();
    command(peer, 1, { write: true });
    peer.take(R2T);
    manage(peer, ABORT_TASK, { referencedTaskTag: 1, refCmdSN: 1, cmdSN: 2 });
    expect(answer(peer)).toBe(0);
    expect(target.running).toEqual([]);
    command(peer, 2);
    expect(target.running.map((task) => task.tag)).toEqual([2]);
  });

  test('of one that is not there, or on another LUN: task does not exist', () => {
    const { peer } = script();
    command(peer, 1);
    manage(peer, ABORT_TASK, { referencedTaskTag: 77, refCmdSN: 0, cmdSN: 2 });
    expect(answer(peer)).toBe(1);
    manage(peer, ABORT_TASK, { referencedTaskTag: 1, refCmdSN: 1, cmdSN: 2, lun: 3 });
    expect(answer(peer)).toBe(1);
  });

  test('of a command that never came: its CmdSN counts as received', () => {
    const { peer, target } = script();
    command(peer, 2);
    manage(peer, ABORT_TASK, { referencedTaskTag: 1, refCmdSN: 1, cmdSN: 3 });
    expect(peer.take(TaskManagementResponse)).toMatchObject({ response: 0 });
    expect(target.running.map((task) => task.tag)).toEqual([2]);
    // Should it come after all, it is a duplicate.
    command(peer, 1);
    expect(target.running.map((task) => task.tag)).toEqual([2]);
    command(peer, 3);
    expect(target.running.map((task) => task.tag)).toEqual([2, 3]);
  });

  test('of a command that waits for its turn', () => {
    const { peer, target } = script();
    command(peer, 2);
    manage(peer, ABORT_TASK, { referencedTaskTag: 2, refCmdSN: 2, cmdSN: 3 });
    expect(answer(peer)).toBe(0);
    for (const cmdSN of [1, 3]) command(peer, cmdSN);
    expect(target.running.map((task) => task.tag)).toEqual([1, 3]);
    for (const task of [...target.running]) task.finish({ status: 0, transferBytes: 0 });
    peer.take(ScsiResponse);
    expect(peer.take(ScsiResponse)).toMatchObject({ expCmdSN: 4, maxCmdSN: 4 + 127 });
  });
});

describe('functions beyond one task', () => {
  test.each([
    ['ABORT TASK SET', ABORT_TASK_SET, 'abort-task-set', [3]],
    ['CLEAR TASK SET', CLEAR_TASK_SET, 'clear-task-set', [3]],
    ['LOGICAL UNIT RESET', LUN_RESET, 'lun-reset', [3]],
    ['TARGET WARM RESET', WARM_RESET, 'target-warm-reset', []],
  ] as const)('%s ends the tasks it covers, then asks the shell, then answers', (_, code, name, left) => {
    const { peer, target, connection } = script();
    command(peer, 1);
    command(peer, 2, { write: true });
    command(peer, 3, { lun: 5 });
    peer.take(R2T);
    manage(peer, code, { cmdSN: 4 });
    const managed = (): boolean => connection.effects.some((effect) => effect.type === 'manageTasks');
    expect(managed()).toBe(false);
    for (const task of [...target.running]) {
      if (!left.some((tag) => tag === task.tag)) task.finish({ status: 0, transferBytes: 0 });
    }
    expect(connection.effects.at(-1)).toMatchObject({
      type: 'manageTasks',
      function: name,
      lun: encodeLun(0),
    });
    expect(answer(peer)).toBe(0);
    expect(peer.frames).toEqual([]);
    expect(target.running.map((task) => task.tag)).toEqual(left);
    expect(peer.closed).toBe(false);
  });

  test('TARGET COLD RESET ends the connection after its answer', () => {
    const { peer, connection } = script();
    manage(peer, COLD_RESET, { cmdSN: 1 });
    expect(answer(peer)).toBe(0);
    expect(peer.closed).toBe(true);
    expect(connection.effects.at(-1)).toMatchObject({ type: 'sessionClosed', why: 'target cold reset' });
  });

  test('one that takes its turn spares what comes after it', () => {
    const { peer, target } = script(true);
    command(peer, 3);
    manage(peer, ABORT_TASK_SET, { cmdSN: 2, immediate: false });
    expect(peer.frames).toEqual([]);
    command(peer, 1);
    expect(answer(peer)).toBe(0);
    expect(target.running.map((task) => task.tag)).toEqual([3]);
  });

  test('what the shell answers is what the initiator reads', () => {
    for (const [response, code] of [
      ['lun-does-not-exist', 2],
      ['not-supported', 5],
      ['not-authorized', 6],
      ['rejected', 255],
    ] as const) {
      const { target } = script();
      const connection = target.connect();
      const peer = new RawPeer(connection.transport);
      peer.establish(TARGET_NAME);
      // The stand-in answers 'complete' by itself, so the core is fed directly here.
      const data = new Uint8Array(48);
      TaskManagementRequest.encode(
        { function: LUN_RESET, immediate: true, initiatorTaskTag: 8, cmdSN: 1 },
        data,
      );
      const [, manageTasks] = connection.core.handle({ type: 'bytes', chunk: data }, 0);
      if (manageTasks?.type !== 'manageTasks') throw new RangeError('no manageTasks effect');
      const { request } = manageTasks;
      const effects = connection.core.handle({ type: 'taskManagementDone', request, response }, 0);
      const bytes = effects[0]?.type === 'send' ? effects[0].pieces[0] : undefined;
      expect(bytes?.[2]).toBe(code);
    }
  });
});

test('CLEAR ACA, TASK REASSIGN and functions that are none', () => {
  const { peer } = script();
  manage(peer, CLEAR_ACA, { cmdSN: 1 });
  expect(answer(peer)).toBe(5);
  manage(peer, REASSIGN, { cmdSN: 1, referencedTaskTag: 1 });
  expect(answer(peer)).toBe(4);
  manage(peer, 99, { cmdSN: 1 });
  expect(answer(peer)).toBe(5);
});

test('too many at once are rejected', () => {
  const { peer } = script();
  for (let cmdSN = 1; cmdSN <= 17; cmdSN += 1) command(peer, cmdSN);
  for (let tag = 1; tag <= 17; tag += 1) manage(peer, ABORT_TASK, { referencedTaskTag: tag, cmdSN: 20 });
  expect(answer(peer)).toBe(255);
});

describe('from outside (abortTasks)', () => {
  test('tasks end without a response, and the end is reported once the last is done', () => {
    const { peer, target, connection } = script();
    command(peer, 1);
    command(peer, 2, { lun: 5 });
    command(peer, 3, { write: true });
    peer.take(R2T);
    connection.feed({ type: 'abortTasks', scope: { luns: [encodeLun(0)] }, id: 42 });
    const cleared = (): boolean => connection.effects.some((effect) => effect.type === 'tasksCleared');
    expect(cleared()).toBe(false);
    target.running.find((task) => task.tag === 1)?.finish({ status: 0, transferBytes: 0 });
    expect(connection.effects.at(-1)).toEqual({ type: 'tasksCleared', id: 42, aborted: 2 });
    expect(peer.frames).toEqual([]);
    target.running.find((task) => task.tag === 2)?.finish({ status: 0, transferBytes: 0 });
    expect(peer.take(ScsiResponse)).toMatchObject({ initiatorTaskTag: 2 });
  });

  test('the task that asks is spared, and a LUN is the same in any addressing method', () => {
    const { peer, connection } = script(true);
    for (const cmdSN of [1, 2]) command(peer, cmdSN, { lun: 5 });
    const flat = Uint8Array.of(0x40, 5, 0, 0, 0, 0, 0, 0);
    connection.feed({ type: 'abortTasks', scope: { luns: [flat], exceptTag: 1 }, id: 1 });
    expect(connection.effects.filter((effect) => effect.type === 'cancelTask')).toMatchObject([{ task: 2 }]);
    expect(connection.effects.at(-1)).toEqual({ type: 'tasksCleared', id: 1, aborted: 1 });
  });

  test('before and after a session there is nothing to end', () => {
    const { target } = script();
    const connection = target.connect();
    connection.feed({ type: 'abortTasks', scope: {}, id: 7 });
    expect(connection.effects).toEqual([{ type: 'tasksCleared', id: 7, aborted: 0 }]);
  });
});
