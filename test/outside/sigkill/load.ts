/**
 * A seeded load of overlapping writes, most of them in a small hot region, some of part of a pool block and
 * some of many, with unmaps and flushes between them, over several sessions with a queue each. Every change
 * goes through the model.
 */
import { InitiatorError } from '../../support/initiator/index.ts';
import type { Random } from '../../support/random.ts';
import { seededRandom } from '../../support/random.ts';
import type { Disk, Extent } from './disk.ts';
import { contentOf, type SectorModel } from './sector-model.ts';

export const SESSION_COUNT = 4;
const QUEUE_DEPTH = 4;
const HOT_SECTORS = 16 * 1024;
const POOL_BLOCK_SECTORS = 8;

export interface LoadTally {
  acknowledged: number;
  inFlight: number;
  unmaps: number;
  flushes: number;
}

/** Hands out write numbers; 0 is the value of zeroes. */
export interface ValueSource {
  next: number;
}

export interface Load {
  readonly model: SectorModel;
  readonly disks: readonly Disk[];
  readonly values: ValueSource;
  readonly seed: number;
}

function pickExtent(random: Random, capacitySectors: number): Extent {
  const most = random.chance(0.1) ? 1024 : random.chance(0.3) ? 128 : 2 * POOL_BLOCK_SECTORS;
  const wanted = random.between(1, most);
  const region = random.chance(0.8) ? Math.min(HOT_SECTORS, capacitySectors) : capacitySectors;
  const start = random.below(region);
  const aligned = random.chance(0.5);
  const lba = aligned ? start - (start % POOL_BLOCK_SECTORS) : start;
  const sectors = aligned ? Math.max(POOL_BLOCK_SECTORS, wanted - (wanted % POOL_BLOCK_SECTORS)) : wanted;
  return { lba, sectors: Math.min(sectors, capacitySectors - lba) };
}

async function changeOnce(disk: Disk, random: Random, load: Load, tally: LoadTally): Promise<void> {
  const { model, values } = load;
  const kind = random.next();
  if (kind < 0.04) {
    await disk.flush();
    tally.flushes += 1;
    return;
  }
  const extent = pickExtent(random, model.capacitySectors);
  const unmaps = kind < 0.1;
  const value = unmaps ? 0 : values.next++;
  const change = model.issue({ value, ...extent });
  tally.inFlight += 1;
  await (unmaps ? disk.unmap(extent) : disk.write(extent.lba, contentOf(change)));
  model.acknowledge(change);
  tally.inFlight -= 1;
  tally.acknowledged += 1;
  if (unmaps) tally.unmaps += 1;
}

/** Runs until every connection is gone. Rejects when a command is answered with anything but success. */
export async function runLoad(load: Load): Promise<LoadTally> {
  const tally: LoadTally = { acknowledged: 0, inFlight: 0, unmaps: 0, flushes: 0 };
  const lanes = load.disks.flatMap((disk, session) =>
    Array.from({ length: QUEUE_DEPTH }, async (_, lane) => {
      const random = seededRandom(load.seed + session * QUEUE_DEPTH + lane);
      try {
        for (;;) await changeOnce(disk, random, load, tally);
      } catch (error) {
        // The connection dies with the server; that is what the load is waiting for.
        if (!(error instanceof InitiatorError)) throw error;
      }
    }),
  );
  await Promise.all(lanes);
  return tally;
}
