/**
 * What the background takes from commands: the same load with it and without it in turn, over one pool. A
 * round counts only where the background was at work to its end.
 */
import assert from 'node:assert';
import { join } from 'node:path';
import { ended, startChild } from '../../support/child.ts';
import { SNAPLUN, startServer } from '../../support/server.ts';
import { FILL } from '../cases.ts';
import { fill, measure } from '../measure.ts';
import { median } from '../report.ts';
import { type BuiltImage, type BuiltPool, buildPool } from '../snapshots/build.ts';
import { atLeast, type Measured, rounded } from '../snapshots/figure.ts';
import { withHost } from '../snapshots/host-process.ts';
import type { Target } from '../targets.ts';
import { type CostBench, type CostFigure, caseNamed } from './figure.ts';

const MIB = 1024 * 1024;
const PAGE_BYTES = MIB;
const SPEED_MIN = 0.9;
const LOAD = caseNamed('mix4k-q32');
const WARM_UP_MS = 200;

interface Work {
  begin(round: number): Promise<void>;
  /** Ends it; false when there was none left to do. */
  end(round: number): Promise<boolean>;
}

/** The ratios of the rounds that count, and the speed without the background. */
async function compare(bench: CostBench, target: Target, spanBytes: number, zeroes: boolean, work: Work) {
  const timing = { durationMs: bench.roundMs, warmUpMs: WARM_UP_MS, spanBytes, zeroes };
  const load = async (seed: number): Promise<number> =>
    (await measure({ generators: bench.busy, target }, LOAD, { ...timing, seed })).commandsPerSecond;
  await load(0);
  const ratios: number[] = [];
  const alone: number[] = [];
  for (let round = 0; round < bench.rounds; round += 1) {
    const before = await load(3 * round + 1);
    await work.begin(round);
    const beside = await load(3 * round + 2);
    const counts = await work.end(round);
    const after = await load(3 * round + 3);
    alone.push(before, after);
    if (counts) ratios.push((2 * beside) / (before + after));
  }
  return { ratios, alone: median(alone) };
}

function judged(
  what: string,
  { ratios, alone }: { readonly ratios: readonly number[]; readonly alone: number },
  bench: CostBench,
): Measured {
  return {
    what: `${LOAD.title}: IOPS beside ${what} / without`,
    ...atLeast(median(ratios), SPEED_MIN, ''),
    conditions:
      `${ratios.length} rounds of ${bench.roundMs / 1000} s, each between two without; ` +
      `${rounded(alone)} commands/s without`,
  };
}

const SCRUBBED_BYTES = 768 * MIB;
const SPAN_BYTES = 128 * MIB;

async function scrub(bench: CostBench): Promise<Measured> {
  bench.say('a scrub under load');
  const scrubbed = SCRUBBED_BYTES / (bench.quick ? 8 : 1);
  const server = await startServer({ args: ['--init', `front:${scrubbed}`], host: '127.0.0.1' });
  try {
    const address = { host: '127.0.0.1', port: server.port };
    const target = { label: 'snaplun', address, name: server.target, lun: 0 };
    await fill({ generators: bench.busy, target }, FILL, scrubbed);
    let over: Promise<unknown> = Promise.resolve();
    const figures = await compare(bench, target, SPAN_BYTES / (bench.quick ? 4 : 1), false, {
      async begin() {
        const words = [SNAPLUN, '--admin', join(server.pool, 'admin.sock'), 'pool', 'scrub'];
        over = ended(startChild(process.execPath, words, { stdio: 'ignore' }));
      },
      async end() {
        const { scrub: progress } = (await server.cli('pool', 'status')) as { scrub: { state: string } };
        if (progress.state === 'running') await server.cli('pool', 'scrub', '--stop');
        await over;
        return progress.state === 'running';
      },
    });
    return judged('a scrub', figures, bench);
  } finally {
    await server.stop();
  }
}

const MERGED_PAGES = 131_072;

/** One disk for each round, of two snapshots whose pages hold an entry each, at different blocks. */
function disks(count: number, pages: number): BuiltPool {
  const images: BuiltImage[] = [];
  const vluns: BuiltPool['vluns'][number][] = [];
  for (let at = 0; at < count; at += 1) {
    const first = images.length + 1;
    const layer = (id: number, blocks: readonly number[]): BuiltImage => ({
      id,
      ...(id > first && { base: id - 1 }),
      frozen: id < first + 2,
      firstPage: 0,
      endPage: blocks.length === 0 ? 0 : pages,
      blocks,
    });
    images.push(layer(first, [7]), layer(first + 1, [9]), layer(first + 2, []));
    const snapshots = ['older', 'newer'].map((name, nth) => ({ name, image: first + nth }));
    vluns.push({ name: `disk${at}`, sizeBytes: pages * PAGE_BYTES, live: first + 2, snapshots });
  }
  return { images, vluns };
}

async function merge(bench: CostBench): Promise<Measured> {
  const pages = MERGED_PAGES / (bench.quick ? 8 : 1);
  bench.say('merging deleted snapshots under load');
  const build = (directory: string): Promise<void> => buildPool(directory, disks(bench.rounds, pages));
  return withHost({ dropsData: true, build }, async (host) => {
    await host.ask('lun.create', { name: 'front', sizeBytes: 256 * MIB });
    const target = { label: 'front', lun: 0, address: host.address, name: host.target };
    const imagesNow = async (): Promise<number> =>
      ((await host.ask('pool.status', {})) as { readonly images: number }).images;
    let images = await imagesNow();
    const figures = await compare(bench, target, SPAN_BYTES, true, {
      async begin(round) {
        await host.ask('snapshot.delete', { vlun: `disk${round}`, snapshot: 'older' });
      },
      async end() {
        const busy = (await imagesNow()) === images;
        while ((await imagesNow()) === images) await new Promise((resolve) => setTimeout(resolve, 50));
        images -= 1;
        assert.equal(await imagesNow(), images);
        return busy;
      },
    });
    return judged('the merge of a deleted snapshot', figures, bench);
  });
}

export const BACKGROUND: CostFigure = {
  name: 'background',
  title: 'scrub and reclaim beside commands',
  run: async (bench) => [await scrub(bench), await merge(bench)],
};
