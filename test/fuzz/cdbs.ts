/**
 * SCSI commands for the fuzzer: a row of the target's own command table, so that a command added there is
 * tried here, with random fields that are within reason more often than not, and parameter data of a form
 * its command expects, or of none.
 */
import { encodeFields, type Layout, type RecordOf } from 'node-iscsi-pdu/fields';
import { COMMANDS } from '../../protocol/scsi/commands.ts';
import type { Random } from '../support/random.ts';
import { randomRecord } from './fields.ts';

export interface RandomCommand {
  readonly cdb: Uint8Array;
  readonly direction: 'none' | 'in' | 'out' | 'both';
  readonly dataOut: Uint8Array;
  readonly expectedBytes: number;
}

/** Blocks of the units that are attacked. */
export const ATTACKED_BLOCKS = 32 * 1024;
const BLOCK_BYTES = 512;
const TRANSFER_BLOCKS = 300;
const PR_PARAMETER_BYTES = 24;

const ADDRESS = /lba|address/i;
const LENGTH = /length|blocks|transfer|count/i;

function reasonable(name: string, value: unknown, random: Random): unknown {
  if (random.chance(0.15)) return value;
  const big = typeof value === 'bigint';
  const number = (from: number): unknown => (big ? BigInt(from) : from);
  if (typeof value !== 'number' && !big) return value;
  if (/high/i.test(name)) return number(0);
  if (ADDRESS.test(name)) return number(random.below(ATTACKED_BLOCKS + 2));
  if (LENGTH.test(name)) return number(random.below(random.chance(0.8) ? 20 : TRANSFER_BLOCKS));
  return random.chance(0.5) ? number(0) : value;
}

export function randomCdb(random: Random): Uint8Array {
  const row = random.pick(COMMANDS.rows);
  const cdb = new Uint8Array(16);
  const fields: Record<string, unknown> = randomRecord(row.cdb, random);
  for (const name of Object.keys(fields)) {
    const wanted = reasonable(name, fields[name], random);
    const field = row.cdb[name];
    const bits = field?.kind === 'bits' ? field.msb - field.lsb + 1 : 8 * (field?.byteCount ?? 1);
    fields[name] = typeof wanted === 'number' ? wanted % 2 ** bits : wanted;
  }
  encodeFields<Layout>(row.cdb, fields as RecordOf<Layout>, cdb);
  cdb[0] = row.opcode;
  if (row.serviceAction !== undefined) cdb[1] = ((cdb[1] as number) & 0xe0) | row.serviceAction;
  if (random.chance(0.05)) cdb[random.below(16)] = random.below(256);
  return cdb;
}

function be(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, at) => Math.floor(value / 256 ** (bytes - 1 - at)) % 256);
}

function unmapList(random: Random): Uint8Array {
  const ranges = random.below(5);
  const descriptors = Array.from({ length: ranges }, () => [
    ...be(random.below(ATTACKED_BLOCKS + 10), 8),
    ...be(random.below(64), 4),
    ...be(0, 4),
  ]).flat();
  return Uint8Array.from([
    ...be(6 + descriptors.length, 2),
    ...be(descriptors.length, 2),
    0,
    0,
    0,
    0,
    ...descriptors,
  ]);
}

/** Few keys, so that they meet (SPC-4 §6.16.3). */
function reservationList(random: Random): Uint8Array {
  const list = new Uint8Array(PR_PARAMETER_BYTES);
  list[7] = random.below(3);
  list[15] = random.below(3);
  list[20] = random.pick([0, 1, 4, 8, random.below(256)]);
  return list;
}

function modeList(random: Random): Uint8Array {
  const page = random.pick([0x01, 0x02, 0x08, 0x0a, 0x1c, random.below(64)]);
  const bytes = random.pick([10, 14, 18, 10 + random.below(20)]);
  return Uint8Array.from([...random.bytes(random.pick([4, 8])).fill(0), page, bytes, ...random.bytes(bytes)]);
}

function parameterData(random: Random): Uint8Array {
  const list = random.pick([unmapList, reservationList, modeList])(random);
  if (random.chance(0.2) && list.length > 0) list[random.below(list.length)] = random.below(256);
  return random.chance(0.1) ? list.subarray(0, random.below(list.length + 1)) : list;
}

/**
 * Bytes that a command of this table would have: a multiple of the block, parameter data, or any number.
 */
function dataFor(random: Random): Uint8Array {
  if (random.chance(0.35)) return parameterData(random);
  const blocks = random.below(random.chance(0.9) ? 20 : TRANSFER_BLOCKS);
  const bytes = random.chance(0.9) ? blocks * BLOCK_BYTES : random.below(5000);
  return new Uint8Array(bytes).fill(random.below(256));
}

export function randomCommand(random: Random): RandomCommand {
  const cdb = randomCdb(random);
  const direction = random.pick(['in', 'in', 'out', 'out', 'out', 'none', 'both'] as const);
  const dataOut = direction === 'out' || direction === 'both' ? dataFor(random) : new Uint8Array(0);
  if (dataOut.length > 0 && random.chance(0.6)) declare(cdb, dataOut.length);
  const inBytes = random.chance(0.9) ? random.below(20_000) : Math.floor(random.next() * 2 ** 32);
  const expectedBytes = random.chance(0.95) && dataOut.length > 0 ? dataOut.length : inBytes;
  return { cdb, direction, dataOut, expectedBytes: direction === 'none' ? 0 : expectedBytes };
}

/** Makes the lengths of UNMAP, PERSISTENT RESERVE OUT, MODE SELECT, READ and WRITE agree with the data. */
function declare(cdb: Uint8Array, bytes: number): void {
  const blocks = bytes / BLOCK_BYTES;
  const opcode = cdb[0];
  if (opcode === 0x42 || opcode === 0x55) cdb.set(be(bytes, 2), 7);
  else if (opcode === 0x5f) cdb.set(be(bytes, 4), 5);
  else if (opcode === 0x15) cdb[4] = bytes;
  else if (Number.isInteger(blocks) && opcode === 0x2a) cdb.set(be(blocks, 2), 7);
  else if (Number.isInteger(blocks) && opcode === 0x8a) cdb.set(be(blocks, 4), 10);
}
