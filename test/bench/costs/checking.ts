/** What it costs to sum up what is stored and what is sent. */
import { type Case, FILL } from '../cases.ts';
import { fill } from '../measure.ts';
import type { Measured } from '../snapshots/figure.ts';
import { type Host, withHost } from '../snapshots/host-process.ts';
import type { Target } from '../targets.ts';
import { type CostBench, type CostFigure, caseNamed } from './figure.ts';
import { against } from './turns.ts';

const MIB = 1024 * 1024;
const SPAN_BYTES = 128 * MIB;
const CHECKSUMS_MIN = 0.9;
const DIGESTS_MIN = 0.8;

async function filled({ busy }: CostBench, host: Host): Promise<Target> {
  await host.ask('lun.create', { name: 'disk', sizeBytes: SPAN_BYTES });
  const target = { label: 'disk', lun: 0, address: host.address, name: host.target };
  await fill({ generators: busy, target }, FILL, SPAN_BYTES);
  return target;
}

function checksums(bench: CostBench): Promise<Measured[]> {
  const found: Measured[] = [];
  return withHost({ dropsData: false }, (withSums) =>
    withHost({ dropsData: false, withoutChecksums: true }, async (withoutSums) => {
      const [on, off] = [await filled(bench, withSums), await filled(bench, withoutSums)];
      for (const pattern of [caseNamed('rr4k-q32'), caseNamed('rw4k-q32')]) {
        const what = `${pattern.title}: with block checksums / without any`;
        const common = { pattern, spanBytes: SPAN_BYTES };
        const ways = [
          { ...common, label: 'with', target: on },
          { ...common, label: 'without', target: off },
        ] as const;
        found.push(await against(bench, what, ways, CHECKSUMS_MIN));
      }
      return found;
    }),
  );
}

async function digested(bench: CostBench, target: Target, pattern: Case): Promise<Measured> {
  const what = `${pattern.title}: with CRC32C digests of headers and data / with none`;
  const common = { target, pattern, spanBytes: SPAN_BYTES };
  const ways = [
    { ...common, label: 'with', digests: true },
    { ...common, label: 'without' },
  ] as const;
  return against(bench, what, ways, DIGESTS_MIN);
}

function digests(bench: CostBench): Promise<Measured[]> {
  return withHost({ dropsData: false }, async (host) => {
    const target = await filled(bench, host);
    return [
      await digested(bench, target, caseNamed('sr64k-q8')),
      await digested(bench, target, caseNamed('sw64k-q8')),
    ];
  });
}

export const CHECKSUMS: CostFigure = { name: 'checksums', title: 'checksums of blocks', run: checksums };
export const DIGESTS: CostFigure = { name: 'digests', title: 'CRC32C digests on the wire', run: digests };
