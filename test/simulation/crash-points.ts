/**
 * Every crash point of a small scenario. Between two events of the scheduler nothing happens, so a script has
 * as many moments at which the process or the power can end as it has events; and what a power cut leaves of
 * the calls in flight and of what was not flushed is tried several times over. Each time the store is
 * checked, opened and compared with the model in full, and so it is once more after a clean close.
 */
import { Disagreement } from './disagreement.ts';
import { type CrashPoint, playTo } from './runner.ts';
import type { Operation, Script } from './script.ts';
import { newTally, type Tally } from './tally.ts';

const write = { do: 'write', fua: false, atomic: false } as const;

/** A VLUN, one that tracks it, and every combination that P3-P5 and P11 know, with a snapshot between. */
const TRACKING: readonly Operation[] = [
  { do: 'create', vlun: 'v1', sectors: 64, blockBytes: 512, writeCache: true },
  { ...write, vlun: 'v1', range: { at: 0, blocks: 32 } },
  { do: 'preserve', vlun: 'v1', newName: 'v2' },
  { ...write, vlun: 'v2', range: { at: 0, blocks: 20 } },
  { do: 'flush', vlun: 'v1' },
  { ...write, vlun: 'v1', range: { at: 0, blocks: 8 } },
  { ...write, vlun: 'v1', range: { at: 10, blocks: 3 } },
  { do: 'snapshot', targets: [{ vlun: 'v2', snapshot: 's1' }] },
  { ...write, vlun: 'v1', range: { at: 12, blocks: 8 } },
];

/** The other structural verbs, with writes, copies and unmaps under way. */
const VERBS: readonly Operation[] = [
  { ...write, vlun: 'v2', range: { at: 8, blocks: 16 }, fua: true },
  {
    do: 'snapshot',
    targets: [
      { vlun: 'v1', snapshot: 's2' },
      { vlun: 'v2', snapshot: 's3' },
    ],
  },
  { do: 'copy', vlun: 'v2', range: { at: 32, blocks: 16 }, from: 'v1', at: 0, fua: false },
  { do: 'unmap', vlun: 'v1', ranges: [{ at: 3, blocks: 15 }] },
  { do: 'compare-and-write', vlun: 'v1', range: { at: 16, blocks: 2 }, match: true, fua: false },
  { do: 'checkpoint' },
  { do: 'clone', vlun: 'v1', snapshot: 's2', newName: 'v3' },
  { ...write, vlun: 'v3', range: { at: 0, blocks: 9 } },
  { do: 'document', name: 'document-1', value: 7 },
  { do: 'rollback', vlun: 'v1', snapshot: 's2' },
  { ...write, vlun: 'v1', range: { at: 0, blocks: 16 }, atomic: true },
  { do: 'delete-snapshot', vlun: 'v1', snapshot: 's2' },
  { do: 'checkpoint' },
  { do: 'release', vlun: 'v2' },
  { ...write, vlun: 'v1', range: { at: 0, blocks: 24 } },
  { do: 'resize', vlun: 'v1', sectors: 20 },
  { do: 'delete', vlun: 'v3' },
  { do: 'flush', vlun: 'v1' },
];

function scenario(seed: number, operations: readonly Operation[]): Script {
  return {
    seed,
    operations,
    world: {
      capacityBlocks: 200,
      journalSegmentBytes: 64 * 1024,
      atOnceChance: 0,
      depth: 4,
      options: { flushIntervalMs: 10, reclaimPauseMs: 0, trimDelayMs: 1, tableCacheBytes: 0 },
    },
  };
}

export const SMALL_SCENARIO: Script = scenario(1, TRACKING);
export const WHOLE_SCENARIO: Script = scenario(2, [...TRACKING, ...VERBS]);

export interface Enumeration {
  /** Moments of the scenario, and how often one of them was played. */
  readonly points: number;
  readonly runs: number;
}

/** Ends the scenario at every point, once by a kill and `powerCuts` times by a power cut. Throws what is wrong. */
export async function enumerateCrashes(
  script: Script,
  powerCuts: number,
  tally: Tally = newTally(),
): Promise<Enumeration> {
  let runs = 0;
  for (let events = 0; ; events += 1) {
    for (let outcome = 0; outcome <= powerCuts; outcome += 1) {
      const how = outcome === 0 ? 'kill' : 'power-cut';
      const point = { events, how, outcome: events * 1000 + outcome } as const;
      if (!(await crash(point, script, tally))) return { points: events, runs };
      runs += 1;
    }
  }
}

/** Ends it at one point, and then the opening that follows at every point of that. */
export async function enumerateOpenings(events: number, script: Script, tally: Tally): Promise<number> {
  for (let opening = 0; ; opening += 1) {
    const broken = tally.brokenOpenings;
    for (const how of ['kill', 'power-cut'] as const) {
      const outcome = events * 1000 + opening;
      await crash({ events, how, outcome, opening: { how, events: opening } }, script, tally);
    }
    if (tally.brokenOpenings === broken) return opening;
  }
}

async function crash(point: CrashPoint, script: Script, tally: Tally): Promise<boolean> {
  try {
    return await playTo(point, script, tally);
  } catch (cause) {
    throw new Disagreement(`ended at ${JSON.stringify(point)}`, { cause });
  }
}
