/** Snapshots taken while initiators write: of one LUN, small and large, and of a group of 32. */
import { atMost, type Bench, type Figure, type Measured, quantile, rounded } from './figure.ts';
import { type Host, withHost } from './host-process.ts';
import { addedMs, measureStalls, type StallPlan, type Stalls, WRITES_Q32 } from './stall.ts';

const GiB = 2 ** 30;
const TiB = 2 ** 40;
const TIMES = 200;
const QUICK_TIMES = 10;
const GROUP = 32;

function stallText(stalls: Stalls): string {
  const { caused, control, tookMs, commandsPerSecond } = stalls;
  const middle = (values: readonly number[]): string => rounded(quantile(values, 0.5));
  return (
    `${caused.length} times under ${rounded(commandsPerSecond)} commands/s; longest latency after one, median ` +
    `${middle(caused)} ms, p99 ${rounded(quantile(caused, 0.99))} ms; without, ${middle(control)} ms and ` +
    `${rounded(quantile(control, 0.99))} ms; the verb took ${middle(tookMs)} ms`
  );
}

async function ofOne(bench: Bench, sizeBytes: number): Promise<Stalls> {
  return withHost({ dropsData: false }, async (host) => {
    await host.ask('lun.create', { name: 'disk', sizeBytes, blockBytes: 4096 });
    const plan: StallPlan = {
      host,
      load: { luns: [0], spanBytes: sizeBytes },
      pattern: WRITES_Q32,
      times: bench.quick ? QUICK_TIMES : TIMES,
      cause: (time) => host.ask('snapshot.create', { vluns: ['disk'], snapshot: `s${time}` }),
    };
    return measureStalls(bench, plan);
  });
}

async function create(bench: Bench): Promise<Measured[]> {
  const found: Measured[] = [];
  for (const [size, sizeBytes] of [
    ['1 GiB', GiB],
    ['16 TiB', 16 * TiB],
  ] as const) {
    bench.say(`snapshots of a LUN of ${size}`);
    const stalls = await ofOne(bench, sizeBytes);
    found.push({
      what: `snapshot create, LUN of ${size}: added stall, p99`,
      ...atMost(addedMs(stalls, 0.99), 5, 'ms'),
      conditions: `4 KiB random write over the whole LUN, depth 32; ${stallText(stalls)}`,
    });
  }
  return found;
}

async function makeGroup(host: Host): Promise<string[]> {
  const names = Array.from({ length: GROUP }, (_, at) => `disk${at}`);
  for (const name of names) await host.ask('lun.create', { name, sizeBytes: GiB });
  return names;
}

function group(bench: Bench): Promise<Measured[]> {
  return withHost({ dropsData: false }, async (host) => {
    const vluns = await makeGroup(host);
    bench.say(`snapshots of ${GROUP} LUNs at once`);
    const stalls = await measureStalls(bench, {
      host,
      load: { luns: vluns.map((_, lun) => lun), spanBytes: GiB },
      pattern: { ...WRITES_Q32, sessions: GROUP, depth: 1 },
      times: bench.quick ? QUICK_TIMES : TIMES / 2,
      cause: (time) => host.ask('snapshot.create', { vluns, snapshot: `s${time}` }),
    });
    return [
      {
        what: `snapshot of a group of ${GROUP} LUNs: added stall, p99`,
        ...atMost(addedMs(stalls, 0.99), 20, 'ms'),
        conditions: `4 KiB random write to each LUN of 1 GiB, depth 1; ${stallText(stalls)}`,
      },
    ];
  });
}

export const CREATE: Figure = { name: 'create', title: 'snapshots under load', seconds: 140, run: create };
export const GROUP_OF_32: Figure = { name: 'group', title: 'a group under load', seconds: 45, run: group };
