/** How long the server's event loop stands still under a mixed load on data that is not cached. */
import assert from 'node:assert';
import { join } from 'node:path';
import { run } from '../../support/child.ts';
import { type Case, FILL } from '../cases.ts';
import { type LoopStalls, LoopWatch } from '../loop-watch.ts';
import { type Figures, fill, measure } from '../measure.ts';
import { median } from '../report.ts';
import { atMost, type Measured, rounded } from '../snapshots/figure.ts';
import { withHost } from '../snapshots/host-process.ts';
import { type CostBench, type CostFigure, caseNamed } from './figure.ts';

const MIB = 1024 * 1024;
const SPAN_BYTES = 2048 * MIB;
const QUICK_BYTES = 128 * MIB;
const STALL_MS_MAX = 10;

interface Round {
  readonly figures: Figures;
  readonly loop: LoopStalls;
  /** Of this process, which waits meanwhile. */
  readonly idle: LoopStalls;
}

/** The system forgets what it has in memory of a file. GNU dd only; nothing is read. */
async function forget(path: string): Promise<void> {
  const outcome = await run('dd', [`if=${path}`, 'iflag=nocache', 'count=0']);
  assert.equal(outcome.code, 0, outcome.stderr);
}

function stall(bench: CostBench): Promise<Measured[]> {
  const spanBytes = bench.quick ? QUICK_BYTES : SPAN_BYTES;
  return withHost({ dropsData: false }, async (host) => {
    bench.say('filling');
    await host.ask('lun.create', { name: 'disk', sizeBytes: spanBytes });
    const target = { label: 'disk', lun: 0, address: host.address, name: host.target };
    await fill({ generators: bench.busy, target }, FILL, spanBytes);
    const patterns: readonly Case[] = [caseNamed('mix4k-q32'), caseNamed('mix4k-q32@16')];
    const found: Measured[] = [];
    for (const pattern of patterns) {
      bench.say(pattern.title);
      const rounds: Round[] = [];
      for (let round = 0; round < bench.rounds; round += 1) {
        // What was written has to be on the medium before the system can forget it.
        await fill({ generators: bench.busy, target }, caseNamed('sync4k-q1'), 4096);
        await forget(join(host.directory, 'data'));
        const idle = new LoopWatch();
        host.watchLoop();
        const timing = { durationMs: bench.roundMs, warmUpMs: 0, spanBytes, seed: round + 1 };
        const figures = await measure({ generators: bench.busy, target }, pattern, timing);
        rounds.push({ figures, loop: await host.loopStalls(), idle: idle.stalls() });
      }
      const middle = (of: (round: Round) => number): number => median(rounds.map(of));
      found.push({
        what: `${pattern.title}, data not cached: p99.9 of the event loop's stalls`,
        ...atMost(
          middle(({ loop }) => loop.p999Ms),
          STALL_MS_MAX,
          'ms',
        ),
        conditions:
          `${rounds.length} rounds of ${bench.roundMs / 1000} s over ${spanBytes / MIB} MiB; median stall ` +
          `${rounded(middle(({ loop }) => loop.p50Ms))} ms, longest ${rounded(middle(({ loop }) => loop.longestMs))} ms; ` +
          `of a process that only waited, beside it: p99.9 ${rounded(middle(({ idle }) => idle.p999Ms))} ms; ` +
          `${rounded(middle(({ figures }) => figures.commandsPerSecond))} commands/s`,
      });
    }
    return found;
  });
}

export const STALL: CostFigure = { name: 'stall', title: "stalls of the server's event loop", run: stall };
