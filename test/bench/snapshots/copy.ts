/**
 * Copies inside a pool as initiators ask for them: EXTENDED COPY, and the two commands of an offloaded
 * transfer, of ten gibibytes that were written in order. The commands run in the measuring process, without
 * a wire; the pool and its ten gibibytes are in real files. Nothing may be stored for it, and `pool check`,
 * which shares no code with the engine, counts the entries of every place afterwards.
 *
 * Each command is tried several times, onto other LUNs, and begins when the pool has stored what the one
 * before it left: 10 GiB of entries are nearly what a checkpoint waits for, and it takes its turns as well.
 */
import assert from 'node:assert';
import { randomBytes } from 'node:crypto';
import type { LogicalUnit } from '../../../lun/logical-unit.ts';
import type { BlockRange } from '../../../lun/units.ts';
import { DeviceServers } from '../../../protocol/scsi/device-server.ts';
import { type Nexus, ScsiTarget } from '../../../protocol/scsi/target.ts';
import type { TaskResult } from '../../../protocol/scsi/task.ts';
import { createFilePool } from '../../../snapshot/medium/file.ts';
import { POOL_BLOCK_BYTES } from '../../../snapshot/medium/medium.ts';
import { Pool } from '../../../snapshot/pool.ts';
import { systemClock } from '../../../src/clock.ts';
import { copyList, cscd, extendedCopy, segment } from '../../unit/protocol/scsi/copy/copy-lists.ts';
import {
  populateList,
  populateToken,
  rodTokenInformation,
  tokenIn,
  writeList,
  writeUsingToken,
} from '../../unit/protocol/scsi/copy/odx-lists.ts';
import { atMost, type Bench, type Figure, type Measured, quantile, rounded } from './figure.ts';
import { withDirectory } from './host-process.ts';
import { benchEnvironment, openBenchMedium } from './medium.ts';

const GiB = 2 ** 30;
const QUICK_SHRINK = 64;
const WRITE_BLOCKS = 256;
/** Blocks of a segment: whole pages of a table, and as many as its field can say. */
const SEGMENT_BLOCKS = 255 * 256;
const ROUNDS = 5;
const HOW = 'written in order, blocks of 4,096 bytes, within one pool; without a wire';

/** A nexus to a target whose LUNs are these units, the unit attentions taken. */
async function nexusTo(units: readonly LogicalUnit[]): Promise<Nexus> {
  const target = new ScsiTarget({
    units: {
      get: (lun) => units[lun],
      numbers: () => units.map((_, lun) => lun),
      onChange: () => () => undefined,
    },
    servers: new DeviceServers({ randomBytes, after: (ms, run) => systemClock.after(ms, run) }),
    name: 'iqn.2026-11.io.snaplun:bench',
    product: { vendor: 'SNAPLUN', product: 'VLUN', revision: '0' },
    abortTasks: () => undefined,
  });
  const deviceName = 'iqn.2026-11.example:bench';
  const nexus = target.openNexus({ portName: `${deviceName},i,0x1`, deviceName });
  for (const [lun] of units.entries()) await run(nexus, lun, [0]);
  return nexus;
}

function run(
  nexus: Nexus,
  lun: number,
  words: readonly number[],
  dataOut: Uint8Array = new Uint8Array(0),
): Promise<TaskResult> {
  const cdb = new Uint8Array(16);
  cdb.set(words);
  const task = { tag: 1, attribute: 'simple', cdb, dataOut, dataInBytesMax: 2 ** 20 } as const;
  return new Promise((resolve) =>
    nexus.execute({ ...task, lun: Uint8Array.of(0, lun, 0, 0, 0, 0, 0, 0) }, resolve),
  );
}

interface Took {
  readonly ms: number;
  /** The longest time that nothing else had a turn. */
  readonly turnMs: number;
}

async function timed(pool: Pool, command: () => Promise<TaskResult>): Promise<Took> {
  await pool.checkpoint();
  let going = true;
  let turnMs = 0;
  const beganMs = systemClock.nowMs();
  let lastMs = beganMs;
  const turn = (): void => {
    const nowMs = systemClock.nowMs();
    turnMs = Math.max(turnMs, nowMs - lastMs);
    lastMs = nowMs;
    if (going) systemClock.after(0, turn);
  };
  systemClock.after(0, turn);
  const { status } = await command();
  const ms = systemClock.nowMs() - beganMs;
  assert.equal(status, 0, 'the command ends GOOD');
  going = false;
  return { ms, turnMs };
}

interface Tried {
  readonly pool: Pool;
  /** Shows `from`, and then the LUNs of every round: one to copy to and one to offload to. */
  readonly nexus: Nexus;
  readonly blocks: number;
}

