/** What a chain of a thousand snapshots costs those who read through it. */
import type { BlockRange } from '../../../lun/units.ts';
import type { Pool } from '../../../snapshot/pool.ts';
import { FILL } from '../cases.ts';
import { fill, measure } from '../measure.ts';
import { median } from '../report.ts';
import { type BuiltImage, WHOLE_PAGE } from './build.ts';
import { atLeast, atMost, type Bench, type Figure, type Measured, quantile, rounded } from './figure.ts';
import { type Host, withHost } from './host-process.ts';
import { withLocalPool } from './local-pool.ts';
import { READS_Q32, WRITES_Q32 } from './stall.ts';

const MiB = 2 ** 20;
const DEPTH = 1000;
const QUICK_DEPTH = 50;
const SPAN_BYTES = 256 * MiB;
const ROUNDS = 9;
const WRITES_BETWEEN = 64;

/** Takes snapshot after snapshot of the first LUN, with some writes before each. */
export function deepen(bench: Pick<Bench, 'generators' | 'quick'>, host: Host): Promise<number> {
  return scatter(bench, host, { lun: 0, between: (at) => takeSnapshot(host, at) });
}

function takeSnapshot(host: Host, at: number): Promise<unknown> {
  return host.ask('snapshot.create', { vluns: ['deep'], snapshot: `s${at}` });
}

/** Some writes, as often as there are to be snapshots, and something after each. */
async function scatter(
  { generators, quick }: Pick<Bench, 'generators' | 'quick'>,
  host: Host,
  { lun, between }: { readonly lun: number; readonly between: (at: number) => Promise<unknown> },
): Promise<number> {
  const depth = quick ? QUICK_DEPTH : DEPTH;
  const plan = { address: host.address, target: host.target, luns: [lun], spanBytes: SPAN_BYTES, seed: 1 };
  await generators.open({ ...plan, pattern: WRITES_Q32 });
  for (let at = 0; at < depth; at += 1) {
    await generators.run(WRITES_Q32, { durationMs: 10_000, commandsMax: WRITES_BETWEEN });
    await between(at);
  }
  await generators.close();
  return depth;
}

async function reads(bench: Bench): Promise<Measured[]> {
  return withHost({ dropsData: false }, async (host) => {
    const { generators, quick } = bench;
    const targets = ['deep', 'flat'].map((label, lun) => ({
      label,
      lun,
      address: host.address,
      name: host.target,
    }));
    for (const { label } of targets) await host.ask('lun.create', { name: label, sizeBytes: SPAN_BYTES });
    for (const target of targets) await fill({ generators, target }, FILL, SPAN_BYTES);
    bench.say('taking a thousand snapshots');
    const depth = await deepen(bench, host);
    // The same writes without snapshots: where they lie in the page cache matters, too.
    await scatter(bench, host, { lun: 1, between: async () => undefined });
    const ratios: number[] = [];
    const perSecond: number[] = [];
    const timing = { durationMs: quick ? 500 : 2000, warmUpMs: 500, spanBytes: SPAN_BYTES };
    for (let round = -1; round < (quick ? 1 : ROUNDS); round += 1) {
      const found: number[] = [];
      for (const target of round % 2 === 0 ? targets : [...targets].reverse()) {
        const figures = await measure({ generators, target }, READS_Q32, { ...timing, seed: round + 1 });
        found[target.lun] = figures.commandsPerSecond;
      }
      const [deep = Number.NaN, flat = Number.NaN] = found;
      if (round < 0) continue;
      ratios.push(deep / flat);
      perSecond.push(flat);
    }
    return [
      {
        what: `4 KiB random read, depth 32, through ${rounded(depth)} snapshots / through none`,
        ...atLeast(median(ratios), 0.95, ''),
        conditions:
          `warm, ${ratios.length} rounds in turn over ${SPAN_BYTES / MiB} MiB; ${WRITES_BETWEEN} random writes before each ` +
          `snapshot, the same without snapshots on the other LUN; ${rounded(median(perSecond))} reads/s without snapshots`,
      },
    ];
  });
}

