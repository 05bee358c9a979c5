// `handle` is total: whatever the bytes and however they are cut, there are effects, the same ones for the
// same bytes, never a throw, and never more memory than the limits say.
import {
  encodePdu,
  encodeText,
  type Layout,
  LoginRequest,
  LogoutRequest,
  NopOut,
  PDUS,
  type PduDefinition,
  type RecordOf,
  ScsiCommand,
  TextRequest,
} from 'node-iscsi-pdu';
import { expect, test } from 'vitest';
import { createConnection } from '../../../../protocol/iscsi/connection.ts';
import type { ConnectionCore, Effect, ScsiTask } from '../../../../protocol/iscsi/effects.ts';
import { DEFAULT_LIMITS } from '../../../../protocol/iscsi/limits.ts';
import { SessionRegistry } from '../../../../protocol/iscsi/session-registry.ts';
import { TARGET_NAME, testDirectory } from '../../../support/initiator/index.ts';
import { type Random, seededRandom } from '../../../support/random.ts';

const ISID = Uint8Array.of(0x80, 0, 0, 1, 0, 0);
const GATHERING_BYTES_MAX = 1_000_000;

function create(): { core: ConnectionCore; registry: SessionRegistry } {
  const registry = new SessionRegistry(DEFAULT_LIMITS);
  const core = createConnection({
    ...{ directory: testDirectory(), registry, nowMs: 0 },
    limits: { gatheringBytesMax: GATHERING_BYTES_MAX, transferBytesMax: 500_000, queuedCommandsMax: 8 },
    preferences: { firstBurstLength: 4096 },
    randomBytes: (count) => new Uint8Array(count),
    ...{ localAddress: '192.0.2.1:3260', remoteAddress: '192.0.2.9:50000', portalGroupTag: 1 },
  });
  return { core, registry };
}

function pdu<L extends Layout>(
  definition: PduDefinition<L>,
  record: Partial<RecordOf<L>>,
  data?: Uint8Array,
): Uint8Array {
  return Uint8Array.from(Buffer.concat(encodePdu(definition, record, data === undefined ? {} : { data })));
}

const LOGIN = pdu(
  LoginRequest,
  { transit: true, csg: 1, nsg: 3, isid: ISID, cmdSN: 1 },
  encodeText([
    ['InitiatorName', 'iqn.a'],
    ['TargetName', TARGET_NAME],
    ['InitialR2T', 'No'],
  ]),
);

/** What SCSI sees of a task, wherever its bytes lie. */
function plain({ lun, tag, attribute, cdb, dataOut, dataInBytesMax }: ScsiTask): unknown {
  return { lun: [...lun], tag, attribute, cdb: [...cdb], dataOut: [...dataOut], dataInBytesMax };
}

/** Runs the bytes through a core, finishing every task at once; the effects with all sends joined. */
function run(chunks: readonly Uint8Array[]): { sent: Buffer; others: unknown[]; core: ConnectionCore } {
  const { core } = create();
  const sent: Uint8Array[] = [];
  const others: unknown[] = [];
  const carryOut = (effects: readonly Effect[]): void => {
    for (const effect of effects) {
      if (effect.type === 'send') sent.push(...effect.pieces);
      else others.push(effect.type === 'runTask' ? plain(effect.scsi) : effect.type);
      if (effect.type !== 'runTask') continue;
      const result = { status: 0, dataIn: new Uint8Array(64), transferBytes: 64 };
      carryOut(core.handle({ type: 'taskDone', task: effect.task, result }, 0));
    }
  };
  for (const chunk of chunks) carryOut(core.handle({ type: 'bytes', chunk }, 0));
  return { sent: Buffer.concat(sent), others, core };
}

test('the same effects whole, byte by byte, and cut at random', () => {
  const fields = { final: true, attr: 1, expectedDataTransferLength: 64, cdb: new Uint8Array(16) };
  const stream = Buffer.concat([
    LOGIN,
    pdu(ScsiCommand, { ...fields, read: true, initiatorTaskTag: 1, cmdSN: 1 }),
    pdu(ScsiCommand, { ...fields, write: true, initiatorTaskTag: 2, cmdSN: 2 }, new Uint8Array(64).fill(9)),
    pdu(NopOut, { initiatorTaskTag: 3, targetTransferTag: 0xffffffff, cmdSN: 3 }, Uint8Array.of(1, 2, 3)),
    pdu(
      TextRequest,
      { final: true, initiatorTaskTag: 4, targetTransferTag: 0xffffffff, cmdSN: 4 },
      encodeText([['SendTargets', '']]),
    ),
    pdu(LogoutRequest, { immediate: true, initiatorTaskTag: 5, cmdSN: 5 }),
  ]);
  // One event for each PDU that takes its answer before the next comes, as tasks end between events.
  const pieces = cutAtPdus(stream);
  const whole = run(pieces);
  const bytewise = run([...stream].map((byte) => Uint8Array.of(byte)));
  expect(bytewise.sent.equals(whole.sent)).toBe(true);
  expect(bytewise.others).toEqual(whole.others);
  expect(whole.others.at(-1)).toBe('sessionClosed');
  for (let seed = 0; seed < 200; seed += 1) {
    const random = seededRandom(seed);
    const cut = run(pieces.flatMap((piece) => cutAtRandom(piece, random)));
    expect(cut.sent.equals(whole.sent), `seed ${seed}`).toBe(true);
    expect(cut.others, `seed ${seed}`).toEqual(whole.others);
  }
});

function cutAtPdus(stream: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < stream.length; ) {
    const dataBytes = ((stream[at + 5] ?? 0) << 16) | ((stream[at + 6] ?? 0) << 8) | (stream[at + 7] ?? 0);
    const end = at + 48 + ((dataBytes + 3) & ~3);
    pieces.push(Uint8Array.from(stream.subarray(at, end)));
    at = end;
  }
  return pieces;
}