function extended({ pool, nexus, blocks }: Tried, name: string): Promise<Took> {
  const cscds = ['from', name].map((one) => cscd([...pool.unit(one).identity.naa], POOL_BLOCK_BYTES));
  const segments: number[][] = [];
  for (let at = 0; at < blocks; at += SEGMENT_BLOCKS) {
    const count = Math.min(SEGMENT_BLOCKS, blocks - at);
    segments.push(segment({ source: 0, destination: 1, blocks: count, from: at, to: at }));
  }
  const list = copyList({ cscds, segments });
  return timed(pool, () => run(nexus, 0, extendedCopy(list), list));
}

async function offloaded(
  { pool, nexus, blocks }: Tried,
  lun: number,
): Promise<{ populate: Took; write: Took }> {
  const made = populateList([[0, blocks]]);
  const populate = await timed(pool, () => run(nexus, 0, populateToken(lun, made), made));
  const { dataIn } = await run(nexus, 0, rodTokenInformation(lun));
  assert(dataIn, 'there is a token');
  const list = writeList(tokenIn(dataIn), [[0, blocks]]);
  return { populate, write: await timed(pool, () => run(nexus, lun, writeUsingToken(lun, list), list)) };
}

async function fill(pool: Pool, blocks: number): Promise<void> {
  const { device } = pool.unit('from');
  const bytes = randomBytes(WRITE_BLOCKS * POOL_BLOCK_BYTES);
  for (let lba = 0; lba < blocks; lba += WRITE_BLOCKS) {
    bytes.writeDoubleLE(lba, 0);
    await device.write({ lba, blocks: WRITE_BLOCKS } as BlockRange, bytes, { fua: false });
  }
  await pool.flush();
  await pool.checkpoint();
}

async function tryCopies(bench: Bench, pool: Pool): Promise<Measured[]> {
  const sizeBytes = (10 * GiB) / (bench.quick ? QUICK_SHRINK : 1);
  const blocks = sizeBytes / POOL_BLOCK_BYTES;
  const names = ['from'];
  for (let round = 0; round < ROUNDS; round += 1) names.push(`copied${round}`, `offloaded${round}`);
  for (const name of names) await pool.createVlun({ name, sizeBytes, blockBytes: POOL_BLOCK_BYTES });
  bench.say(`writing ${rounded(sizeBytes / GiB)} GiB, and copying it`);
  await fill(pool, blocks);
  const tried = { pool, nexus: await nexusTo(names.map((name) => pool.unit(name))), blocks };
  const { usedBytes } = pool.status();
  const took = { empty: [] as Took[], written: [] as Took[], populate: [] as Took[], write: [] as Took[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    took.empty.push(await extended(tried, `copied${round}`));
    took.written.push(await extended(tried, `copied${round}`));
    const { populate, write } = await offloaded(tried, 2 + 2 * round);
    took.populate.push(populate);
    took.write.push(write);
  }
  assert.equal(pool.status().usedBytes, usedBytes, 'no block of data was stored for the copies');
  const { errors } = await pool.check({ data: false });
  assert.deepEqual(errors, [], 'pool check counts as many entries of every place');
  return [
    line('EXTENDED COPY of 10 GiB', took.empty, sizeBytes),
    line('the same, onto a LUN that is written already', took.written, sizeBytes),
    line('POPULATE TOKEN of 10 GiB', took.populate, sizeBytes),
    line('WRITE USING TOKEN of 10 GiB', took.write, sizeBytes),
  ];
}

function line(what: string, took: readonly Took[], sizeBytes: number): Measured {
  const times = took.map(({ ms }) => rounded(ms)).join(', ');
  const turnMs = quantile(
    took.map((one) => one.turnMs),
    0.5,
  );
  return {
    what: `${what}, median`,
    ...atMost(
      quantile(
        took.map(({ ms }) => ms),
        0.5,
      ),
      100,
      'ms',
    ),
    conditions: [
      `${rounded(sizeBytes / GiB)} GiB ${HOW}`,
      `one after the other ${times} ms`,
      `longest turn of the loop meanwhile, median ${rounded(turnMs)} ms`,
      'no block of data stored, pool check finds every entry counted',
    ].join('; '),
  };
}

function copy(bench: Bench): Promise<Measured[]> {
  return withDirectory(async (directory) => {
    await createFilePool(directory, { capacityBlocks: (12 * GiB) / POOL_BLOCK_BYTES });
    const pool = await Pool.create(
      await openBenchMedium(directory, false),
      benchEnvironment(() => undefined),
    );
    try {
      return await tryCopies(bench, pool);
    } finally {
      await pool.close();
    }
  });
}

export const COPY: Figure = { name: 'copy', title: 'copies by reference', seconds: 60, run: copy };