const ONE_HAS_PAGES = 1000;
const ALL_HAVE_PAGES = 200;
const PAGE_BYTES = MiB;
const FEW_BLOCKS = [3, 90, 160, 255];

/** The oldest image has all pages; the others have the first ones too, a few entries in each. */
function chain(depth: number) {
  const images = Array.from({ length: depth + 1 }, (_, at): BuiltImage => {
    const common = { id: at + 1, frozen: at < depth, firstPage: 0, ...(at > 0 && { base: at }) };
    if (at === 0) return { ...common, endPage: ALL_HAVE_PAGES + ONE_HAS_PAGES, blocks: WHOLE_PAGE };
    return { ...common, endPage: at < depth ? ALL_HAVE_PAGES : 0, blocks: FEW_BLOCKS };
  });
  const snapshots = images.slice(0, depth).map(({ id }) => ({ name: `s${id}`, image: id }));
  const sizeBytes = (ALL_HAVE_PAGES + ONE_HAS_PAGES) * PAGE_BYTES;
  return { images, vluns: [{ name: 'disk', sizeBytes, live: depth + 1, snapshots }] };
}

/** Reads one block of each page, and says how long each read took, in milliseconds. */
async function touch(unit: ReturnType<Pool['unit']>, from: number, to: number): Promise<number[]> {
  const tookMs: number[] = [];
  const into = new Uint8Array(4096);
  for (let page = from; page < to; page += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    const startedMs = performance.now();
    await unit.device.read({ lba: page * 256 + 7, blocks: 1 } as BlockRange, into);
    tookMs.push(performance.now() - startedMs);
  }
  return tookMs;
}

async function firstTouch(bench: Bench): Promise<Measured[]> {
  const depth = bench.quick ? QUICK_DEPTH : DEPTH;
  bench.say(`building a chain of ${depth}`);
  const plan = { built: chain(depth), bounds: { tableCacheBytes: 2 ** 31 } };
  return withLocalPool(plan, async ({ pool }) => {
    // The newest snapshot first: that loads the table pages, and leaves the LUN's own merged pages to do.
    const snapshot = pool.snapshotUnit('disk', `s${depth}`);
    const unit = pool.unit('disk');
    const end = ALL_HAVE_PAGES + ONE_HAS_PAGES;
    const stored = await touch(snapshot, 0, ALL_HAVE_PAGES);
    await touch(snapshot, ALL_HAVE_PAGES, end);
    const all = await touch(unit, 0, ALL_HAVE_PAGES);
    const one = await touch(unit, ALL_HAVE_PAGES, end);
    const how = 'one read of 4 KiB at the block device, table pages in memory, nothing merged yet';
    const fromFile =
      `where they come from the file, cached by the system: median ${rounded(quantile(stored, 0.5))} ms, ` +
      `p99 ${rounded(quantile(stored, 0.99))} ms`;
    return [
      {
        what: `first touch of a page through ${rounded(depth)} snapshots, one image has entries: p99`,
        ...atMost(quantile(one, 0.99), 1, 'ms'),
        conditions: `${one.length} pages; ${how}`,
      },
      {
        what: `the same, all ${rounded(depth)} have: median`,
        ...atMost(quantile(all, 0.5), 2, 'ms'),
        conditions: `${all.length} pages, ${FEW_BLOCKS.length} entries of each image; ${how}; ${fromFile}`,
      },
      { what: 'the same: p99', ...atMost(quantile(all, 0.99), 5, 'ms'), conditions: 'as before' },
    ];
  });
}

export const DEPTH_READS: Figure = {
  name: 'reads',
  title: 'reads through 1,000 snapshots',
  seconds: 90,
  run: reads,
};
export const FIRST_TOUCH: Figure = {
  name: 'touch',
  title: 'first touch at depth 1,000',
  seconds: 30,
  run: firstTouch,
};
