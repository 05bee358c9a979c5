// Data-out. First every combination of InitialR2T, ImmediateData, burst lengths, MaxOutstandingR2T and
// segment size with random sizes: what SCSI gets must be what the initiator sent. Then, PDU by PDU,
// what breaks the rules of RFC 7143 §11.4.7.2, §11.7, §11.8 and must end with the sense data written
// there.
import { DataOut, R2T, RESERVED_TAG, Reject, ScsiCommand, ScsiResponse, type TextPair } from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import type { Limits, Preferences } from '../../../../protocol/iscsi/limits.ts';
import {
  Initiator,
  MemoryTarget,
  RawPeer,
  TARGET_NAME,
  testDirectory,
} from '../../../support/initiator/index.ts';
import { type Random, seededRandom } from '../../../support/random.ts';

const CDB = Uint8Array.of(0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);

const YES_NO = ['Yes', 'No'] as const;
const COMBINATIONS = YES_NO.flatMap((initialR2T) =>
  YES_NO.flatMap((immediateData) =>
    [512, 3000, 65536].flatMap((firstBurst) =>
      [512, 8000, 262144].flatMap((maxBurst) =>
        [1, 2, 8].map((r2ts) => ({ initialR2T, immediateData, firstBurst, maxBurst, r2ts })),
      ),
    ),
  ),
);

/** Several random writes at once under one combination, the stream cut at random places. */
async function writeSome(combination: (typeof COMBINATIONS)[number], random: Random): Promise<void> {
  const received: Uint8Array[] = [];
  const target = new MemoryTarget({
    directory: testDirectory(),
    preferences: { maxRecvDataSegmentLength: random.pick([512, 1000, 8192, 262144]) },
    limits: { gatheringBytesMax: random.pick([4096, 100_000, 64_000_000]) },
    cut: (chunk) => cutSomewhere(chunk, random),
    run: (task) => {
      received[task.cdb[2] ?? 0] = task.dataOut.slice();
      return { status: 0, transferBytes: task.dataOut.length };
    },
  });
  const initiator = new Initiator(target.connect().transport);
  const keys = {
    InitialR2T: combination.initialR2T,
    ImmediateData: combination.immediateData,
    FirstBurstLength: String(combination.firstBurst),
    MaxBurstLength: String(combination.maxBurst),
    MaxOutstandingR2T: String(combination.r2ts),
  };
  await initiator.login({ targetName: TARGET_NAME, keys });
  const sent = Array.from({ length: 6 }, () =>
    random.bytes(random.pick([0, 1, 511, 512, 513, 3000, random.between(1, 40_000)])),
  );
  const commands = sent.map((dataOut, index) => {
    const cdb = CDB.slice();
    cdb[2] = index;
    return initiator.command({ cdb, dataOut });
  });
  for (const [index, result] of (await Promise.all(commands)).entries()) {
    expect(result).toMatchObject({ status: 0, residual: { kind: 'none', bytes: 0 } });
    const expected = sent[index] ?? CDB;
    expect(Buffer.from(expected).equals(received[index] ?? CDB)).toBe(true);
  }
}

function cutSomewhere(chunk: Uint8Array, random: Random): Uint8Array[] {
  if (chunk.length < 2 || random.chance(0.7)) return [chunk];
  const at = random.between(1, chunk.length - 1);
  return [chunk.slice(0, at), chunk.slice(at)];
}

test('what was written arrives, in all combinations of the rules', async () => {
  for (const [seed, combination] of COMBINATIONS.entries()) {
    try {
      await writeSome(combination, seededRandom(seed));
    } catch (error) {
      throw new AggregateError([error], `seed ${seed}: ${JSON.stringify(combination)}`);
    }
  }
}, 120_000);

interface Script {
  readonly peer: RawPeer;
  readonly target: MemoryTarget;
  readonly ran: Uint8Array[];
}

const ALLOWED: readonly TextPair[] = [
  ['InitialR2T', 'No'],
  ['ImmediateData', 'Yes'],
  ['FirstBurstLength', '1024'],
  ['MaxBurstLength', '1024'],
  ['MaxOutstandingR2T', '2'],
];

