/** Rolling a large LUN back while an initiator writes to it. */
import { type BuiltImage, buildPool, WHOLE_PAGE } from './build.ts';
import { atMost, type Bench, type Figure, type Measured, quantile, rounded } from './figure.ts';
import { type Host, withHost } from './host-process.ts';
import { addedMs, measureStalls, WRITES_Q32 } from './stall.ts';

const TiB = 2 ** 40;
const PAGE_BYTES = 2 ** 20;
const BASE_PAGES = TiB / PAGE_BYTES;
const CHANGED_PAGES = (64 * 2 ** 30) / PAGE_BYTES;
const LUNS = 8;
const QUICK_SHRINK = 64;
const DEPTH = 32;
const INTERVAL_MS = 2000;

/** Each LUN reads the same mapped base, its snapshot stands there, and it has changed 64 GiB since. */
async function build(directory: string, quick: boolean): Promise<void> {
  const shrink = quick ? QUICK_SHRINK : 1;
  const all = { firstPage: 0, blocks: WHOLE_PAGE };
  const lives = Array.from({ length: LUNS }, (_, at): BuiltImage => {
    return { ...all, id: at + 2, base: 1, frozen: false, endPage: CHANGED_PAGES / shrink };
  });
  await buildPool(directory, {
    images: [{ ...all, id: 1, frozen: true, endPage: BASE_PAGES / shrink }, ...lives],
    vluns: lives.map(({ id }) => ({
      name: `disk${id}`,
      sizeBytes: TiB,
      live: id,
      snapshots: [{ name: 'base', image: 1 }],
    })),
  });
}

async function measured(bench: Bench, host: Host): Promise<Measured[]> {
  const names = Array.from({ length: LUNS }, (_, at) => `disk${at + 2}`);
  for (const name of names) await host.ask('lun.map', { name });
  bench.say('rolling back');
  const stalls = await measureStalls(bench, {
    host,
    load: { luns: names.map((_, lun) => lun), spanBytes: TiB, zeroes: true, attentions: true },
    pattern: { ...WRITES_Q32, sessions: LUNS, depth: DEPTH / LUNS },
    times: LUNS,
    intervalMs: INTERVAL_MS,
    cause: (time) => host.ask('snapshot.rollback', { vlun: names[time], snapshot: 'base', force: true }),
  });
  const { caused, control, tookMs, commandsPerSecond } = stalls;
  return [
    {
      what: 'rollback of a LUN of 1 TiB with 64 GiB of changes: added stall, median',
      ...atMost(addedMs(stalls, 0.5), 50, 'ms'),
      conditions:
        `${LUNS} LUNs, each rolled back once, under ${rounded(commandsPerSecond)} commands/s of 4 KiB random write to ` +
        `all of them, depth ${DEPTH}; longest latency, median ${rounded(quantile(caused, 0.5))} ms; without, ` +
        `${rounded(quantile(control, 0.5))} ms; the verb took ${rounded(quantile(tookMs, 0.5))} ms; pool built ` +
        'directly, data dropped',
    },
  ];
}

function rollback(bench: Bench): Promise<Measured[]> {
  bench.say('building LUNs of 1 TiB');
  const plan = { dropsData: true, build: (directory: string) => build(directory, bench.quick) };
  return withHost(plan, (host) => measured(bench, host));
}

export const ROLLBACK: Figure = {
  name: 'rollback',
  title: 'rollback under load',
  seconds: 120,
  run: rollback,
};
