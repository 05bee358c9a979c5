// Data-in and status: segments, sequences, the collapsed status, sense data, and the residual in both
// directions as RFC 7143 §11.4.4, §11.4.5 and §11.7 define them.
import { DataIn, ScsiCommand, ScsiResponse, type TextPair } from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import type { ScsiTask, TaskResult } from '../../../../protocol/iscsi/effects.ts';
import {
  Initiator,
  MemoryTarget,
  RawPeer,
  TARGET_NAME,
  testDirectory,
} from '../../../support/initiator/index.ts';
import { seededRandom } from '../../../support/random.ts';

const CDB = new Uint8Array(16);

function script(
  result: TaskResult,
  keys: readonly TextPair[] = [],
): { readonly peer: RawPeer; readonly tasks: ScsiTask[] } {
  const tasks: ScsiTask[] = [];
  const target = new MemoryTarget({
    directory: testDirectory(),
    run: (task) => {
      tasks.push(task);
      return result;
    },
  });
  const peer = new RawPeer(target.connect().transport);
  peer.establish(TARGET_NAME, keys);
  return { peer, tasks };
}

function read(peer: RawPeer, expectedDataTransferLength: number): void {
  const fields = { final: true, read: true, attr: 1, initiatorTaskTag: 5, expectedDataTransferLength };
  peer.send(ScsiCommand, { ...fields, cmdSN: 1, cdb: CDB });
}

