// An offloaded data transfer as Windows makes it: POPULATE TOKEN of what a file occupies, RECEIVE ROD TOKEN
// INFORMATION for the token, WRITE USING TOKEN where the copy is to be, in the same disk and in another. It
// is taken from Microsoft's and T10's documents, and was not run against Windows.
//
// All lies in one pool, so nothing may be stored for it, and what was made for a token has to go with it.
import { expect, test } from 'vitest';
import { firstDifference } from '../../../lun/bytes.ts';
import { seededRandom } from '../../support/random.ts';
import type { WholeTarget } from '../../support/whole-target.ts';
import {
  populateList,
  populateToken,
  type Range,
  rodTokenInformation,
  tokenIn,
  writeList,
  writeUsingToken,
} from '../../unit/protocol/scsi/copy/odx-lists.ts';
import { BLOCK_BYTES, filled, Host, u32, u64, wholeTarget } from './host.ts';

/** Clusters of a file, in two extents, in blocks. */
const EXTENTS: readonly Range[] = [
  [2048, 512],
  [8192, 256],
];
const BLOCKS = 768;

async function expectAt(host: Host, lba: number, contents: Uint8Array, lun = 0): Promise<void> {
  const cdb = [0x88, 0, ...u64(lba), ...u32(contents.length / BLOCK_BYTES)];
  const { dataIn } = await host.run(cdb, { room: contents.length, lun });
  expect([dataIn.length, firstDifference(contents, dataIn)]).toEqual([contents.length, undefined]);
}

async function offload(host: Host, token: Uint8Array, to: readonly Range[], lun = 0): Promise<string> {
  const dataOut = writeList(token, to);
  return host.say(writeUsingToken(7, dataOut), { dataOut, lun });
}

async function world() {
  const target = await wholeTarget();
  await target.createLun({ name: 'disk1', sizeBytes: 64 << 20, blockBytes: BLOCK_BYTES });
  const host = await Host.open(target, 'a');
  for (let i = 0; i < 3; i += 1) await host.say([0], { lun: 1 });
  const contents = seededRandom(11).bytes(BLOCKS * BLOCK_BYTES);
  let at = 0;
  for (const [lba, blocks] of EXTENTS) {
    const part = contents.subarray(at, at + blocks * BLOCK_BYTES);
    expect(await host.write(lba, part)).toBe('good');
    at += part.length;
  }
  const dataOut = populateList(EXTENTS);
  expect(await host.say(populateToken(6, dataOut), { dataOut })).toBe('good');
  const { dataIn } = await host.run(rodTokenInformation(6), { room: 1024 });
  expect(dataIn[5]).toBe(1);
  return { target, host, contents, token: tokenIn(dataIn) };
}

async function sound(target: WholeTarget): Promise<void> {
  expect((await target.world.pool.check({ data: true })).errors).toEqual([]);
}

test('a file is copied in its disk and to another, and nothing is stored for it', async () => {
  const { target, host, contents, token } = await world();
  const used = target.world.pool.status().usedBytes;
  expect(used).toBe(contents.length);
  expect(await offload(host, token, [[40_000, BLOCKS]])).toBe('good');
  expect(
    await offload(
      host,
      token,
      [
        [16, 256],
        [1024, 512],
      ],
      1,
    ),
  ).toBe('good');
  await expectAt(host, 40_000, contents);
  await expectAt(host, 16, contents.subarray(0, 256 * BLOCK_BYTES), 1);
  await expectAt(host, 1024, contents.subarray(256 * BLOCK_BYTES), 1);
  expect(target.world.pool.status().usedBytes).toBe(used);
  await sound(target);
});

test('the token has what the file was, until it ends; then nothing is kept for it', async () => {
  const { target, host, contents, token } = await world();
  const { pool } = target.world;
  expect(pool.list().map(({ name }) => name)).toEqual(['disk0', 'disk1']);
  for (const [lba, blocks] of EXTENTS) expect(await host.write(lba, filled(blocks, 0xee))).toBe('good');
  expect(await offload(host, token, [[0, BLOCKS]], 1)).toBe('good');
  await expectAt(host, 0, contents, 1);
  expect(await host.say([0x93, 0x09, ...u64(0), ...u32(BLOCKS), 0], { lun: 1 })).toBe('good');
  expect(pool.status().usedBytes).toBe(2 * contents.length);
  await target.advance(60_000);
  for (let i = 0; i < 20; i += 1) await target.advance(50);
  expect(await offload(host, token, [[0, BLOCKS]], 1)).toBe('5/23/04');
  expect(pool.status().usedBytes).toBe(contents.length);
  await sound(target);
});
