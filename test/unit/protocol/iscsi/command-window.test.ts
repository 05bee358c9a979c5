// CmdSN and the window (RFC 7143 §4.2.2.1): order, gaps, duplicates, what is outside, immediate commands.
import {
  DataOut,
  encodeLun,
  NopIn,
  NopOut,
  R2T,
  RESERVED_TAG,
  Reject,
  ScsiCommand,
  ScsiResponse,
  type TextPair,
} from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { MemoryTarget, RawPeer, TARGET_NAME, testDirectory } from '../../../support/initiator/index.ts';
import { CDB, finish, script, testUnitReady } from './session-script.ts';

describe('CmdSN (§4.2.2.1)', () => {
  test('commands run in its order, whatever order they come in', () => {
    const { peer, ran } = script();
    for (const cmdSN of [3, 2, 5]) testUnitReady(peer, cmdSN);
    expect(ran).toEqual([]);
    testUnitReady(peer, 1);
    expect(ran).toEqual([1, 2, 3]);
    testUnitReady(peer, 4);
    expect(ran).toEqual([1, 2, 3, 4, 5]);
    expect(peer.frames).toHaveLength(5);
  });

  test('duplicates, and commands outside the window, are ignored in silence', () => {
    const { peer, ran, connection } = script({ limits: { queuedCommandsMax: 4 } });
    testUnitReady(peer, 1);
    testUnitReady(peer, 1, 50);
    testUnitReady(peer, 0, 51);
    testUnitReady(peer, 0xffffffff, 52);
    testUnitReady(peer, 3);
    testUnitReady(peer, 3, 53);
    testUnitReady(peer, 6, 54);
    testUnitReady(peer, 2);
    expect(ran).toEqual([1, 2, 3]);
    expect(connection.closed()).toBe(false);
  });

  test('the window is as wide as the queue, and opens as commands end', () => {
    const { peer, ran, target } = script({ limits: { queuedCommandsMax: 2 }, hold: true });
    for (const cmdSN of [1, 2, 3]) testUnitReady(peer, cmdSN);
    expect(ran).toEqual([1, 2]);
    finish(target.running[0]);
    expect(peer.take(ScsiResponse)).toMatchObject({ expCmdSN: 3, maxCmdSN: 3, statSN: 1 });
    testUnitReady(peer, 3);
    expect(ran).toEqual([1, 2, 3]);
  });

  test('numbers wrap around', () => {
    const target = new MemoryTarget({ directory: testDirectory() });
    const peer = new RawPeer(target.connect().transport);
    const names: TextPair[] = [
      ['InitiatorName', 'iqn.a'],
      ['TargetName', TARGET_NAME],
    ];
    peer.login({ transit: true, csg: 1, nsg: 3, cmdSN: 0xfffffffe, expStatSN: 0xffffffff }, names);
    for (const [tag, cmdSN] of [0xfffffffe, 0xffffffff, 0, 1].entries()) testUnitReady(peer, cmdSN, tag);
    const responses = [0, 1, 2, 3].map(() => peer.take(ScsiResponse));
    expect(responses.map((response) => response.statSN)).toEqual([0, 1, 2, 3]);
    expect(responses.map((response) => response.expCmdSN)).toEqual([0xffffffff, 0, 1, 2]);
  });

  test('other requests take their turn too', () => {
    const { peer, ran } = script();
    peer.send(NopOut, { initiatorTaskTag: 70, targetTransferTag: RESERVED_TAG, cmdSN: 2 });
    expect(peer.frames).toEqual([]);
    testUnitReady(peer, 1);
    expect(peer.take(NopIn)).toMatchObject({ initiatorTaskTag: 70, expCmdSN: 3 });
    peer.take(ScsiResponse);
    expect(ran).toEqual([1]);
  });

  test('data of a command that waits for its turn is taken meanwhile', () => {
    const { peer, ran } = script({
      keys: [
        ['InitialR2T', 'No'],
        ['FirstBurstLength', '512'],
      ],
    });
    const fields = {
      final: false,
      write: true,
      attr: 1,
      initiatorTaskTag: 2,
      expectedDataTransferLength: 512,
    };
    peer.send(ScsiCommand, { ...fields, cmdSN: 2, cdb: CDB });
    peer.send(
      DataOut,
      { final: true, initiatorTaskTag: 2, targetTransferTag: RESERVED_TAG },
      { data: new Uint8Array(512) },
    );
    expect(ran).toEqual([]);
    testUnitReady(peer, 1);
    expect(ran).toEqual([1, 2]);
  });
});

