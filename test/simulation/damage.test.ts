/**
 * Shows that damage is never passed over (SYSTEM promises 5, 6 and 8): one bit flipped in the flushed
 * journal, in the ordered values or in a stored block is found by the check, and the pool refuses to open or
 * to return the block.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { OperatorError, StoreError } from '../../lun/errors.ts';
import type { BlockRange } from '../../lun/units.ts';
import { type CheckReport, checkPool } from '../../snapshot/check.ts';
import { openFaultyMedium } from '../../snapshot/medium/faulty.ts';
import { FaultyStore } from '../../snapshot/medium/faulty-store.ts';
import { Pool } from '../../snapshot/pool.ts';
import type { PoolEnvironment } from '../../snapshot/pool-types.ts';
import { seededRandom } from '../support/random.ts';
import { checksum } from './machine.ts';

const SEED = 4711;
const FLIPS = 40;
const BLOCKS = 40;

const random = seededRandom(SEED);

function environment(): PoolEnvironment {
  return {
    nowMs: () => 0,
    defer: (run) => void setImmediate(run),
    // Only what is due at once: the pool flushes when the test says so.
    after: (ms, run) => {
      if (ms === 0) setImmediate(run);
      return () => undefined;
    },
    checksum,
    randomBytes: (count) => random.bytes(count),
    onFact: () => undefined,
  };
}

function range(lba: number, blocks: number): BlockRange {
  return { lba, blocks } as BlockRange;
}

const content = (block: number): Uint8Array => new Uint8Array(4096).fill(block + 1);

/** A pool whose checkpoint has some of its blocks and whose journal has the rest, all flushed. */
async function damageable(): Promise<{ store: FaultyStore; segment: number; journalBytes: number }> {
  const store = new FaultyStore({ capacityBlocks: 2000, journalSegmentBytes: 64 * 1024 });
  const medium = openFaultyMedium(store, { random });
  const pool = await Pool.create(medium, environment());
  await pool.createVlun({ name: 'disk', sizeBytes: BLOCKS * 4096, blockBytes: 4096 });
  const { device } = pool.unit('disk');
  for (let block = 0; block < BLOCKS; block += 1) {
    if (block === BLOCKS / 2) {
      await pool.createSnapshots([{ vlun: 'disk', snapshot: 's' }]);
      await pool.checkpoint();
    }
    await device.write(range(block, 1), content(block), { fua: false });
  }
  await pool.flush();
  // The mark of the first flush becomes durable with the second.
  await device.write(range(0, 1), content(0), { fua: true });
  const { segment } = medium.journal;
  const present = store.journal.segments.find(({ number }) => number === segment);
  const journalBytes = present?.appendedBytes ?? 0;
  medium.end('The process was killed.');
  return { store, segment, journalBytes };
}

let made: Awaited<ReturnType<typeof damageable>>;
beforeAll(async () => {
  made = await damageable();
});

/** What a power loss leaves when everything is flushed: a copy. */
function copy(spoil: (store: FaultyStore) => void): FaultyStore {
  const left = made.store.afterPowerLoss(random);
  spoil(left);
  return left;
}

async function check(store: FaultyStore): Promise<CheckReport> {
  const medium = openFaultyMedium(store, { random });
  const report = await checkPool(medium, { checksum, data: true });
  await medium.close();
  return report;
}

async function open(store: FaultyStore): Promise<Pool | unknown> {
  return Pool.open(openFaultyMedium(store, { random }), environment()).catch((cause: unknown) => cause);
}

describe(`One flipped bit (seed ${SEED})`, () => {
  test('nowhere: the pool is clean and opens', async () => {
    expect((await check(copy(() => undefined))).errors).toEqual([]);
    expect(await open(copy(() => undefined))).toBeInstanceOf(Pool);
  });

  test('in the journal: the check and the opening agree, and nothing that was flushed is cut away', async () => {
    let refused = 0;
    for (let flip = 0; flip < FLIPS; flip += 1) {
      const offset = random.below(made.journalBytes);
      const spoil = (store: FaultyStore): void => store.rotJournal(made.segment, offset);
      const report = await check(copy(spoil));
      const opened = await open(copy(spoil));
      if (report.ok) {
        expect(opened, `offset ${offset}`).toBeInstanceOf(Pool);
        const into = new Uint8Array(4096);
        for (let block = 0; block < BLOCKS; block += 1) {
          await (opened as Pool).unit('disk').device.read(range(block, 1), into);
          const same = Buffer.compare(into, content(block)) === 0;
          expect(same, `block ${block} after a flip at ${offset}`).toBe(true);
        }
      } else {
        refused += 1;
        expect(report.errors[0]).toMatch(/^I13/);
        expect(opened, `offset ${offset}`).toBeInstanceOf(OperatorError);
        expect((opened as OperatorError).code).toBe('damaged');
      }
    }
    expect(refused).toBeGreaterThan(FLIPS / 2);
  });

  test('in an ordered value: the check names it', async () => {
    const all = made.store.entries.scan({ from: Uint8Array.of(0), to: Uint8Array.of(255) });
    expect(all.length).toBeGreaterThan(8);
    for (const { key, value } of all) {
      const offset = random.below(value.byteLength);
      const report = await check(copy((store) => store.rotMeta(key, offset)));
      expect(report.ok, `key ${[...key]}, offset ${offset}`).toBe(false);
    }
  });

  test('in a stored block: the check finds it, and a read is a medium error that says which', async () => {
    const medium = openFaultyMedium(
      copy(() => undefined),
      { random },
    );
    let found = 0;
    for (let place = 2; place < 2 + 2 * BLOCKS; place += 1) {
      const block = new Uint8Array(4096);
      await medium.data.read(place, block);
      const written = block.every((byte) => byte === block[0]) && (block[0] ?? 0) <= BLOCKS;
      if (!written) continue;
      const spoil = (store: FaultyStore): void => store.rotData(place, random.below(4096 * 8));
      const report = await check(copy(spoil));
      if (report.ok) continue;
      found += 1;
      expect(report.errors.join()).toMatch(new RegExp(`I16: .* at place ${place},|I13`));
    }
    expect(found).toBeGreaterThanOrEqual(BLOCKS);
  });

  test('a read of a damaged block is never returned', async () => {
    const store = copy(() => undefined);
    const pool = (await open(store)) as Pool;
    for (let place = 2; place < 2 + BLOCKS; place += 1) store.rotData(place, random.below(4096 * 8));
    const { device } = pool.unit('disk');
    let refused = 0;
    for (let block = 0; block < BLOCKS; block += 1) {
      const into = new Uint8Array(4096);
      try {
        await device.read(range(block, 1), into);
        expect(Buffer.compare(into, content(block))).toBe(0);
      } catch (cause) {
        expect(cause).toBeInstanceOf(StoreError);
        expect(cause).toMatchObject({ code: 'CORRUPT', lba: block });
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(0);
  });
});
