/** Deleting snapshots: how soon the command returns, and how fast the background merges what is left. */
import { type BuiltImage, type BuiltPool, WHOLE_PAGE } from './build.ts';
import { atLeast, atMost, type Bench, type Figure, type Measured, quantile, rounded } from './figure.ts';
import { withHost } from './host-process.ts';
import { untilImages, withLocalPool } from './local-pool.ts';
import { WRITES_Q32 } from './stall.ts';

const GiB = 2 ** 30;
const PAGE_BYTES = 2 ** 20;
const DELETES = 100;
const QUICK_DELETES = 10;
const WRITES_BETWEEN = 256;

async function returns(bench: Bench): Promise<Measured[]> {
  return withHost({ dropsData: false }, async (host) => {
    const { generators, quick } = bench;
    const count = quick ? QUICK_DELETES : DELETES;
    await host.ask('lun.create', { name: 'disk', sizeBytes: GiB });
    const plan = { address: host.address, target: host.target, luns: [0], spanBytes: GiB, seed: 1 };
    await generators.open({ ...plan, pattern: WRITES_Q32 });
    for (let at = 0; at < count; at += 1) {
      await generators.run(WRITES_Q32, { durationMs: 10_000, commandsMax: WRITES_BETWEEN });
      await host.ask('snapshot.create', { vluns: ['disk'], snapshot: `s${at}` });
    }
    await generators.close();
    const tookMs: number[] = [];
    for (let at = 0; at < count; at += 1) {
      const startedMs = performance.now();
      await host.ask('snapshot.delete', { vlun: 'disk', snapshot: `s${at}` });
      tookMs.push(performance.now() - startedMs);
    }
    return [
      {
        what: 'delete of a snapshot: command returns, median',
        ...atMost(quantile(tookMs, 0.5), 10, 'ms'),
        conditions:
          `${count} snapshots with ${WRITES_BETWEEN} writes each, deleted one after the other over the admin ` +
          `socket while the background merges those before; p99 ${rounded(quantile(tookMs, 0.99))} ms`,
      },
    ];
  });
}

interface Shape {
  readonly pages: number;
  readonly lower: readonly number[];
  readonly upper: readonly number[];
}

/** Two snapshots one over the other; deleting the older merges its image into that of the newer. */
function shaped({ pages, lower, upper }: Shape): BuiltPool {
  const image = (id: number, blocks: readonly number[], frozen: boolean): BuiltImage => ({
    id,
    ...(id > 1 && { base: id - 1 }),
    frozen,
    firstPage: 0,
    endPage: blocks.length === 0 ? 0 : pages,
    blocks,
  });
  const snapshots = ['older', 'newer'].map((name, at) => ({ name, image: at + 1 }));
  return {
    images: [image(1, lower, true), image(2, upper, true), image(3, [], false)],
    vluns: [{ name: 'disk', sizeBytes: pages * PAGE_BYTES, live: 3, snapshots }],
  };
}

/** Seconds from the call until the merge is stored in a checkpoint. */
function mergeSeconds(shape: Shape): Promise<number> {
  return withLocalPool({ built: shaped(shape) }, async ({ pool }) => {
    const startedMs = performance.now();
    await pool.deleteSnapshot({ vlun: 'disk', snapshot: 'older' });
    await untilImages(pool, 2);
    await pool.checkpoint();
    return (performance.now() - startedMs) / 1000;
  });
}

const HOW =
  'from the call until a checkpoint holds the merge; tables in the file of a real pool, data dropped';

async function merges(bench: Bench): Promise<Measured[]> {
  const shrink = bench.quick ? 16 : 1;
  bench.say('merging full pages');
  const dense = { pages: 16_384 / shrink, lower: WHOLE_PAGE, upper: WHOLE_PAGE.filter((at) => at % 2 === 0) };
  const found: Measured[] = [
    {
      what: 'merge of a deleted snapshot, full pages',
      ...atLeast((dense.pages * dense.lower.length) / (await mergeSeconds(dense)), 1_000_000, 'entries/s'),
      conditions: `${rounded(dense.pages)} pages of 256 entries into pages of 128; ${HOW}`,
    },
  ];
  const pages = 524_288 / shrink;
  for (const [upper, words] of [
    [[], 'into an image without any there'],
    [[9], 'into pages with another entry each'],
  ] as const) {
    bench.say(`merging pages of one entry, ${words}`);
    const seconds = await mergeSeconds({ pages, lower: [7], upper });
    found.push({
      what: `merge of a deleted snapshot, pages of one entry ${words}`,
      ...atLeast(pages / seconds, 50_000, 'pages/s'),
      conditions: `${rounded(pages)} pages; ${HOW}`,
    });
  }
  return found;
}

async function remove(bench: Bench): Promise<Measured[]> {
  return [...(await returns(bench)), ...(await merges(bench))];
}

export const DELETE: Figure = { name: 'delete', title: 'deleting and merging', seconds: 60, run: remove };