function script(
  keys: readonly TextPair[] = ALLOWED,
  limits: Partial<Limits> = {},
  preferences: Partial<Preferences> = {},
): Script {
  const ran: Uint8Array[] = [];
  const target = new MemoryTarget({
    directory: testDirectory(),
    ...{ limits, preferences },
    run: (task) => {
      ran.push(task.dataOut.slice());
      return { status: 0, transferBytes: task.dataOut.length };
    },
  });
  const peer = new RawPeer(target.connect().transport);
  peer.establish(TARGET_NAME, keys);
  return { peer, target, ran };
}

interface WriteFields {
  readonly bytes: number;
  readonly immediate?: number;
  readonly final?: boolean;
  readonly tag?: number;
}

function write(peer: RawPeer, { bytes, immediate = 0, final = true, tag = 9 }: WriteFields): void {
  const fields = { final, write: true, attr: 1, initiatorTaskTag: tag, expectedDataTransferLength: bytes };
  peer.send(ScsiCommand, { ...fields, cmdSN: 1, cdb: CDB }, { data: new Uint8Array(immediate).fill(1) });
}

interface OutFields {
  readonly at: number;
  readonly bytes: number;
  readonly dataSN?: number;
  readonly final?: boolean;
  readonly transferTag?: number;
  readonly tag?: number;
}

function dataOut(peer: RawPeer, fields: OutFields): void {
  const { at, bytes, dataSN = 0, final = true, transferTag = RESERVED_TAG, tag = 9 } = fields;
  const record = { final, initiatorTaskTag: tag, targetTransferTag: transferTag, dataSN, bufferOffset: at };
  peer.send(DataOut, record, { data: new Uint8Array(bytes).fill(2) });
}

/** The sense key, ASC and ASCQ of the CHECK CONDITION that must be next, or the status. */
function outcome(peer: RawPeer): string {
  const response = peer.take(ScsiResponse);
  if (response.status !== 2) return `status ${response.status}`;
  expect((response.data[0] ?? 0) * 256 + (response.data[1] ?? 0)).toBe(response.data.length - 2);
  const sense = response.data.subarray(2);
  return [sense[2], sense[12], sense[13]].map((byte) => (byte ?? 0).toString(16).padStart(2, '0')).join(' ');
}

const UNEXPECTED_UNSOLICITED_DATA = '0b 0c 0c';
const INCORRECT_AMOUNT_OF_DATA = '0b 0c 0d';
const PROTOCOL_SERVICE_CRC_ERROR = '0b 47 05';
const INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT = '05 0e 03';

describe('unsolicited data', () => {
  test('immediate data although ImmediateData=No', () => {
    const { peer, ran } = script([['ImmediateData', 'No']]);
    write(peer, { bytes: 512, immediate: 512 });
    expect(outcome(peer)).toBe(UNEXPECTED_UNSOLICITED_DATA);
    expect(ran).toEqual([]);
  });

  test('more immediate data than FirstBurstLength', () => {
    const { peer } = script();
    write(peer, { bytes: 2048, immediate: 1025 });
    expect(outcome(peer)).toBe(UNEXPECTED_UNSOLICITED_DATA);
  });

  test('more immediate data than the command expects', () => {
    const { peer } = script();
    write(peer, { bytes: 100, immediate: 101 });
    expect(outcome(peer)).toBe(UNEXPECTED_UNSOLICITED_DATA);
  });

  test('data with a command that does not write', () => {
    const { peer } = script();
    const fields = { final: true, read: true, attr: 1, initiatorTaskTag: 9, expectedDataTransferLength: 512 };
    peer.send(ScsiCommand, { ...fields, cmdSN: 1, cdb: CDB }, { data: new Uint8Array(4) });
    expect(outcome(peer)).toBe(UNEXPECTED_UNSOLICITED_DATA);
  });

  test('Data-Outs announced although InitialR2T=Yes: answered once they have come', () => {
    const { peer } = script([['InitialR2T', 'Yes']]);
    write(peer, { bytes: 1024, final: false });
    expect(peer.frames).toEqual([]);
    dataOut(peer, { at: 0, bytes: 1024 });
    expect(outcome(peer)).toBe(UNEXPECTED_UNSOLICITED_DATA);
  });

  test('a Data-Out that was not announced', () => {
    const { peer } = script();
    write(peer, { bytes: 4096, immediate: 1024 });
    const r2ts = [peer.take(R2T), peer.take(R2T)];
    dataOut(peer, { at: 1024, bytes: 512 });
    for (const { targetTransferTag, bufferOffset } of r2ts) {
      dataOut(peer, { at: bufferOffset, bytes: 1024, transferTag: targetTransferTag });
    }
    expect(outcome(peer)).toBe(UNEXPECTED_UNSOLICITED_DATA);
  });

  test('Data-Outs past FirstBurstLength', () => {
    const { peer } = script();
    write(peer, { bytes: 4096, immediate: 512, final: false });
    dataOut(peer, { at: 512, bytes: 513 });
    expect(outcome(peer)).toBe(UNEXPECTED_UNSOLICITED_DATA);
  });

  test('less than FirstBurstLength', () => {
    const { peer } = script();
    write(peer, { bytes: 4096, immediate: 512, final: false });
    dataOut(peer, { at: 512, bytes: 256 });
    expect(outcome(peer)).toBe(INCORRECT_AMOUNT_OF_DATA);
  });

  test('the rest is asked for where it stopped', () => {
    const { peer, ran } = script();
    write(peer, { bytes: 2048, immediate: 512, final: false });
    dataOut(peer, { at: 512, bytes: 512 });
    const r2t = peer.take(R2T);
    expect(r2t).toMatchObject({
      r2tSN: 0,
      bufferOffset: 1024,
      desiredDataTransferLength: 1024,
      initiatorTaskTag: 9,
    });
    dataOut(peer, { at: 1024, bytes: 1024, transferTag: r2t.targetTransferTag });
    expect(outcome(peer)).toBe('status 0');
    expect(ran[0]?.length).toBe(2048);
  });
});

