// What is counted of commands: kinds from their operation codes, buckets by their bounds, errors by sense key
// in both formats of sense data. Expected values are written down here, from SBC-3, SPC-4 and SAM-5.
import { expect, test } from 'vitest';
import {
  ERROR_CLASSES,
  LATENCY_BOUNDS_US,
  TRAFFIC_KINDS,
  Traffic,
} from '../../../../protocol/scsi/traffic.ts';
import { trafficKind } from '../../../../protocol/scsi/traffic-kind.ts';

const READ = TRAFFIC_KINDS.indexOf('read');
const GOOD = { status: 0, transferBytes: 4096 };

test.each([
  ['read', [0x08, 0x28, 0xa8, 0x88]],
  ['write', [0x0a, 0x2a, 0xaa, 0x8a]],
  ['flush', [0x35, 0x91]],
  ['unmap', [0x42]],
  ['verify', [0x2f, 0xaf, 0x8f]],
  ['other', [0x00, 0x12, 0x5f, 0x9e, 0xa3, 0xc0, 0xff]],
] as const)('%s is what the operation codes %j are', (kind, opcodes) => {
  for (const opcode of opcodes) expect(TRAFFIC_KINDS[trafficKind(Uint8Array.of(opcode))]).toBe(kind);
});

test('a bound belongs to its bucket, and what is past the last bound only to the count', () => {
  const traffic = new Traffic();
  for (const elapsedUs of [0, 50, 51, 1_000, 10_000_000, 10_000_001]) traffic.count(READ, GOOD, elapsedUs);
  const within = (us: number): number => traffic.within(READ, LATENCY_BOUNDS_US.indexOf(us));
  expect([50, 100, 500, 1_000, 2_500_000, 10_000_000].map(within)).toEqual([2, 3, 3, 4, 4, 5]);
  expect(traffic.commands[READ]).toBe(6);
  expect(traffic.elapsedUs[READ]).toBe(20_001_102);
  expect(traffic.bytes[READ]).toBe(6 * 4096);
});

test('parameter data is not counted as bytes of blocks', () => {
  const traffic = new Traffic();
  traffic.count(TRAFFIC_KINDS.indexOf('other'), GOOD, 1);
  expect(traffic.bytes.every((bytes) => bytes === 0)).toBe(true);
});

test.each([
  ['medium_error', 0x02, [0x70, 0, 0x03]],
  ['data_protect', 0x02, [0x72, 0x07, 0x27, 0x07]],
  ['aborted_command', 0x02, [0xf0, 0, 0x2b]],
  ['busy', 0x08, []],
  ['reservation_conflict', 0x18, []],
  ['task_set_full', 0x28, []],
  ['other_status', 0x40, []],
] as const)('%s is what status %i with sense %j counts as', (name, status, bytes) => {
  const traffic = new Traffic();
  const sense = bytes.length === 0 ? {} : { sense: Uint8Array.from(bytes) };
  traffic.count(READ, { status, ...sense, transferBytes: 512 }, 1);
  const counted = ERROR_CLASSES.filter((_, at) => traffic.errors[at] === 1);
  expect(counted).toEqual([name]);
  expect(traffic.bytes[READ]).toBe(0);
});