test('segments no longer than the initiator takes, F at the end of each burst, status in the last', () => {
  const dataIn = seededRandom(3).bytes(2500);
  const { peer } = script({ status: 0, dataIn, transferBytes: 2500 }, [
    ['MaxRecvDataSegmentLength', '512'],
    ['MaxBurstLength', '1200'],
  ]);
  read(peer, 2500);
  const pdus = [0, 1, 2, 3, 4, 5, 6].map(() => peer.take(DataIn));
  // Bursts end at 1200 and 2400: 512 512 176 | 512 512 176 | 100.
  expect(pdus.map((pdu) => pdu.data.length)).toEqual([512, 512, 176, 512, 512, 176, 100]);
  expect(pdus.map((pdu) => pdu.dataSN)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(pdus.map((pdu) => pdu.bufferOffset)).toEqual([0, 512, 1024, 1200, 1712, 2224, 2400]);
  expect(pdus.map((pdu) => pdu.final)).toEqual([false, false, true, false, false, true, true]);
  expect(pdus.map((pdu) => pdu.statusPresent)).toEqual([false, false, false, false, false, false, true]);
  // The A bit asks for an acknowledgement, which ErrorRecoveryLevel 0 does not have.
  expect(pdus.some((pdu) => pdu.acknowledge)).toBe(false);
  expect(pdus[6]).toMatchObject({ status: 0, statSN: 1, expCmdSN: 2, residualCount: 0 });
  expect(pdus[0]).toMatchObject({ statSN: 0, initiatorTaskTag: 5, targetTransferTag: 0xffffffff });
  expect(Buffer.concat(pdus.map((pdu) => pdu.data)).equals(dataIn)).toBe(true);
  expect(peer.frames).toEqual([]);
});

test('data with sense data: the status comes by itself and counts the Data-Ins', () => {
  const sense = Uint8Array.of(0x70, 0, 1, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x5d, 0, 0, 0, 0, 0);
  const { peer } = script({ status: 2, sense, dataIn: new Uint8Array(100), transferBytes: 512 });
  read(peer, 512);
  expect(peer.take(DataIn)).toMatchObject({ final: true, statusPresent: false });
  const response = peer.take(ScsiResponse);
  expect(response).toMatchObject({ response: 0, status: 2, expDataSN: 1, residualCount: 0 });
  expect([...response.data]).toEqual([0, 18, ...sense]);
});

test.each([
  ['BUSY', 8],
  ['RESERVATION CONFLICT', 0x18],
  ['TASK SET FULL', 0x28],
] as const)('%s has no data and no sense', (_, status) => {
  const { peer } = script({ status, transferBytes: 0 });
  read(peer, 512);
  expect(peer.take(ScsiResponse)).toMatchObject({ status, residualUnderflow: true, residualCount: 512 });
});

// What the command wants, what the initiator expects, what must come of it.
const RESIDUALS = [
  [512, 512, 'none', 0],
  [0, 0, 'none', 0],
  [512, 1024, 'underflow', 512],
  [0, 4096, 'underflow', 4096],
  [1, 2, 'underflow', 1],
  [1024, 512, 'overflow', 512],
  [4096, 0, 'overflow', 4096],
  [4097, 4096, 'overflow', 1],
] as const;

describe('residuals', () => {
  test.each(RESIDUALS)(
    'data-in of %i where %i is expected: %s of %i',
    async (wanted, expected, kind, bytes) => {
      const dataIn = new Uint8Array(wanted).fill(3);
      const target = new MemoryTarget({
        directory: testDirectory(),
        run: () => ({ status: 0, dataIn, transferBytes: wanted }),
      });
      const initiator = new Initiator(target.connect().transport);
      await initiator.login({ targetName: TARGET_NAME });
      const result = await initiator.command({ cdb: CDB, dataInBytes: expected });
      expect(result.residual).toEqual({ kind, bytes });
      expect(result.dataIn.length).toBe(Math.min(wanted, expected));
    },
  );

  test.each(RESIDUALS)(
    'data-out of %i where %i is expected: %s of %i',
    async (wanted, expected, kind, bytes) => {
      const target = new MemoryTarget({
        directory: testDirectory(),
        run: (task) => {
          expect(task.dataOut.length).toBe(expected);
          return { status: 0, transferBytes: wanted };
        },
      });
      const initiator = new Initiator(target.connect().transport);
      await initiator.login({ targetName: TARGET_NAME });
      const result = await initiator.command({ cdb: CDB, dataOut: new Uint8Array(expected) });
      expect(result).toMatchObject({ status: 0, residual: { kind, bytes } });
    },
  );

  test('a command that expects nothing and wants to read: overflow, and no data', () => {
    const { peer, tasks } = script({ status: 0, dataIn: new Uint8Array(512), transferBytes: 512 });
    peer.send(ScsiCommand, { final: true, attr: 1, initiatorTaskTag: 5, cmdSN: 1, cdb: CDB });
    expect(peer.take(ScsiResponse)).toMatchObject({ residualOverflow: true, residualCount: 512, status: 0 });
    expect(tasks[0]?.dataInBytesMax).toBe(0);
  });
});

test('an extended CDB arrives whole', async () => {
  let seen = new Uint8Array(0);
  const target = new MemoryTarget({
    directory: testDirectory(),
    run: (task) => {
      seen = task.cdb.slice();
      return { status: 0, transferBytes: 0 };
    },
  });
  const initiator = new Initiator(target.connect().transport);
  await initiator.login({ targetName: TARGET_NAME });
  const cdb = Uint8Array.from({ length: 32 }, (_, index) => index + 1);
  await initiator.command({ cdb });
  expect([...seen]).toEqual([...cdb]);
});

test('both digests cover every PDU, padding included', async () => {
  const written: Uint8Array[] = [];
  const random = seededRandom(5);
  const target = new MemoryTarget({
    directory: testDirectory(),
    run: (task) => {
      if (task.dataOut.length > 0) written.push(task.dataOut.slice());
      return { status: 0, dataIn: written[0] ?? CDB, transferBytes: task.dataOut.length || 70_001 };
    },
  });
  for (const [header, data] of [
    ['CRC32C', 'CRC32C'],
    ['CRC32C', 'None'],
    ['None', 'CRC32C'],
  ] as const) {
    written.length = 0;
    const initiator = new Initiator(target.connect().transport);
    const keys = { HeaderDigest: header, DataDigest: data, MaxRecvDataSegmentLength: '4097' };
    const login = await initiator.login({ targetName: TARGET_NAME, keys });
    expect([login.answers.get('HeaderDigest'), login.answers.get('DataDigest')]).toEqual([header, data]);
    const sent = random.bytes(70_001);
    await initiator.command({ cdb: CDB, dataOut: sent });
    expect(sent.every((byte, at) => byte === written[0]?.[at])).toBe(true);
    const result = await initiator.command({ cdb: CDB, dataInBytes: 70_001 });
    expect(result.dataIn.every((byte, at) => byte === sent[at])).toBe(true);
  }
});