describe('solicited data', () => {
  function solicited(bytes = 1024): Script & { r2t: R2T } {
    const made = script();
    write(made.peer, { bytes });
    return { ...made, r2t: made.peer.take(R2T) };
  }

  test('R2Ts are outstanding up to MaxOutstandingR2T, each of MaxBurstLength at most', () => {
    const { peer, r2t } = solicited(3000);
    const second = peer.take(R2T);
    expect(peer.frames).toEqual([]);
    expect(r2t).toMatchObject({ r2tSN: 0, bufferOffset: 0, desiredDataTransferLength: 1024, statSN: 1 });
    expect(second).toMatchObject({
      r2tSN: 1,
      bufferOffset: 1024,
      desiredDataTransferLength: 1024,
      statSN: 1,
    });
    dataOut(peer, { at: 0, bytes: 1024, transferTag: r2t.targetTransferTag });
    expect(peer.take(R2T)).toMatchObject({ r2tSN: 2, bufferOffset: 2048, desiredDataTransferLength: 952 });
  });

  test.each([
    ['a DataSN that does not begin at 0', [{ at: 0, bytes: 1024, dataSN: 27 }]],
    [
      'a DataSN twice',
      [
        { at: 0, bytes: 512, final: false },
        { at: 512, bytes: 512 },
      ],
    ],
    [
      'DataSNs in reverse',
      [
        { at: 0, bytes: 512, final: false, dataSN: 1 },
        { at: 512, bytes: 512 },
      ],
    ],
    ['a hole in the offsets', [{ at: 512, bytes: 512 }]],
    [
      'an offset below the R2T',
      [
        { at: 0, bytes: 512, final: false },
        { at: 0, bytes: 512, dataSN: 1 },
      ],
    ],
  ] as const)('%s', (_, pdus) => {
    const { peer, r2t, ran } = solicited();
    for (const pdu of pdus) dataOut(peer, { ...pdu, transferTag: r2t.targetTransferTag });
    expect(outcome(peer)).toBe(PROTOCOL_SERVICE_CRC_ERROR);
    expect(ran).toEqual([]);
  });

  test('less, or more, than the R2T asked for', () => {
    const less = solicited();
    dataOut(less.peer, { at: 0, bytes: 1000, transferTag: less.r2t.targetTransferTag });
    expect(outcome(less.peer)).toBe(INCORRECT_AMOUNT_OF_DATA);
    const more = solicited();
    dataOut(more.peer, { at: 0, bytes: 1025, transferTag: more.r2t.targetTransferTag });
    expect(outcome(more.peer)).toBe(INCORRECT_AMOUNT_OF_DATA);
  });

  test('a target transfer tag that was never given out: Reject, and the command goes on', () => {
    const { peer, r2t } = solicited();
    dataOut(peer, { at: 0, bytes: 1024, transferTag: r2t.targetTransferTag + 1 });
    expect(peer.take(Reject)).toMatchObject({ reason: 0x09, initiatorTaskTag: RESERVED_TAG });
    dataOut(peer, { at: 0, bytes: 1024, transferTag: r2t.targetTransferTag });
    expect(outcome(peer)).toBe('status 0');
  });

  test('the answer to a failure waits for every sequence that is owed', () => {
    const { peer, r2t } = solicited(2048);
    const second = peer.take(R2T);
    dataOut(peer, { at: 0, bytes: 1024, dataSN: 5, transferTag: r2t.targetTransferTag });
    expect(peer.frames).toEqual([]);
    dataOut(peer, { at: 1024, bytes: 1024, transferTag: second.targetTransferTag });
    expect(outcome(peer)).toBe(PROTOCOL_SERVICE_CRC_ERROR);
  });

  test('data of a command that is not there is ignored', () => {
    const { peer } = script();
    dataOut(peer, { at: 0, bytes: 512, tag: 77 });
    expect(peer.frames).toEqual([]);
    expect(peer.closed).toBe(false);
  });
});