function cutAtRandom(piece: Uint8Array, random: Random): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < piece.length; ) {
    const end = Math.min(piece.length, at + random.between(1, 90));
    pieces.push(piece.slice(at, end));
    at = end;
  }
  return pieces;
}

/** A header that looks like one: a known opcode, small lengths, few distinct tags and numbers. */
function plausibleHeader(random: Random): Uint8Array {
  const bytes = random.chance(0.3) ? random.bytes(48) : new Uint8Array(48);
  const known = random.pick(PDUS.filter((definition) => definition.opcode < 0x20)).opcode;
  bytes[0] = (random.chance(0.9) ? known : random.below(256)) | (random.chance(0.4) ? 0x40 : 0);
  bytes[1] = random.pick([0, 0x80, 0xa0, 0xc0, 0xe0, 0x81, 0x87, random.below(256)]);
  bytes[4] = random.chance(0.9) ? 0 : random.below(8);
  bytes[5] = random.chance(0.97) ? 0 : random.below(256);
  bytes[6] = random.chance(0.9) ? 0 : random.below(32);
  bytes[7] = random.chance(0.5) ? 0 : random.below(256);
  bytes.set([0, 0, 0, random.below(4)], 16);
  bytes.set(random.chance(0.5) ? [0xff, 0xff, 0xff, 0xff] : [0, 0, 0, random.below(4)], 20);
  if (bytes[0] === 0x01 && random.chance(0.5)) bytes.set([0, random.below(4), random.below(256), 0], 20);
  bytes.set([0, 0, 0, random.below(12)], 24);
  bytes.set([0, 0, 0, random.below(3)], 36);
  bytes.set([0, 0, random.below(3), 0], 40);
  return bytes;
}

function garbage(random: Random): Uint8Array[] {
  const pieces: Uint8Array[] = random.chance(0.8) ? [LOGIN] : [];
  const count = random.between(1, 12);
  for (let index = 0; index < count; index += 1) {
    if (random.chance(0.15)) {
      pieces.push(random.bytes(random.below(200)));
      continue;
    }
    const header = plausibleHeader(random);
    const dataBytes = ((header[6] ?? 0) << 8) | (header[7] ?? 0);
    const rest = ((header[4] ?? 0) * 4 + dataBytes + 3) & ~3;
    pieces.push(header, random.chance(0.5) ? new Uint8Array(rest) : random.bytes(rest));
  }
  return pieces;
}

/** One stream of garbage, with tasks finished, cancelled or forgotten and every other event thrown in. */
function torment(seed: number, seen: Set<string>): void {
  const random = seededRandom(seed);
  const { core, registry } = create();
  const running: number[] = [];
  let nowMs = 0;
  const feed = (event: Parameters<ConnectionCore['handle']>[0]): void => {
    for (const effect of core.handle(event, nowMs)) {
      seen.add(effect.type === 'send' ? `send ${(effect.pieces[0]?.[0] ?? 0).toString(16)}` : effect.type);
      if (effect.type === 'runTask') running.push(effect.task);
      if (effect.type === 'note' && effect.fact.kind === 'internal-error') {
        throw new RangeError(`${effect.fact.message} ${effect.fact.details?.['stack'] ?? ''}`);
      }
    }
  };
  for (const chunk of garbage(random)) {
    feed({ type: 'bytes', chunk });
    nowMs += random.below(20_000);
    if (random.chance(0.3)) feed({ type: 'tick' });
    if (random.chance(0.1)) feed({ type: 'abortTasks', scope: {}, id: 1 });
    if (random.chance(0.03)) feed({ type: 'askLogout', withinMs: 1000 });
    if (random.chance(0.03))
      feed({ type: 'taskManagementDone', request: random.below(3), response: 'complete' });
    if (running.length > 0 && random.chance(0.5)) {
      const task = running.shift() ?? 0;
      const result = {
        status: random.pick([0, 2]),
        dataIn: random.bytes(random.below(600)),
        transferBytes: 600,
      };
      feed(random.chance(0.9) ? { type: 'taskDone', task, result } : { type: 'taskCancelled', task });
    }
    const { gatheringBytes } = core.load;
    if (gatheringBytes > GATHERING_BYTES_MAX + 8 * 4096)
      throw new RangeError(`${gatheringBytes} bytes are held`);
  }
  feed({ type: 'closed' });
  for (const task of running) feed({ type: 'taskDone', task, result: { status: 0, transferBytes: 0 } });
  const { gatheringBytes, runningTasks } = core.load;
  if (gatheringBytes + runningTasks + registry.sessions > 0) throw new RangeError('something is left behind');
}

test('50,000 streams of garbage: only effects, bounded memory, and nothing left behind', () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 50_000; seed += 1) {
    try {
      torment(seed, seen);
    } catch (error) {
      throw new AggregateError([error], `seed ${seed}: ${error instanceof Error ? error.message : ''}`);
    }
  }
  // The garbage is good enough to reach every answer there is: NOP-In, SCSI Response, task management, login,
  // Text, Data-In, Logout, R2T, Asynchronous Message, Reject.
  const sends = ['20', '21', '22', '23', '24', '25', '26', '31', '32', '3f'].map(
    (opcode) => `send ${opcode}`,
  );
  const effects = ['runTask', 'cancelTask', 'manageTasks', 'tasksCleared', 'sessionOpened', 'sessionClosed'];
  expect([...seen]).toEqual(expect.arrayContaining([...sends, ...effects, 'close', 'note']));
}, 240_000);