describe('immediate commands', () => {
  test('do not wait and do not count', () => {
    const { peer, ran } = script();
    testUnitReady(peer, 2, 2);
    testUnitReady(peer, 1, 60, true);
    expect(ran).toEqual([60]);
    expect(peer.take(ScsiResponse)).toMatchObject({ initiatorTaskTag: 60, expCmdSN: 1 });
  });

  test('are limited: Reject, reason 6', () => {
    const { peer, target } = script({ limits: { immediateCommandsMax: 2 }, hold: true });
    for (const tag of [1, 2, 3]) testUnitReady(peer, 1, tag, true);
    expect(peer.take(Reject)).toMatchObject({ reason: 0x06 });
    finish(target.running[0]);
    peer.take(ScsiResponse);
    testUnitReady(peer, 1, 4, true);
    expect(target.running.map((task) => task.tag)).toEqual([2, 4]);
  });
});

describe('ORDERED commands (SAM-5 §8.9.4)', () => {
  const ORDERED = 2;
  const SIMPLE = 1;

  function send(peer: RawPeer, cmdSN: number, fields: { attr: number; write?: boolean; lun?: number }): void {
    const { attr, write = false, lun = 0 } = fields;
    const expectedDataTransferLength = write ? 512 : 0;
    const tags = { initiatorTaskTag: cmdSN, cmdSN, lun: encodeLun(lun), cdb: CDB };
    peer.send(ScsiCommand, { final: true, attr, write, expectedDataTransferLength, ...tags });
  }

  function give(peer: RawPeer): void {
    const { initiatorTaskTag, targetTransferTag } = peer.take(R2T);
    peer.send(DataOut, { final: true, initiatorTaskTag, targetTransferTag }, { data: new Uint8Array(512) });
  }

  test('are not overtaken while their data is awaited, but on other LUNs and by the head of the queue', () => {
    const { peer, ran } = script({ hold: true });
    send(peer, 1, { attr: ORDERED, write: true });
    send(peer, 2, { attr: SIMPLE });
    send(peer, 3, { attr: SIMPLE, lun: 7 });
    send(peer, 4, { attr: 3 });
    expect(ran).toEqual([3, 4]);
    give(peer);
    expect(ran).toEqual([3, 4, 1, 2]);
  });

  test('do not overtake', () => {
    const { peer, ran } = script({ hold: true });
    send(peer, 1, { attr: SIMPLE, write: true });
    send(peer, 2, { attr: ORDERED });
    send(peer, 3, { attr: SIMPLE });
    expect(ran).toEqual([]);
    give(peer);
    expect(ran).toEqual([1, 2, 3]);
  });

  test('let the others go when they are aborted', () => {
    const { peer, ran, connection } = script({ hold: true });
    send(peer, 1, { attr: ORDERED, write: true });
    send(peer, 2, { attr: SIMPLE });
    connection.feed({ type: 'abortTasks', scope: { exceptTag: 2 }, id: 1 });
    expect(ran).toEqual([2]);
  });

  test('end together without one setting the other going', () => {
    const { peer, ran, connection } = script({ hold: true });
    send(peer, 1, { attr: ORDERED, write: true });
    send(peer, 2, { attr: SIMPLE });
    connection.feed({ type: 'abortTasks', scope: {}, id: 1 });
    expect(ran).toEqual([]);
    expect(connection.effects.at(-1)).toEqual({ type: 'tasksCleared', id: 1, aborted: 2 });
  });
});
