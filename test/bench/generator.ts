/** A load generator: a process that does what the measuring process orders, and ends with it. */
import assert from 'node:assert';
import { randomFillSync } from 'node:crypto';
import { Histogram } from './histogram.ts';
import { Entry, type Negotiated, type UnitSize } from './login.ts';
import type { Order, Plan, Report } from './plan.ts';
import { Pump, type Until } from './pump.ts';
import { Timeline } from './timeline.ts';
import { Wire } from './wire.ts';

/** The bare server takes any segment and any number of commands. */
const BARE: Negotiated = {
  segmentBytesMax: 0xff_ffff,
  firstBurstBytes: 0xff_ffff,
  initialR2T: false,
  immediateData: true,
  cmdSN: 1,
  expStatSN: 1,
  maxCmdSN: 0x7fff_ffff,
  digests: false,
};
const BARE_BLOCK_BYTES = 512;

let pumps: Pump[] = [];
let latencies = new Histogram();
const timeline = new Timeline();

async function openOne(plan: Plan, session: number, payload: Uint8Array): Promise<Pump> {
  const lun = plan.luns[session % plan.luns.length] as number;
  const wire = await Wire.open(plan.address);
  let negotiated = BARE;
  let size: UnitSize = { blockBytes: BARE_BLOCK_BYTES, blocks: plan.spanBytes / BARE_BLOCK_BYTES };
  if (plan.target !== undefined) {
    const entry = new Entry(wire, plan.digests ?? false);
    const answered = await entry.login(plan.target, session);
    size = await entry.size(lun);
    negotiated = entry.numbering(answered);
  }
  const { blockBytes } = size;
  const spanBlocks = plan.spanBytes / blockBytes;
  assert(spanBlocks <= size.blocks, 'the unit is smaller than the span');
  const sharing = plan.luns.length > 1 ? 1 : plan.pattern.sessions;
  const blocks = Math.floor(spanBlocks / sharing);
  return new Pump({
    wire,
    negotiated,
    lun,
    blockBytes,
    region: { firstBlock: (session % sharing) * blocks, blocks },
    pattern: plan.pattern,
    seed: plan.seed * 1000 + session,
    payload,
    attentions: plan.attentions ?? false,
    latencies,
    timeline,
  });
}

async function open(plan: Plan): Promise<void> {
  close();
  latencies = new Histogram();
  const payload = new Uint8Array(plan.pattern.transferBytes);
  if (plan.zeroes !== true) randomFillSync(payload);
  for (const session of plan.sessions) pumps.push(await openOne(plan, session, payload));
}

async function run(until: Until): Promise<Report> {
  latencies.clear();
  timeline.begin();
  const processor = process.cpuUsage();
  const startedMs = performance.now();
  const counts = await Promise.all(pumps.map((pump) => pump.run(until)));
  const elapsedMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(processor);
  const commands = counts.reduce((sum, count) => sum + count, 0);
  const processorMs = (user + system) / 1000;
  const latencyCounts = latencies.counts();
  return {
    say: 'ran',
    tally: { commands, elapsedMs, processorMs, latencyCounts, timeline: timeline.parts() },
  };
}

function close(): void {
  for (const pump of pumps) pump.close();
  pumps = [];
}

async function obey(order: Order): Promise<Report> {
  if (order.say === 'run') return await run(order);
  if (order.say === 'open') await open(order.plan);
  else close();
  return { say: 'done' };
}

process.on('message', (order: Order) => {
  const answer = (report: Report): void => {
    process.send?.(report);
  };
  obey(order).then(answer, (error: Error) => {
    close();
    answer({ say: 'failed', why: error.message });
  });
});
