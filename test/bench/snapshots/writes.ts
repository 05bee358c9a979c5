/** What writes cost after a snapshot, when every block is written for the first time since. */
import { FILL } from '../cases.ts';
import { fill, measure } from '../measure.ts';
import { median } from '../report.ts';
import { type BuiltImage, buildPool, WHOLE_PAGE } from './build.ts';
import { atLeast, type Bench, type Figure, type Measured, rounded } from './figure.ts';
import { type Host, withHost } from './host-process.ts';
import { WRITES_Q32 } from './stall.ts';

const GiB = 2 ** 30;
const TiB = 2 ** 40;
const PAGE_BYTES = 2 ** 20;
const ROUNDS = 13;
const ROUND_MS = 5000;
const QUICK_SHRINK = 64;
/** With a new snapshot before each round, and without any. */
const LUNS = ['with', 'without'] as const;

interface Side {
  readonly perSecond: number[];
  checkpoints: number;
}

/** Rounds of both in turn; one before them is not counted. */
async function compare(bench: Bench, host: Host, spanBytes: number, zeroes: boolean): Promise<Side[]> {
  const { generators, quick } = bench;
  const sides: Side[] = LUNS.map(() => ({ perSecond: [], checkpoints: 0 }));
  const timing = { durationMs: quick ? 1000 : ROUND_MS, warmUpMs: 200, spanBytes, zeroes };
  const checkpoints = async (): Promise<number> => (await host.facts())['pool-checkpoint'] ?? 0;
  for (let round = -1; round < (quick ? 2 : ROUNDS); round += 1) {
    for (const [lun, label] of LUNS.entries()) {
      if (label === 'with') await host.ask('snapshot.create', { vluns: [label], snapshot: `s${round + 1}` });
      const target = { label, lun, address: host.address, name: host.target };
      const before = await checkpoints();
      const { commandsPerSecond } = await measure({ generators, target }, WRITES_Q32, {
        ...timing,
        seed: round + 1,
      });
      const side = sides[lun];
      if (side === undefined || round < 0) continue;
      side.perSecond.push(commandsPerSecond);
      side.checkpoints += (await checkpoints()) - before;
    }
  }
  return sides;
}

function judged(what: string, sides: readonly Side[], how: string): Measured {
  const [after, without] = sides;
  const ratios = after?.perSecond.map((one, round) => one / (without?.perSecond[round] ?? Number.NaN)) ?? [];
  return {
    what: `4 KiB random write, depth 32, after a snapshot / without one, span ${what}`,
    ...atLeast(median(ratios), 0.9, ''),
    conditions:
      `${ratios.length} rounds of ${ROUND_MS / 1000} s of each in turn, a new snapshot before each round of the one; ` +
      `${rounded(median(without?.perSecond ?? []))} writes/s without; checkpoints ${after?.checkpoints} and ` +
      `${without?.checkpoints}; ${how}`,
  };
}

function small(bench: Bench): Promise<Measured> {
  bench.say('writes over 1 GiB');
  return withHost({ dropsData: false }, async (host) => {
    for (const [lun, name] of LUNS.entries()) {
      await host.ask('lun.create', { name, sizeBytes: GiB });
      const target = { label: name, lun, address: host.address, name: host.target };
      await fill({ generators: bench.generators, target }, FILL, GiB);
    }
    return judged('1 GiB', await compare(bench, host, GiB, false), 'every block mapped before');
  });
}

async function buildLarge(directory: string, quick: boolean): Promise<void> {
  const endPage = TiB / PAGE_BYTES / (quick ? QUICK_SHRINK : 1);
  const images = LUNS.map(
    (_, at): BuiltImage => ({ id: at + 1, frozen: false, firstPage: 0, endPage, blocks: WHOLE_PAGE }),
  );
  const vluns = LUNS.map((name, at) => ({ name, sizeBytes: TiB, live: at + 1, snapshots: [] }));
  await buildPool(directory, { images, vluns });
}

function large(bench: Bench): Promise<Measured> {
  bench.say('building two LUNs of 1 TiB, all of it mapped');
  const plan = { dropsData: true, build: (directory: string) => buildLarge(directory, bench.quick) };
  return withHost(plan, async (host) => {
    for (const name of LUNS) await host.ask('lun.map', { name });
    bench.say('writes over 1 TiB');
    const sides = await compare(bench, host, TiB, true);
    return judged('1 TiB mapped', sides, 'pool built directly, data dropped');
  });
}

async function writes(bench: Bench): Promise<Measured[]> {
  return [await small(bench), await large(bench)];
}

export const WRITES: Figure = { name: 'writes', title: 'writes after a snapshot', seconds: 420, run: writes };
