/** Starting after a crash, with as much to do as the bounds of a pool allow. */
import { closeSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PRESSURE_FACTOR } from '../../../snapshot/brake.ts';
import { dropCache } from '../../../snapshot/medium/posix.ts';
import { POOL_DEFAULTS } from '../../../snapshot/pool-types.ts';
import { median } from '../report.ts';
import { atMost, type Bench, type Figure, type Measured, rounded } from './figure.ts';
import { Host, withHost } from './host-process.ts';
import { WRITES_Q32 } from './stall.ts';

const BLOCK_BYTES = 4096;
const PAGE_BYTES = 2 ** 20;
const NEVER = 1e12;
const ROUNDS = 3;
const QUICK_SHRINK = 32;

const RECORDS = Math.ceil(POOL_DEFAULTS.checkpointJournalRecords * PRESSURE_FACTOR);
const PAGES = Math.ceil(POOL_DEFAULTS.checkpointDirtyPages * PRESSURE_FACTOR);
const UNFLUSHED = Math.floor(POOL_DEFAULTS.unflushedBytesMax / BLOCK_BYTES);

/** A pool that neither checkpoints nor flushes by itself: what the test writes stays in the journal. */
const UNBOUNDED = {
  checkpointJournalBytes: NEVER,
  checkpointJournalRecords: NEVER,
  checkpointDirtyPages: NEVER,
  flushBytes: NEVER,
  flushIntervalMs: 2 ** 30,
  unflushedBytesMax: NEVER,
};

/** Writes as many records as a journal may have, over as many pages, and kills the server. */
async function crash({ generators, quick }: Bench, host: Host): Promise<void> {
  const shrink = quick ? QUICK_SHRINK : 1;
  const spanBytes = PAGES * PAGE_BYTES;
  await host.ask('lun.create', { name: 'disk', sizeBytes: spanBytes });
  const plan = { address: host.address, target: host.target, luns: [0], spanBytes, seed: 1 };
  await generators.open({ ...plan, pattern: WRITES_Q32, attentions: true });
  const write = async (commandsMax: number): Promise<void> => {
    await generators.run(WRITES_Q32, { durationMs: 120_000, commandsMax: Math.ceil(commandsMax / shrink) });
  };
  await write(RECORDS - UNFLUSHED);
  // A verb flushes, and a mark says so; what is written from now on has to be compared.
  await host.ask('lun.create', { name: 'other', sizeBytes: BLOCK_BYTES });
  await write(UNFLUSHED);
  await host.kill();
  await generators.close();
}

/** The system gives back what it caches of the pool's files. */
async function makeCold(directory: string): Promise<void> {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const fd = openSync(join(entry.parentPath, entry.name), 'r');
    await dropCache(fd);
    closeSync(fd);
  }
}

function once(bench: Bench, cold: boolean): Promise<number> {
  return withHost({ dropsData: false, bounds: UNBOUNDED }, async (host) => {
    await crash(bench, host);
    if (cold) await makeCold(host.directory);
    const again = await Host.start({ directory: host.directory, dropsData: false });
    await again.stop();
    return again.openedMs / 1000;
  });
}

async function start(bench: Bench): Promise<Measured[]> {
  const seconds = { warm: [] as number[], cold: [] as number[] };
  for (let round = 0; round < (bench.quick ? 1 : ROUNDS); round += 1) {
    for (const kind of ['warm', 'cold'] as const) {
      bench.say(`a crash, and a ${kind} start`);
      seconds[kind].push(await once(bench, kind === 'cold'));
    }
  }
  const cold = rounded(median(seconds.cold));
  const shrink = bench.quick ? QUICK_SHRINK : 1;
  return [
    {
      what: 'start after a crash, journal at its bound, warm',
      ...atMost(median(seconds.warm), 3, 's'),
      conditions:
        `${rounded(RECORDS / shrink)} records of 4 KiB each over ${rounded(PAGES)} pages, the last ` +
        `${rounded((UNFLUSHED * BLOCK_BYTES) / 2 ** 20 / shrink)} MiB behind the last flush mark, SIGKILL; to the open portal; recovery ` +
        `itself drops what is cached of data and journal; with the tables' cache dropped too: ${cold} s`,
    },
  ];
}

export const START: Figure = { name: 'start', title: 'start after a crash', seconds: 120, run: start };
