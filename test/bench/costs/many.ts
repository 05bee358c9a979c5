/** What it costs that there is more of something: sessions, LUNs, snapshots; and what sessions share. */
import { type Case, FILL } from '../cases.ts';
import { fill } from '../measure.ts';
import { deepen } from '../snapshots/depth.ts';
import type { Measured } from '../snapshots/figure.ts';
import { type Host, withHost } from '../snapshots/host-process.ts';
import type { Target } from '../targets.ts';
import { type CostBench, type CostFigure, caseNamed } from './figure.ts';
import { against, type Way } from './turns.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const SPAN_BYTES = 128 * MIB;
/** Throughput falls by less than a tenth. */
const KEPT_MIN = 0.9;
const FLUSHES_MIN = 4;

const FEW_SESSIONS = 16;
const MANY_SESSIONS = 256;
const MANY_LUNS = 256;

async function disk({ busy }: CostBench, host: Host, sizeBytes: number): Promise<Target> {
  await host.ask('lun.create', { name: 'disk', sizeBytes });
  const target = { label: 'disk', lun: 0, address: host.address, name: host.target };
  await fill({ generators: busy, target }, FILL, sizeBytes);
  return target;
}

function flushes(bench: CostBench): Promise<Measured[]> {
  return withHost({ dropsData: false }, async (host) => {
    const target = await disk(bench, host, SPAN_BYTES);
    const way = (label: string, name: string): Way => ({
      label,
      target,
      pattern: caseNamed(name),
      spanBytes: SPAN_BYTES,
    });
    const ways = [way('16 sessions', 'sync4k-q1@16'), way('one', 'sync4k-q1')] as const;
    const what = `${caseNamed('sync4k-q1').title}: 16 sessions / one`;
    return [await against(bench, what, ways, FLUSHES_MIN)];
  });
}

function sessions(bench: CostBench): Promise<Measured[]> {
  const patterns: readonly Case[] = [
    caseNamed('rr4k-q1'),
    caseNamed('rw4k-q1'),
    caseNamed('rr4k-q32'),
    caseNamed('rw4k-q32'),
  ];
  return withHost({ dropsData: false }, async (host) => {
    const target = await disk(bench, host, SPAN_BYTES);
    const found: Measured[] = [];
    for (const pattern of patterns) {
      const way = (count: number): Way => ({
        label: `${count} sessions`,
        target,
        pattern: { ...pattern, sessions: count },
        spanBytes: SPAN_BYTES,
      });
      const what = `${pattern.title} in each: ${MANY_SESSIONS} sessions / ${FEW_SESSIONS}`;
      found.push(await against(bench, what, [way(MANY_SESSIONS), way(FEW_SESSIONS)], KEPT_MIN));
    }
    return found;
  });
}

/** The same sessions and the same bytes, over one LUN and over one LUN for each of them. */
function luns(bench: CostBench): Promise<Measured[]> {
  return withHost({ dropsData: false }, async (host) => {
    const own = await disk(bench, host, SPAN_BYTES);
    const target = 'iqn.2026-11.io.snaplun:many';
    await host.ask('target.create', { name: target });
    const lunBytes = SPAN_BYTES / MANY_LUNS;
    for (let lun = 0; lun < MANY_LUNS; lun += 1) {
      await host.ask('lun.create', { name: `many${lun}`, sizeBytes: lunBytes, target, lun });
    }
    const numbers = Array.from({ length: MANY_LUNS }, (_, lun) => lun);
    const many: Target = { ...own, label: 'many', name: target, luns: numbers };
    const filling = { ...FILL, transferBytes: 64 * KIB, depth: 1, sessions: MANY_LUNS };
    await fill({ generators: bench.busy, target: many }, filling, lunBytes);
    const found: Measured[] = [];
    for (const name of ['rr4k-q1', 'rw4k-q1']) {
      const pattern = { ...caseNamed(name), sessions: MANY_LUNS };
      const ways = [
        { label: `${MANY_LUNS} LUNs`, target: many, pattern, spanBytes: lunBytes },
        { label: 'one', target: own, pattern, spanBytes: SPAN_BYTES },
      ] as const;
      const what = `${pattern.title} in each of ${MANY_LUNS} sessions: ${MANY_LUNS} LUNs / one`;
      found.push(await against(bench, what, ways, KEPT_MIN));
    }
    return found;
  });
}

const DEEP_BYTES = 256 * MIB;

function snapshots(bench: CostBench): Promise<Measured[]> {
  return withHost({ dropsData: false }, async (host) => {
    const targets = ['deep', 'flat'].map(
      (label, lun): Target => ({ label, lun, address: host.address, name: host.target }),
    );
    for (const target of targets) {
      await host.ask('lun.create', { name: target.label, sizeBytes: DEEP_BYTES });
      await fill({ generators: bench.busy, target }, FILL, DEEP_BYTES);
    }
    bench.say('taking the snapshots');
    const depth = await deepen({ generators: bench.busy, quick: bench.quick }, host);
    const found: Measured[] = [];
    for (const name of ['rr4k-q32', 'rw4k-q32', 'mix4k-q32']) {
      const pattern = caseNamed(name);
      const way = (lun: number, label: string): Way => ({
        label,
        target: targets[lun] as Target,
        pattern,
        spanBytes: DEEP_BYTES,
      });
      const what = `${pattern.title}: with ${depth.toLocaleString('en-US')} snapshots / with none`;
      found.push(await against(bench, what, [way(0, 'with'), way(1, 'without')], KEPT_MIN));
    }
    return found;
  });
}

export const FLUSHES: CostFigure = {
  name: 'flushes',
  title: 'flushes of 16 sessions and of one',
  run: flushes,
};
export const SESSIONS: CostFigure = { name: 'sessions', title: 'from 16 to 256 sessions', run: sessions };
export const LUNS: CostFigure = { name: 'luns', title: 'from one LUN to 256', run: luns };
export const SNAPSHOTS: CostFigure = {
  name: 'snapshots',
  title: 'from 0 to 1,000 snapshots',
  run: snapshots,
};