describe('commands the transport does not carry', () => {
  test('bidirectional', () => {
    const { peer } = script();
    const fields = { final: true, read: true, write: true, attr: 1, initiatorTaskTag: 9 };
    const lengths = { expectedDataTransferLength: 512 };
    peer.send(ScsiCommand, { ...fields, ...lengths, cmdSN: 1, cdb: CDB }, { data: new Uint8Array(512) });
    expect(outcome(peer)).toBe(INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT);
  });

  test('a transfer past the limit', () => {
    const { peer } = script(ALLOWED, { transferBytesMax: 4096 });
    write(peer, { bytes: 4097 });
    expect(outcome(peer)).toBe(INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT);
  });

  test('an expected length without a direction', () => {
    const { peer } = script();
    const fields = { final: true, attr: 1, initiatorTaskTag: 9, expectedDataTransferLength: 512 };
    peer.send(ScsiCommand, { ...fields, cmdSN: 1, cdb: CDB });
    expect(outcome(peer)).toBe(INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT);
  });

  test.each([
    ['neither F nor W', { final: false, read: true, attr: 1, initiatorTaskTag: 9 }],
    ['a reserved attribute', { final: true, attr: 5, initiatorTaskTag: 9 }],
    ['the reserved task tag', { final: true, attr: 1, initiatorTaskTag: RESERVED_TAG }],
  ] as const)('%s: Reject, and the CmdSN counts', (_, fields) => {
    const { peer } = script();
    peer.send(ScsiCommand, { ...fields, cmdSN: 1, cdb: CDB });
    const reject = peer.take(Reject);
    expect(reject).toMatchObject({ reason: 0x09, expCmdSN: 2 });
    expect(reject.data).toHaveLength(48);
  });

  test('a task tag in use', () => {
    const { peer } = script();
    write(peer, { bytes: 1024 });
    peer.take(R2T);
    const fields = { final: true, attr: 1, initiatorTaskTag: 9 };
    peer.send(ScsiCommand, { ...fields, cmdSN: 2, cdb: CDB });
    expect(peer.take(Reject)).toMatchObject({ reason: 0x09 });
  });
});

test('R2Ts wait for memory, and come when it is free again', () => {
  const { peer, ran } = script(ALLOWED, { gatheringBytesMax: 1500 });
  write(peer, { bytes: 1024, tag: 1 });
  const first = peer.take(R2T);
  const fields = { final: true, write: true, attr: 1, initiatorTaskTag: 2, expectedDataTransferLength: 1024 };
  peer.send(ScsiCommand, { ...fields, cmdSN: 2, cdb: CDB });
  expect(peer.frames).toEqual([]);
  dataOut(peer, { at: 0, bytes: 1024, tag: 1, transferTag: first.targetTransferTag });
  const came = [peer.frames[0]?.opcode, peer.frames[1]?.opcode].sort();
  expect(came).toEqual([ScsiResponse.opcode, R2T.opcode]);
  expect(ran).toHaveLength(1);
});
